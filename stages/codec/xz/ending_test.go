package xz

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// FuzzEnding reads in one go and byte by byte: what is said of the end must not depend on it, and only a file that goes on to
// its footer, or to zeros behind it, may pass.
func FuzzEnding(f *testing.F) {
	var j Joiner
	empty := j.Close(nil)
	f.Add(empty, 0)
	f.Add(empty, 64)
	f.Add(empty[:len(empty)-1], 0)
	f.Add(empty[:streamHeaderSize], 3)
	f.Add([]byte{}, 20)
	f.Fuzz(func(t *testing.T, file []byte, zeros int) {
		file = append(bytes.Clone(file), make([]byte, min(max(zeros, 0), 100))...)
		whole, single := NewEnding(bytes.NewReader(file)), NewEnding(iotest.OneByteReader(bytes.NewReader(file)))
		for _, e := range []*Ending{whole, single} {
			if _, err := io.Copy(io.Discard, e); err != nil {
				t.Fatal(err)
			}
		}
		err := whole.Check()
		if (err == nil) != (single.Check() == nil) {
			t.Fatal("the size of reads matters")
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v does not wrap io.ErrUnexpectedEOF", err)
		}
		if end := bytes.TrimRight(file, "\x00"); err == nil && !bytes.HasSuffix(end, []byte("YZ")) {
			t.Fatal("took a file without a footer")
		}
	})
}

func TestEnding(t *testing.T) {
	file := stream(t, NewEncoder(1), letters(1000, 9, 1), 300)
	for n := range len(file) + 1 {
		e := NewEnding(bytes.NewReader(file[:n]))
		if _, err := io.Copy(io.Discard, e); err != nil {
			t.Fatal(err)
		}
		if whole := e.Check() == nil; whole != (n == len(file)) {
			t.Errorf("%d of %d bytes: taken for whole: %v", n, len(file), whole)
		}
	}
}
