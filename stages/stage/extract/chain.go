package extract

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// chain is a directory that entries are written in, and those above it up to the target, each
// opened from the one above without following links. A path may be longer than any system call
// takes. Of a long chain, the levels in the middle are closed, and opened again on the way back.
type chain struct {
	x      *Extractor
	levels []level // [0] is the target
	path   string  // of the last level, relative to the target
	// adopt, if not nil, is called for a directory on the way that a killed run left.
	adopt func(parent, d *level, path string) error
}

type level struct {
	name string
	end  int // length of the path to here
	fd   int // -1 if closed
	node *node
}

// nearby is how many levels are kept open at the top of a chain, and again at its bottom.
const nearby = 16

// missing is called when a directory on the way is not there, to make it.
type missing func(parent *level, path, name string) error

// enter goes to the directory at a clean path. Missing ones are made by absent; if that is nil,
// they are an error. The level is valid until the next call.
func (c *chain) enter(path string, absent missing) (*level, error) {
	if len(c.levels) == 0 {
		fd := int(c.x.top.Fd())
		c.levels = append(c.levels, level{fd: fd, node: &c.x.dirs.root})
		c.path = ""
		if err := c.x.learn(fd, &c.x.dirs.root, false); err != nil {
			return nil, err
		}
	}
	common, rest := 1, path
	if path == c.path {
		common, rest = len(c.levels), ""
	}
	for common < len(c.levels) && rest != "" {
		name, after, _ := strings.Cut(rest, "/")
		if name != c.levels[common].name {
			break
		}
		common, rest = common+1, after
	}
	c.cut(common)
	if err := c.reopen(); err != nil {
		return nil, err
	}
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if err := c.push(path, name, absent); err != nil {
			return nil, err
		}
	}
	return c.last(), nil
}

func (c *chain) last() *level { return &c.levels[len(c.levels)-1] }

// push goes one level down, into name, on the way to path.
func (c *chain) push(path, name string, absent missing) error {
	parent := c.last()
	end := parent.end + len(name)
	if parent.end > 0 {
		end++
	}
	n := c.x.dirs.get(parent.node, name)
	fd, err := c.x.openDir(parent, name, n)
	if errors.Is(err, unix.ENOENT) && absent != nil {
		if err := absent(parent, path[:end], name); err != nil {
			return err
		}
		n = c.x.dirs.get(parent.node, name)
		fd, err = c.x.openDir(parent, name, n)
	}
	if err != nil {
		return fmt.Errorf("opening the directory %q: %w", path[:end], err)
	}
	c.levels = append(c.levels, level{name: n.name, end: end, fd: fd, node: n})
	c.path = path[:end]
	if n.is(left) && c.adopt != nil {
		if err := c.adopt(&c.levels[len(c.levels)-2], c.last(), c.path); err != nil {
			c.cut(len(c.levels) - 1)
			return err
		}
	}
	c.trim(len(c.levels) - 1)
	return nil
}

// trim closes what is not near the level i, just opened.
func (c *chain) trim(i int) {
	if far := &c.levels[max(i-nearby, 0)]; i-nearby > nearby && far.fd >= 0 {
		fsys.CloseRead(far.fd)
		far.fd = -1
	}
}

// reopen opens the last level, and those near it, if it was closed.
func (c *chain) reopen() error {
	top := len(c.levels) - 1
	i := top + 1
	for c.levels[i-1].fd < 0 {
		i--
	}
	for ; i <= top; i++ {
		l := &c.levels[i]
		fd, err := c.x.openDir(&c.levels[i-1], l.name, l.node)
		if err != nil {
			c.cut(i)
			return fmt.Errorf("opening the directory %q again: %w", l.name, err)
		}
		l.fd = fd
		c.trim(i)
	}
	return nil
}

// cut closes all but the first n levels.
func (c *chain) cut(n int) {
	for i := n; i < len(c.levels); i++ {
		if c.levels[i].fd >= 0 {
			fsys.CloseRead(c.levels[i].fd)
		}
	}
	clear(c.levels[n:])
	c.levels = c.levels[:n]
	if n > 0 {
		c.path = c.path[:c.last().end]
	}
}

// close closes all but the target.
func (c *chain) close() {
	if len(c.levels) > 0 {
		c.cut(1)
	}
	c.levels, c.path = c.levels[:0], ""
}
