package spool

import (
	"io"
	"os"
)

// held is how many bytes of a Beside stay in memory: most never need a file.
const held = 32 << 10

// A Beside keeps a few bytes more that belong to an archive, in its share of the budget, and goes
// when its File does. It may be written while the File is. What does not fit into the share is not
// kept, and neither is the rest (see Lost).
type Beside struct {
	of   *File
	mem  []byte
	file *os.File // once mem is full; it has no name
	size int64    // bytes kept
	lost bool
}

// Beside returns what is kept beside the archive; it is called once, before anything is written.
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
	if b.file == nil && b.size <= held {
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

// Lost reports that it did not fit into the archive's share of the spool.
func (b *Beside) Lost() bool { return b.lost }

// Size in bytes of what is kept.
func (b *Beside) Size() int64 { return b.size }

// ReadAt reads what was written, as io.ReaderAt does.
func (b *Beside) ReadAt(p []byte, at int64) (int, error) {
	if b.file != nil {
		return b.file.ReadAt(p, at)
	}
	if at >= int64(len(b.mem)) {
		return 0, io.EOF
	}
	n := copy(p, b.mem[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b *Beside) close() error {
	b.mem = nil
	if b.file == nil {
		return nil
	}
	file := b.file
	b.file = nil
	return file.Close()
}
