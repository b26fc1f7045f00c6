package bzip2

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"math/rand"
	"os/exec"
	"testing"
	"testing/iotest"
)

func native(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

func TestReadsOtherEncoders(t *testing.T) {
	r := rand.New(rand.NewSource(seed))
	data := append(text(r, 1_000_000), markText()...)
	for _, args := range [][]string{{"bzip2", "-1"}, {"bzip2", "-9"}, {"lbzip2", "-1"}, {"pbzip2", "-c", "-b1"}} {
		enc := native(t, data, args...)
		for _, workers := range []int{1, 5} {
			got, err := decodeAll(t, enc, workers)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%v, %d workers: %d of %d bytes, %v", args, workers, len(got), len(data), err)
			}
		}
	}
}

func TestStreamsOneAfterTheOther(t *testing.T) {
	a, b := []byte("the first"), []byte("the second")
	one, two, none := encodeAll(t, 1, 100, a), encodeAll(t, 9, 100, b), encodeAll(t, 5, 1, nil)
	for _, c := range []struct {
		name string
		file [][]byte
		want string
		err  error
	}{
		{"two", [][]byte{one, two}, "the firstthe second", nil},
		{"empty between", [][]byte{one, none, none, two}, "the firstthe second", nil},
		{"garbage", [][]byte{one, []byte("garbage")}, "the first", nil},
		{"zeros", [][]byte{one, make([]byte, 5000)}, "the first", nil},
		{"much garbage", [][]byte{one, bytes.Repeat([]byte("x"), 3*maxSegment)}, "the first", nil},
		{"garbage with a stream in it", [][]byte{one, []byte("x"), two}, "the first", nil},
		{"level 0", [][]byte{one, []byte("BZh0"), two[4:]}, "the first", nil},
		{"part of a head", [][]byte{one, two[:3]}, "the first", io.ErrUnexpectedEOF},
		{"head alone", [][]byte{one, two[:4]}, "the first", io.ErrUnexpectedEOF},
		{"no block", [][]byte{one, []byte("BZh9 and so on, and so on")}, "the first", ErrCorrupt},
		{"head over a mark", [][]byte{one[:4], {0}, one[4:]}, "", ErrCorrupt},
		{"nothing", nil, "", io.ErrUnexpectedEOF},
		{"no bzip2", [][]byte{[]byte("plain text, nothing more")}, "", ErrCorrupt},
	} {
		got, err := decodeAll(t, bytes.Join(c.file, nil), 2)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestEveryTruncationIsUnexpectedEOF(t *testing.T) {
	enc := encodeAll(t, 1, 60, []byte("a text of two blocks, the second of which is not longer than the first one is"))
	for n := range enc {
		if _, err := decodeAll(t, enc[:n], 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v", n, len(enc), err)
		}
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	data := []byte("abracadabra") // each bit costs a reader, so the file is short: two blocks
	enc := encodeAll(t, 1, 6, data)
	for bit := range len(enc) * 8 {
		bad := bytes.Clone(enc)
		bad[bit/8] ^= 0x80 >> (bit % 8)
		got, err := decodeAll(t, bad, 1)
		// The head's level and the filling after the end are not covered.
		if err == nil && !bytes.Equal(got, data) {
			t.Errorf("bit %d of %d: other data, and no error", bit, len(enc)*8)
		}
	}
}

// TestFalseMarks has marks inside of a block, each of which cuts a segment short.
func TestFalseMarks(t *testing.T) {
	data := markText()
	enc := encodeAll(t, 1, len(data), data)
	var kinds []kind
	newScanner(bytes.NewReader(enc), make(chan []byte, 1), func(s *segment) bool {
		kinds = append(kinds, s.kind)
		return true
	}).run()
	if len(kinds) != 5 {
		t.Fatalf("segments %v: this block was to have two false marks in it", kinds)
	}
	for range 3 {
		got, err := decodeAll(t, append(enc, enc...), 3)
		if err != nil || !bytes.Equal(got, append(data, data...)) {
			t.Errorf("%d of %d bytes, %v", len(got), 2*len(data), err)
		}
	}
	for n := range enc {
		if _, err := decodeAll(t, enc[:n], 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v", n, len(enc), err)
		}
	}
}

// TestRandomisedBlock makes a block as bzip2 0.9.0 did, and has bzip2 confirm it.
func TestRandomisedBlock(t *testing.T) {
	data := text(rand.New(rand.NewSource(seed)), 50_000)
	e := NewEncoder(1)
	n, _ := encodeRuns(e.sorter.input(), data)
	derandomise(e.sorter.input()[:n])
	var w bitWriter
	e.check.write(data)
	crc := e.check.sum()
	e.encodeBlock(&w, crc, n)
	bits := int64(len(w.dst))*8 + int64(w.used)
	block := w.close()
	block[(markBits+32)/8] |= 0x80
	j := NewJoiner(1)
	file := j.Close(j.Join(nil, Piece{Data: block, Bits: bits, Raw: len(data), Count: 1, Sum: crc}))
	if got := native(t, file, "bzip2", "-dc"); !bytes.Equal(got, data) {
		t.Errorf("bzip2 gives %d of %d bytes", len(got), len(data))
	}
	if got, err := decodeAll(t, file, 1); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
	}
	// The libraries know such blocks and refuse them, which is why they are no witnesses here.
	for name, open := range libraries() {
		r, err := open(bytes.NewReader(file))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err == nil {
			t.Errorf("%s takes a randomised block: it could confirm what it holds", name)
		}
	}
}

func TestInputInAnyPortions(t *testing.T) {
	data := text(rand.New(rand.NewSource(seed)), 250_000)
	enc := encodeAll(t, 1, 0, data)
	r, err := NewReader(iotest.OneByteReader(bytes.NewReader(enc)), Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(r, data); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	broken := errors.New("the line is broken")
	r, _ = NewReader(io.MultiReader(bytes.NewReader(enc[:len(enc)/2]), iotest.ErrReader(broken)), Options{})
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("a failing input gives %v", err)
	}
	r.Close()
}

func TestCloseInTheMiddle(t *testing.T) {
	data := text(rand.New(rand.NewSource(seed)), 600_000)
	enc := encodeAll(t, 1, 0, data)
	for _, n := range []int{0, 1, 150_000} {
		r, _ := NewReader(bytes.NewReader(enc), Options{Workers: 2})
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			t.Fatal(err)
		}
		r.Close()
		r.Close()
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a closed reader reads %d bytes, %v", n, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("BZh9"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		got, err := decodeAll(t, data, 2)
		want, stdErr := io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(data)), 1<<28))
		if stdErr == nil && len(want) > 0 && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d bytes, %v, where compress/bzip2 gives %d", len(got), err, len(want))
		}
	})
}

func FuzzEncoder(f *testing.F) {
	f.Add([]byte("banana"), byte(3))
	f.Fuzz(func(t *testing.T, data []byte, times byte) {
		data = bytes.Repeat(data, int(times)+1)
		mustDecode(t, "fuzzed", encodeAll(t, 1, 0, data), data)
	})
}
