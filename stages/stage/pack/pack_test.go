package pack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/stage/pack"
)

// fails is what rapid's T and testing's have in common.
type fails interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func format(t fails, name string) codec.Format {
	t.Helper()
	f, err := codec.New(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// packed packs what write writes, with room for a number of blocks, and checks
// that all memory is given back.
func packed(t fails, f codec.Format, workers, room int, sink io.Writer, write func(io.Writer) error) (pack.Sums, error) {
	t.Helper()
	memory := pipeline.NewBudget(int64(room) * pack.BlockMemory(f))
	run := pipeline.New(context.Background(), pipeline.Options{})
	p := pack.New(f, memory, pack.Stages{
		Archive: run.Stage("archive", 1), Compress: run.Stage("compress", workers),
		Hash: run.Stage("hash", 3), Spool: run.Stage("spool", 1),
	})
	var sums pack.Sums
	var err error
	run.Go(func(ctx context.Context) error {
		sums, err = p.Pack(ctx, nil, sink, func(int64) {}, func(_ context.Context, w io.Writer) error { return write(w) })
		return nil
	})
	if err := run.Wait(); err != nil {
		t.Fatal(err)
	}
	if used, _ := memory.Used(); used != 0 {
		t.Fatalf("%d bytes of the memory budget are not given back", used)
	}
	return sums, err
}

// alone is the archive that one writer makes.
func alone(t fails, f codec.Format, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := codec.NewWriter(f, &out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// tree is input with stretches of noise, short words and runs of every length.
func tree(size int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	noise := make([]byte, 5000)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(noise)
	var data []byte
	for len(data) < size {
		n := 1 + r.IntN(1<<r.IntN(18))
		switch r.IntN(4) {
		case 0:
			data = append(data, bytes.Repeat(noise[:1+r.IntN(len(noise))], n/2000+1)...)
		case 1:
			data = append(data, bytes.Repeat([]byte("\n\t\tif err != nil {"), n/50)...)
		case 2:
			data = append(data, make([]byte, n)...)
		case 3: // runs of four, which take the most room
			for i := range min(n, 50_000) {
				data = append(data, byte(i/4))
			}
		}
	}
	return data[:size]
}

// portions is a reader that gives what its sizes say, then as much as is asked for.
type portions struct {
	data  []byte
	sizes []int
}

func (p *portions) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	if len(p.sizes) > 0 {
		b = b[:min(len(b), p.sizes[0])]
		p.sizes = p.sizes[1:]
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

// TestSameBytes writes the same input in portions and through readers of every
// size: always the archive that one writer makes of it.
func TestSameBytes(t *testing.T) {
	for _, name := range []string{"bzip2", "gzip"} {
		t.Run(name, func(t *testing.T) {
			f := format(t, name)
			sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 600), rapid.IntRange(1, 500_000)), 1, 10)
			rapid.Check(t, func(t *rapid.T) {
				data := tree(rapid.IntRange(0, 600_000).Draw(t, "size"), rapid.Uint64().Draw(t, "seed"))
				var out bytes.Buffer
				sums, err := packed(t, f, rapid.IntRange(1, 4).Draw(t, "workers"), rapid.IntRange(1, 5).Draw(t, "room"), &out, func(w io.Writer) error {
					for rest := data; len(rest) > 0; {
						part := rest[:min(len(rest), rapid.IntRange(1, 500_000).Draw(t, "part"))]
						rest = rest[len(part):]
						sizes := sizes.Draw(t, "portions")
						if rapid.Bool().Draw(t, "reader") {
							if n, err := w.(io.ReaderFrom).ReadFrom(&portions{part, sizes}); err != nil || n != int64(len(part)) {
								t.Fatalf("%d of %d bytes read, %v", n, len(part), err)
							}
							continue
						}
						for _, n := range append(sizes, len(part)) {
							n = min(n, len(part))
							if _, err := w.Write(part[:n]); err != nil {
								t.Fatal(err)
							}
							part = part[n:]
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if want := alone(t, f, data); !bytes.Equal(out.Bytes(), want) {
					t.Fatalf("an archive of %d bytes, where a writer alone makes another one of %d", out.Len(), len(want))
				}
				sum := sha256.Sum256(data)
				if sums.Size != int64(out.Len()) || sums.TarSize != int64(len(data)) || sums.TarSHA256 != hex.EncodeToString(sum[:]) {
					t.Fatalf("%+v of %d bytes", sums, len(data))
				}
			})
		})
	}
}

// TestFaults has the tar, a file in it and the sink fail at any place.
func TestFaults(t *testing.T) {
	fault := errors.New("lost")
	f := format(t, "bzip2")
	data := tree(700_000, 3)
	for _, at := range []int{0, 1, 5000, 100_000, 400_000, len(data)} {
		for name, write := range map[string]func(io.Writer) error{
			"tar":  func(w io.Writer) error { w.Write(data[:at]); return fault },
			"file": func(w io.Writer) error { _, err := w.(io.ReaderFrom).ReadFrom(failing(data[:at], fault)); return err },
		} {
			if _, err := packed(t, f, 2, 3, io.Discard, write); !errors.Is(err, fault) {
				t.Errorf("%s, after %d bytes: %v", name, at, err)
			}
		}
		sink := &full{left: at / 8, err: fault}
		_, err := packed(t, f, 2, 3, sink, func(w io.Writer) error {
			_, err := w.(io.ReaderFrom).ReadFrom(bytes.NewReader(data))
			return err
		})
		if !errors.Is(err, fault) && sink.left <= 0 {
			t.Errorf("sink, after %d bytes: %v", at/8, err)
		}
	}
}

func failing(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) { return 0, err }))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// full is a sink that fails after a number of bytes.
type full struct {
	left int
	err  error
}

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left <= 0 {
		return 0, f.err
	}
	return len(p), nil
}
