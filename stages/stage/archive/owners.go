package archive

import (
	"os/user"
	"strconv"
	"sync"
)

// owners holds the names of users and groups, each looked up once a run. Without cgo they come from
// /etc/passwd and /etc/group; an id without a name there is stored as a number alone.
type owners struct {
	mu            sync.Mutex
	users, groups map[uint32]string
}

func (o *owners) user(id uint32) string {
	return o.name(&o.users, id, func(id string) string {
		if u, err := user.LookupId(id); err == nil {
			return u.Username
		}
		return ""
	})
}

func (o *owners) group(id uint32) string {
	return o.name(&o.groups, id, func(id string) string {
		if g, err := user.LookupGroupId(id); err == nil {
			return g.Name
		}
		return ""
	})
}

// name returns an id's name, "" if there is none or it can't be found: the number is what counts.
func (o *owners) name(known *map[uint32]string, id uint32, lookup func(string) string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := (*known)[id]
	if ok {
		return name
	}
	if *known == nil {
		*known = make(map[uint32]string)
	}
	name = lookup(strconv.FormatUint(uint64(id), 10))
	(*known)[id] = name
	return name
}

// ownerNames is one archive's view of owners: neighbours mostly have the same owner, which needs no
// lookup.
type ownerNames struct {
	from        *owners
	uid, gid    uint32
	user, group string
	valid       bool
}

func (n *ownerNames) of(uid, gid uint32) (user, group string) {
	if !n.valid || n.uid != uid {
		n.uid, n.user = uid, n.from.user(uid)
	}
	if !n.valid || n.gid != gid {
		n.gid, n.group = gid, n.from.group(gid)
	}
	n.valid = true
	return n.user, n.group
}
