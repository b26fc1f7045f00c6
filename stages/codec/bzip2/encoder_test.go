package bzip2

import (
	"bytes"
	"compress/bzip2"
	"io"
	"math/rand"
	"testing"
)

func encodeAll(level int, data []byte) []byte {
	e := NewEncoder(level)
	j := NewJoiner(level)
	var out, buf []byte
	for rest := data; len(rest) > 0; {
		n := min(len(rest), BlockSize(level))
		p, err := e.Encode(buf[:0], rest[:n])
		if err != nil {
			panic(err)
		}
		buf = p.Data
		out = j.Join(out, p)
		rest = rest[n:]
	}
	return j.Close(out)
}

func fib(n int) []byte {
	a, b := []byte("a"), []byte("ab")
	for len(b) < n {
		a, b = b, append(append([]byte{}, b...), a...)
	}
	return b[:n]
}

func TestQuick(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	check := func(name string, data []byte) {
		enc := encodeAll(9, data)
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(enc)))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s: len %d: %v (got %d)", name, len(data), err, len(got))
		}
		t.Log(name, len(data), len(enc))
	}
	check("empty", nil)
	check("one", []byte("a"))
	check("two", []byte("ab"))
	check("banana", []byte("banana"))
	check("periodic", bytes.Repeat([]byte("ab"), 300000))
	check("fib", fib(1000000))
	check("zero", make([]byte, 2000000))
	for i := range 2000 {
		n := r.Intn(300)
		k := r.Intn(5) + 1
		d := make([]byte, n)
		for i := range d {
			d[i] = byte(r.Intn(k))
		}
		if i%3 == 0 {
			d = bytes.Repeat(d, 7)
		}
		enc := encodeAll(1, d)
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(enc)))
		if err != nil || !bytes.Equal(got, d) {
			t.Fatalf("%d: %v %q %q", i, err, d, got)
		}
	}
	d := make([]byte, 2000000)
	r.Read(d)
	check("random", d)
	for i := range d {
		d[i] = byte(i / 700)
	}
	check("steps", d)
}
