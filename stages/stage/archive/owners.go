package archive

import (
	"os/user"
	"strconv"
	"sync"
)

// owners knows the names of users and groups, each looked up once a run. Without cgo they come from /etc/passwd and
// /etc/group; an id without a name there is stored as a number alone.
type owners struct {
	mu            sync.Mutex
	users, groups map[uint32]string
}

func (o *owners) user(id uint32) string {
	return o.name(&o.users, id, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (o *owners) group(id uint32) string {
	return o.name(&o.groups, id, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

func (o *owners) name(known *map[uint32]string, id uint32, look func(string) (string, error)) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := (*known)[id]
	if ok {
		return name
	}
	// Not to find a name, for whatever reason, is no fault: the number is what counts.
	if found, err := look(strconv.FormatUint(uint64(id), 10)); err == nil {
		name = found
	}
	if *known == nil {
		*known = make(map[uint32]string)
	}
	(*known)[id] = name
	return name
}

// ownerNames is one archive's view of owners: neighbours mostly have the same owner, and then nothing is asked.
type ownerNames struct {
	from             *owners
	uid, gid         uint32
	userName, gpName string
	valid            bool
}

func (n *ownerNames) of(uid, gid uint32) (userName, groupName string) {
	if !n.valid || n.uid != uid {
		n.uid, n.userName = uid, n.from.user(uid)
	}
	if !n.valid || n.gid != gid {
		n.gid, n.gpName = gid, n.from.group(gid)
	}
	n.valid = true
	return n.userName, n.gpName
}
