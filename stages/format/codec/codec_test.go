package codec_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/codec"
)

// chosen lists the format and level pairs that most tests go through; pinned, all but bzip2's,
// which its own package pins.
func chosen(t testing.TB) []codec.Format {
	return formats(t, map[string][]int{"gzip": {1, 6, 7, 9}, "bzip2": {1, 9}, "lzma": {1, 6}, "zstd": {1, 3, 7, 11}})
}

// lowest is one level of each format, for tests of what does not depend on the level.
func lowest(t testing.TB) []codec.Format {
	return formats(t, map[string][]int{"gzip": {6}, "bzip2": {1}, "lzma": {1}, "zstd": {1}})
}

func pinned(t testing.TB) []codec.Format {
	return formats(t, map[string][]int{"gzip": {1, 2, 3, 4, 5, 6, 7, 8, 9}, "lzma": {1, 2, 3, 4, 5, 6, 7, 8, 9}, "zstd": {1, 3, 7, 11}})
}

func formats(t testing.TB, levels map[string][]int) []codec.Format {
	var fs []codec.Format
	for _, name := range codec.Names() {
		for _, l := range levels[name] {
			f, err := codec.New(name, l)
			if err != nil {
				t.Fatal(err)
			}
			fs = append(fs, f)
		}
	}
	return fs
}

func label(f codec.Format) string { return fmt.Sprintf("%s-%d", f.Name(), f.Level()) }

// tool is the program that owns the format.
func tool(f codec.Format) string { return map[string]string{"lzma": "xz"}[f.Name()] }

func program(f codec.Format) string {
	if t := tool(f); t != "" {
		return t
	}
	return f.Name()
}

// run feeds in to a program and returns what it prints.
func run(t testing.TB, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, errs.Bytes())
	}
	return out.Bytes()
}

// compress goes through NewWriter with writes of the given size.
func compress(t testing.TB, f codec.Format, data []byte, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := codec.NewWriter(f, &out)
	for b := data; len(b) > 0; b = b[min(size, len(b)):] {
		if _, err := w.Write(b[:min(size, len(b))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// parallel does what the pipeline does: workers take blocks as they come, pieces are joined in
// order.
func parallel(t testing.TB, f codec.Format, data []byte, workers int) []byte {
	t.Helper()
	type job struct {
		window, block []byte
		piece         codec.Piece
	}
	var jobs []*job
	cut := f.NewCut()
	for at := 0; at < len(data); {
		n, _ := cut.Scan(data[at:])
		jobs = append(jobs, &job{window: data[max(0, at-f.Window()):at], block: data[at : at+n]})
		at += n
	}
	feed := make(chan *job)
	var wg sync.WaitGroup
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			enc := f.NewEncoder()
			for j := range feed {
				var err error
				if j.piece, err = enc.Encode(nil, j.window, j.block); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, i := range rand.New(rand.NewPCG(1, uint64(workers))).Perm(len(jobs)) {
		feed <- jobs[i]
	}
	close(feed)
	wg.Wait()
	var out []byte
	join := f.NewJoiner()
	for _, j := range jobs {
		out = join.Join(out, j.piece)
	}
	return join.Close(out)
}

func decompress(t testing.TB, f codec.Format, data []byte) []byte {
	t.Helper()
	r, err := f.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRoundTrip compresses every sample. The format's own program reads all of them as one file of
// several streams, and the empty one alone.
func TestRoundTrip(t *testing.T) {
	for _, f := range chosen(t) {
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			var files, all []byte
			for _, s := range samples(f) {
				out := compress(t, f, s.data, 1<<16+1)
				mustDecode(t, f, out, s.data)
				if got := decompress(t, f, out); !bytes.Equal(got, s.data) {
					t.Fatalf("%s: the reader gives other bytes than were put in", s.name)
				}
				if limit := len(s.data) + len(s.data)/50 + 3000; len(out) > limit {
					t.Errorf("%s: %d bytes became %d", s.name, len(s.data), len(out))
				}
				files, all = append(files, out...), append(all, s.data...)
			}
			if got := run(t, files, program(f), "-dc"); !bytes.Equal(got, all) {
				t.Errorf("%s -dc gives %d bytes that differ from the %d put in, at byte %d", program(f), len(got), len(all), difference(got, all))
			}
			if got := run(t, compress(t, f, nil, 1), program(f), "-dc"); len(got) > 0 {
				t.Errorf("%s -dc gives %d bytes of an empty file", program(f), len(got))
			}
		})
	}
}

// difference is where a and b begin to differ.
func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestEncodersForget: what an encoder did before does not change its bytes, and small blocks, each
// after its window, make a file. So many blocks of full size would take the higher levels long.
func TestEncodersForget(t *testing.T) {
	for _, f := range chosen(t) {
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			// What a long block leaves behind fits the short ones, and lies beyond their ends.
			long, abc := mixed(40_000, 12), bytes.Repeat([]byte("abc"), 4000)
			blocks := [][]byte{slices.Concat(long, abc), abc, long[:9000], fibonacci(9000), long[5000:], abc[1:5000]}
			data := slices.Concat(blocks...)
			enc, join := f.NewEncoder(), f.NewJoiner()
			var file []byte
			at := 0
			for _, block := range blocks {
				window := data[max(0, at-f.Window()):at]
				at += len(block)
				used, err := enc.Encode(nil, window, block)
				if err != nil {
					t.Fatal(err)
				}
				fresh, err := f.NewEncoder().Encode(nil, window, block)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(used.Data, fresh.Data) {
					t.Errorf("the block before %d: %d bytes by an encoder that was used before, %d by a fresh one, or others", at, len(used.Data), len(fresh.Data))
				}
				file = join.Join(file, used)
			}
			file = join.Close(file)
			mustDecode(t, f, file, data)
			if got := decompress(t, f, file); !bytes.Equal(got, data) {
				t.Errorf("%d of %d bytes come back, or others", len(got), len(data))
			}
		})
	}
}

// TestSameBytes: the bytes of a file do not depend on workers and write sizes.
func TestSameBytes(t *testing.T) {
	for _, f := range chosen(t) {
		if !seamed(f) {
			continue
		}
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			n := 2*f.BlockSize() + 4567
			if f.BlockSize() > 1<<20 {
				n = f.BlockSize() + 4567
			}
			data := big(n, 11)
			want := compress(t, f, data, len(data))
			if !bytes.Equal(want, compress(t, f, data, 4099)) {
				t.Error("writes of 4099 bytes change the output")
			}
			if !bytes.Equal(want, parallel(t, f, data, 2)) {
				t.Error("2 workers change the output")
			}
		})
	}
}

// TestMain has TestProperties draw few inputs: make fuzz draws thousands, and an encoder of the
// higher levels costs more than a small input.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
	flag.Parse() // what the command line says comes after it
	os.Exit(m.Run())
}

// TestProperties draws inputs and ways to write them; rapid prints the seed of a failure.
func TestProperties(t *testing.T) {
	for _, name := range codec.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			formats := map[int]codec.Format{}
			rapid.Check(t, func(rt *rapid.T) {
				level := rapid.IntRange(1, 9).Draw(rt, "level")
				if formats[level] == nil {
					f, err := codec.New(name, level)
					if err != nil {
						rt.Fatal(err)
					}
					formats[level] = f
				}
				f := formats[level]
				data := mixed(rapid.IntRange(1, 60_000).Draw(rt, "size"), rapid.Uint64().Draw(rt, "seed"))
				out := compress(t, f, data, rapid.IntRange(1, 70_000).Draw(rt, "write"))
				if !bytes.Equal(decompress(t, f, out), data) {
					rt.Fatal("the reader gives other bytes than were put in")
				}
				mustDecode(rt, f, out, data)
				if !bytes.Equal(out, parallel(t, f, data, rapid.IntRange(1, 16).Draw(rt, "workers"))) {
					rt.Fatal("another way to write gives other bytes")
				}
			})
		})
	}
}

// aTar is a tar of a few files, large enough for two blocks.
func aTar(t *testing.T, block int) (archive []byte, files map[string][]byte) {
	t.Helper()
	files = map[string][]byte{"d/empty": {}, "d/text": text(200_000, 21), "d/random": random(300_003, 22), "d/big": big(block, 23)}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range []string{"d/empty", "d/big", "d/random", "d/text"} {
		if err := errors.Join(
			w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}),
			func() error { _, err := w.Write(files[name]); return err }(),
		); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), files
}

const readTar = `
import sys, tarfile, hashlib
with tarfile.open(sys.argv[1], sys.argv[2]) as t:
    for m in t:
        print(m.name, hashlib.sha256(t.extractfile(m).read()).hexdigest())
`

// TestTarReaders opens archives with everything that a user may have at hand. What a level can do
// wrong is what TestRoundTrip looks for: the same libraries are behind these readers.
func TestTarReaders(t *testing.T) {
	for _, f := range lowest(t) {
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			archive, files := aTar(t, f.BlockSize())
			var sums strings.Builder
			for _, name := range []string{"d/empty", "d/big", "d/random", "d/text"} {
				fmt.Fprintln(&sums, name, sha(files[name]))
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "a.tar."+f.Ext())
			if err := os.WriteFile(path, compress(t, f, archive, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tarName := range []string{"tar", "bsdtar"} {
				into := filepath.Join(dir, tarName)
				if err := os.Mkdir(into, 0o700); err != nil {
					t.Fatal(err)
				}
				run(t, nil, tarName, "-C", into, "-xf", path)
				for name, want := range files {
					if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s: %s differs (%v)", tarName, name, err)
					}
				}
			}
			if f.Name() == "zstd" { // Python reads it from 3.14 on only
				return
			}
			for _, mode := range []string{"r:*", "r|*", "r|" + f.Ext()} {
				if got := run(t, nil, "python3", "-c", readTar, path, mode); string(got) != sums.String() {
					t.Errorf("python, mode %s:\n%swant\n%s", mode, got, sums.String())
				}
			}
		})
	}
}

// TestConcatenated reads files that several programs' streams were put into, as gzip, bzip2, xz and
// zstd do.
func TestConcatenated(t *testing.T) {
	for _, f := range chosen(t) {
		a, b := mixed(100_000, 31), text(50_000, 32)
		native := run(t, b, program(f), "-c")
		file := slices.Concat(compress(t, f, a, len(a)), native, compress(t, f, nil, 1), native)
		if got := decompress(t, f, file); !bytes.Equal(got, slices.Concat(a, b, b)) {
			t.Errorf("%s: streams one after the other come out wrong", label(f))
		}
	}
}

// TestDamage cuts a file and flips bits all over it: an error each time, never silence. The
// packages of bzip2 and xz try every place and bit of theirs: here it is every eighth byte.
func TestDamage(t *testing.T) {
	for _, f := range lowest(t) {
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			step := map[string]int{"gzip": 1, "bzip2": 8, "lzma": 8, "zstd": 1}[f.Name()]
			data := text(1000, 41)
			file := compress(t, f, data, len(data))
			for n := 0; n < len(file); n += step {
				got, err := read(f, file[:n])
				if err == nil && f.Name() != "zstd" || err == nil && !bytes.Equal(got, data) {
					t.Fatalf("cut to %d of %d bytes: no error", n, len(file))
				}
			}
			for i := 0; i < len(file); i += step {
				bad := slices.Clone(file)
				bad[i] ^= 1 << (i / step % 8)
				if got, err := read(f, bad); err == nil && !bytes.Equal(got, data) {
					t.Fatalf("bit flipped in byte %d of %d: wrong data without an error", i, len(file))
				}
			}
		})
	}
}

func read(f codec.Format, file []byte) ([]byte, error) {
	r, err := f.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func TestChoice(t *testing.T) {
	for _, c := range []struct {
		name  string
		level int
		want  string // in the error; none when empty
		ext   string
	}{
		{"gzip", 0, "", "gz"}, {"bzip2", 0, "", "bz2"}, {"lzma", 0, "", "xz"}, {"xz", 0, "", "xz"}, {"zstd", 0, "", "zst"},
		{"gzip", 10, "levels 1 to 9", ""}, {"bzip2", -1, "levels 1 to 9", ""}, {"lzma", 10, "levels 1 to 9", ""},
		{"lz4", 0, "gzip, bzip2, lzma, zstd", ""}, {"", 0, "gzip, bzip2, lzma, zstd", ""}, {"GZIP", 0, "choose one of", ""},
	} {
		f, err := codec.New(c.name, c.level)
		switch {
		case c.want != "":
			if !errors.Is(err, codec.ErrUnknown) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("New(%q, %d): error %v, want %q in it", c.name, c.level, err, c.want)
			}
		case err != nil:
			t.Errorf("New(%q, %d): %v", c.name, c.level, err)
		default:
			g, err := codec.ByExt(f.Ext())
			if f.Ext() != c.ext || f.Level() == 0 || err != nil || g.Name() != f.Name() {
				t.Errorf("New(%q, %d): extension %q, level %d, ByExt %v %v", c.name, c.level, f.Ext(), f.Level(), g, err)
			}
		}
	}
	if _, err := codec.ByExt("lz"); !errors.Is(err, codec.ErrUnknown) {
		t.Errorf("ByExt(lz): %v", err)
	}
}

// TestWriterFaults: an error of the file underneath stays: every later call returns it.
func TestWriterFaults(t *testing.T) {
	f, err := codec.New("gzip", 1)
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("disk on fire")
	w := codec.NewWriter(f, writerFunc(func([]byte) (int, error) { return 0, fault }))
	_, err1 := w.Write(make([]byte, f.BlockSize()))
	_, err2 := w.Write([]byte{1})
	for _, err := range []error{err1, err2, w.Close()} {
		if !errors.Is(err, fault) {
			t.Errorf("got %v", err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
