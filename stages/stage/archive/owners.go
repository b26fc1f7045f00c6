package archive

import (
	"os/user"
	"strconv"
	"sync"
)

// owners holds the names of users and groups, each looked up once a run. Without cgo they come from
// /etc/passwd and /etc/group; an id without a name there is stored as a number alone.
type owners struct {
	mu    sync.Mutex
	names map[owner]string
}

type owner struct {
	id    uint32
	group bool
}

// name returns the name of a user or group, "" if none is found: the number is what counts.
func (o *owners) name(who owner) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := o.names[who]
	if ok {
		return name
	}
	id := strconv.FormatUint(uint64(who.id), 10)
	if who.group {
		if g, err := user.LookupGroupId(id); err == nil {
			name = g.Name
		}
	} else if u, err := user.LookupId(id); err == nil {
		name = u.Username
	}
	if o.names == nil {
		o.names = make(map[owner]string)
	}
	o.names[who] = name
	return name
}

// lastName is what an archive needed last: neighbours mostly have the same owner.
type lastName struct {
	of    owner
	name  string
	valid bool
}

func (l *lastName) get(o *owners, of owner) string {
	if !l.valid || l.of != of {
		*l = lastName{of, o.name(of), true}
	}
	return l.name
}
