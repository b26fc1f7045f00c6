package spool

import (
	"bytes"
	"os"
)

// inMemory is how many bytes a Beside keeps in memory. Most need no file.
const inMemory = 32 << 10

// A Beside keeps the list of an archive's entries, in the archive's share of the budget, until its
// File is removed. It may be written at the same time as the File. A list that does not fit is not
// kept (see Lost).
type Beside struct {
	of   *File
	mem  []byte
	file *os.File // nil while mem is enough; it has no name
	size int64    // bytes kept
	lost bool
}

// Beside returns the Beside of the archive. It is called once, before the first Write.
func (f *File) Beside() *Beside {
	f.beside = &Beside{of: f}
	return f.beside
}

// Write appends.
func (b *Beside) Write(p []byte) (int, error) {
	if b.lost {
		return len(p), nil
	}
	if b.of.used.Add(int64(len(p))) > b.of.share {
		b.of.used.Add(-b.size - int64(len(p)))
		b.lost, b.size = true, 0
		return len(p), b.close()
	}
	b.size += int64(len(p))
	if b.file == nil && b.size <= inMemory {
		b.mem = append(b.mem, p...)
		return len(p), nil
	}
	if b.file == nil {
		var err error
		if b.file, err = b.of.dir.Scratch(); err != nil {
			return 0, err
		}
		if _, err := b.file.Write(b.mem); err != nil {
			return 0, writeError("a list of entries", err)
		}
		b.mem = nil
	}
	n, err := b.file.Write(p)
	return n, writeError("a list of entries", err)
}

// Lost reports that the list did not fit into the archive's share and is not kept.
func (b *Beside) Lost() bool { return b.lost }

// Size is the number of bytes kept.
func (b *Beside) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt.
func (b *Beside) ReadAt(p []byte, at int64) (int, error) {
	if b.file != nil {
		return b.file.ReadAt(p, at)
	}
	return bytes.NewReader(b.mem).ReadAt(p, at)
}

func (b *Beside) close() (err error) {
	if b.file != nil {
		err = b.file.Close()
	}
	b.mem, b.file = nil, nil
	return err
}
