package walk

import (
	"bytes"
	"slices"
	"unsafe"
)

// kind is the type of an entry as the directory's listing has it.
type kind uint8

const (
	kindUnknown kind = iota
	kindDir
	kindOther
)

// names are the names in one directory, in byte order, in one piece of memory and 16 bytes for
// each.
type names struct {
	bytes  []byte
	at     []nameAt
	tagged bool // the directory is marked as a cache, whose content is left out
}

type nameAt struct {
	off  int
	len  uint32
	kind kind
}

func (n *names) add(name []byte, k kind) {
	n.at = append(n.at, nameAt{off: len(n.bytes), len: uint32(len(name)), kind: k})
	n.bytes = append(n.bytes, name...)
}

func (n *names) raw(a nameAt) []byte {
	return n.bytes[a.off : a.off+int(a.len)]
}

// name returns a name without copying it: it is valid until the list is given back.
func (n *names) name(i int) string {
	b := n.raw(n.at[i])
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// list returns the sorted names in d; with an error, those read so far.
func (t *Tree) list(d *dir) (*names, error) {
	n, buf := t.lists.Get().(*names), t.buffers.Get().(*[64 << 10]byte)
	n.bytes, n.at, n.tagged = n.bytes[:0], n.at[:0], false
	err := readNames(d.fd, buf[:], n)
	t.buffers.Put(buf)
	slices.SortFunc(n.at, func(a, b nameAt) int { return bytes.Compare(n.raw(a), n.raw(b)) })
	// A directory that changes while it is read may list a name twice.
	n.at = slices.CompactFunc(n.at, func(a, b nameAt) bool { return bytes.Equal(n.raw(a), n.raw(b)) })
	return n, err
}

// done gives a list back for reuse. That of a huge directory is left to the garbage collector.
func (t *Tree) done(n *names) {
	if cap(n.bytes) <= 1<<20 && cap(n.at) <= 1<<16 {
		t.lists.Put(n)
	}
}
