//go:build linux

package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/dsnet/compress/bzip2"

	"golang.org/x/sys/unix"

	"firn/stages/format/codec"
	"firn/stages/stage/walk"
)

func open(t *testing.T, dir string) *walk.Tree {
	t.Helper()
	tr, err := walk.Open(dir, walk.Options{Depth: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

// mixed is a tree of files of one letter for each kind: large ones, middle ones, tiny ones.
func mixed(t *testing.T) (*walk.Tree, map[byte]int64) {
	dir, bytesOf := t.TempDir(), map[byte]int64{}
	for _, k := range []struct {
		letter      byte
		name        string
		count, size int
	}{{'L', "%d/large.bin", 2, 8 << 20}, {'m', "%d/m.txt", 300, 40_000}, {'t', "%d/tiny.go", 4000, 700}, {'n', "%d/none", 50, 30_000}} {
		for i := range k.count {
			write(t, filepath.Join(dir, fmt.Sprintf("d"+k.name, i%97+i/97*1000)), bytes.Repeat([]byte{k.letter}, k.size))
		}
		bytesOf[k.letter] = int64(k.count) * int64(k.size)
	}
	return open(t, dir), bytesOf
}

// Each kind of file has its share of each piece, to a stretch, and the same calls give the same bytes.
func TestPiecesStandForTheTree(t *testing.T) {
	tr, bytesOf := mixed(t)
	c, err := Take(t.Context(), tr)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	pieces, faults, err := c.Read(t.Context(), tr, 0, n)
	if err != nil || faults.Count != 0 {
		t.Fatal(err, faults)
	}
	if most := c.Pieces(1); most != int((c.Tar+PieceSize-1)/PieceSize) || c.Pieces(0.5) != (most+1)/2 || c.Pieces(0.0001) != 1 || new(Census).Pieces(1) != 0 {
		t.Errorf("%d bytes have %d pieces, half has %d", c.Tar, most, c.Pieces(0.5))
	}
	for i, p := range pieces {
		if len(p.Data) != PieceSize {
			t.Errorf("piece %d has %d bytes", i, len(p.Data))
		}
		source := int64(0)
		for letter, all := range bytesOf {
			got := int64(bytes.Count(p.Data, []byte{letter, letter, letter, letter})) * 4
			want := int64(float64(all) / float64(c.Tar) * PieceSize)
			if max(got-want, want-got) > stretchSize {
				t.Errorf("piece %d has %d bytes of %c, and its share is %d", i, got, letter, want)
			}
			source += got
		}
		if max(p.Source-source, source-p.Source) > PieceSize/100 {
			t.Errorf("piece %d has %d bytes of files, and says %d", i, source, p.Source)
		}
	}
	again, _, err := c.Read(t.Context(), tr, 2, 1)
	if err != nil || !bytes.Equal(again[0].Data, pieces[2].Data) || bytes.Equal(pieces[1].Data, pieces[2].Data) {
		t.Errorf("piece 2 is another one when it is read alone, or the same as piece 1: %v", err)
	}
}

// A tree of less than a piece is read whole, and an empty one gives nothing.
func TestSmallTrees(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir)
	c, err := Take(t.Context(), tr)
	if err != nil || c.Files != 0 || c.Entries != 1 {
		t.Fatal(err, c)
	}
	data := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{1}).Read(data)
	write(t, dir+"/a/noise", data)
	write(t, dir+"/empty", nil)
	if c, err = Take(t.Context(), tr); err != nil || c.Files != 2 || c.Bytes != int64(len(data)) {
		t.Fatal(err, c)
	}
	pieces, _, err := c.Read(t.Context(), tr, 0, 1)
	if got := pieces[0]; err != nil || int64(len(got.Data)) < c.Tar*95/100 || got.Source < int64(len(data))*95/100 {
		t.Errorf("%d bytes, %d of files, of a tar of %d: %v", len(got.Data), got.Source, c.Tar, err)
	}
}

// Of a file with holes the data are read, not the holes.
func TestHoles(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("x"), 1<<20)
	f, err := os.Create(dir + "/image")
	for i := range int64(8) {
		_, e := f.WriteAt(data, i<<30+512<<20)
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, f.Truncate(16<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	tr := open(t, dir)
	c, err := Take(t.Context(), tr)
	if err != nil {
		t.Fatal(err)
	}
	if c.Tar > 16<<20 {
		var st unix.Stat_t
		if err := unix.Stat(dir+"/image", &st); err != nil || st.Blocks*512 < st.Size {
			t.Fatalf("%d bytes of tar: holes count, %v", c.Tar, err)
		}
		t.Skip("this file system keeps no holes")
	}
	pieces, faults, err := c.Read(t.Context(), tr, 0, 1)
	if n := bytes.Count(pieces[0].Data, []byte("x")); err != nil || faults.Count != 0 || n < PieceSize*95/100 {
		t.Errorf("%d bytes of data in a piece: %v %v", n, faults, err)
	}
}

// What vanishes or shrinks after it was chosen is counted, and the rest is read.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gone", "kept", "short"} {
		write(t, filepath.Join(dir, name), bytes.Repeat([]byte(name[:1]), 100_000))
	}
	tr := open(t, dir)
	c, err := Take(t.Context(), tr)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{c: c, t: tr, done: map[stratum]int64{}, pieces: make([]Piece, 1)}
	r.wanted, r.parts = c.choose(0, 1)
	r.open = 1000
	err = tr.Entries(t.Context(), whole(tr), func(e *walk.Entry) error {
		switch filepath.Base(e.Path) {
		case "gone":
			os.Remove(e.Path)
		case "short":
			os.Truncate(e.Path, 50)
		}
		return r.entry(e)
	}, nil)
	var got []byte
	for _, p := range r.parts[0] {
		got = append(got, p...)
	}
	if err != nil || r.faults.Count < 2 || !errors.Is(r.faults.First, fs.ErrNotExist) || bytes.Count(got, []byte("kkkk"))*4 < 90_000 {
		t.Errorf("%+v, %d bytes: %v", r.faults, len(got), err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if _, _, err := c.Read(ctx, tr, 0, 1); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("cancelled: %v", err)
	}
}

// What is measured is what a backup makes: the size of the file that the format's writer writes, for
// several blocks, and again with the same encoder.
func TestTry(t *testing.T) {
	data := make([]byte, 500_000)
	rand.NewChaCha8([32]byte{2}).Read(data)
	for i := range data {
		data[i] &= 0x1f
	}
	for _, name := range codec.Names() {
		f, err := codec.New(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		w := codec.NewWriter(f, &want)
		if _, err := w.Write(data); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		a := Of(f)
		for range 2 {
			if got, err := a.Try(data); err != nil || got.Out != int64(want.Len()) || got.In != int64(len(data)) || got.CPU <= 0 {
				t.Errorf("%s: %+v %v, a file has %d bytes", name, got, err, want.Len())
			}
		}
	}
	opened := 0
	lib := Writer(func(w io.Writer) (io.WriteCloser, error) {
		opened++
		return bzip2.NewWriter(w, nil)
	})
	var ts Trials
	for range 3 {
		trial, err := lib.Try(data)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, trial)
	}
	if ratio := ts.Ratio(); opened != 1 || ratio.Low != ratio.High || ratio.Value < 1.5 || ts.Rate().Value <= 0 {
		t.Errorf("opened %d times, ratio %+v, rate %+v", opened, ratio, ts.Rate())
	}
	if _, err := lib.Try(nil); err == nil {
		t.Error("no error for an empty piece")
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   Range
	}{
		{nil, Range{}},
		{[]float64{3}, Range{Value: 3, Low: 3, High: 3, Count: 1}},
		{[]float64{10, 12, 14}, Range{Value: 12, Low: 7.032, High: 16.968, Count: 3}}, // 4.303 × 2/√3
		{[]float64{1, 9}, Range{Value: 5, Low: 0, High: 55.824, Count: 2}},
	} {
		got := Spread(tt.values)
		off := max(got.Value-tt.want.Value, tt.want.Value-got.Value, got.Low-tt.want.Low, tt.want.Low-got.Low, got.High-tt.want.High, tt.want.High-got.High)
		if got.Count != tt.want.Count || off > 0.001 {
			t.Errorf("%v: %+v, want %+v", tt.values, got, tt.want)
		}
	}
	if r := Spread([]float64{1, 9}).inverse(); r.Value != 0.2 || !r.Unbounded {
		t.Errorf("%+v", r)
	}
	a, b, c := Spread([]float64{10, 10.1}), Spread([]float64{12, 12.1}), Spread([]float64{9, 11})
	if !a.Apart(b) || !b.Apart(a) || a.Apart(c) || c.Apart(b) || a.Apart(Spread([]float64{50})) {
		t.Error("ranges that touch, or of one measurement, are not apart, and others are")
	}
}
