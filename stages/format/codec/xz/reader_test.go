package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// readAll decodes a file and returns what it gave before its error, if that was not the end.
func readAll(t testing.TB, file io.Reader, o Options) ([]byte, error) {
	t.Helper()
	r, err := NewReader(file, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return got, err
}

// ways are to decode with a pool, and with none because no block has room.
func ways() []Options {
	return []Options{{Workers: 1}, {Workers: 3}, {Workers: 2, Memory: 1}}
}

func native(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("xz", args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("xz %v: %v", args, err)
	}
	return out
}

// program is bytes that all branch filters find something in.
func program(t testing.TB) []byte {
	t.Helper()
	b := letters(100_000, 40, 21)
	calls := [][]byte{
		{0xe8, 1, 2, 0, 0}, {0xe9, 1, 2, 3, 0xff}, {0xe8, 0xe8, 0, 0xff, 0, 0, 0xe9, 0xff, 0xff, 0}, // x86
		{0x48, 0, 1, 1}, {0x4b, 0xff, 0xff, 0xfd}, // PowerPC
		{0x10, 0xc, 0, 0, 0x80, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0x50}, // IA-64
		{1, 2, 3, 0xeb}, {0xff, 0xff, 0xff, 0xeb}, // ARM
		{1, 0xf0, 2, 0xf8}, {0xff, 0xf7, 0xff, 0xff}, // ARM-Thumb
		{0x40, 0, 1, 2}, {0x7f, 0xff, 1, 2}, // SPARC
		{1, 2, 3, 0x94}, {0xff, 0xff, 0xff, 0x97}, {3, 0, 0, 0xb0}, {0xe3, 0xff, 0xff, 0xf0}, // ARM64
	}
	r := random(len(b), 22)
	for i := 0; i+32 < len(b); i += 16 {
		call := calls[int(r[i])%len(calls)]
		at := i
		if r[i+1] < 128 {
			at += int(r[i+1]) % 16
		}
		copy(b[at:], call)
		if r[i+2] < 64 {
			copy(b[at:], r[i:i+8])
		}
	}
	return b
}

// TestReadsOtherEncoders decodes what xz writes with all its filters, checks and ways to cut
// blocks, and what Python's library writes.
func TestReadsOtherEncoders(t *testing.T) {
	inputs := map[string][]byte{
		"empty": nil, "byte": {7}, "text": letters(150_000, 20, 23), "random": random(150_000, 24), "islands": islands(100_000, 25),
		"period": bytes.Repeat(random(70_001, 26), 3), "program": program(t), "block-1": letters(65_535, 9, 27), "block": letters(65_536, 9, 27),
		"block+1": letters(65_537, 9, 27),
	}
	blocks := []string{"-0 -T2 --block-size=65536", "-0 --block-size=65536", "-0 --block-list=1,2000,0"}
	checks := []string{"-1 --check=none", "-1 --check=crc32", "-1 --check=crc64", "-1 --check=sha256", "-1 --check=sha256 -T2 --block-size=50000"}
	properties := []string{
		"-0", "-3e", "-6 -T2 --block-size=1MiB", "--lzma2=lc=0,lp=0,pb=0", "--lzma2=lc=4,lp=0,pb=4", "--lzma2=lc=0,lp=4,pb=2", "--lzma2=lc=1,lp=3,pb=1", "--lzma2=dict=4KiB", "--lzma2=mode=fast,nice=5",
	}
	filters := []string{
		"--delta=dist=1 --lzma2", "--delta=dist=256 --lzma2=dict=64KiB", "--x86 --lzma2", "--powerpc --lzma2", "--ia64 --lzma2", "--arm --lzma2",
		"--armthumb --lzma2", "--arm64 --lzma2", "--sparc --lzma2", "--x86=start=4096 --lzma2", "--arm64=start=16 --delta=dist=4 --lzma2",
		"--x86 --arm --delta=dist=3 --lzma2=preset=1", "--x86 --lzma2=preset=1 -T2 --block-size=50000",
	}
	for name, raw := range inputs {
		commands := blocks
		switch name {
		case "islands":
			commands = slices.Concat(blocks, checks, properties)
		case "program":
			commands = filters
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range commands {
				readsBack(t, c, raw, native(t, raw, append([]string{"-c", "--format=xz"}, strings.Fields(c)...)...))
			}
			if name != "islands" && name != "empty" {
				return // Python has the library that xz has
			}
			const write = "import sys, lzma; sys.stdout.buffer.write(lzma.compress(sys.stdin.buffer.read(), check=lzma.CHECK_SHA256, preset=3))"
			cmd := exec.Command("python3", "-c", write)
			cmd.Stdin = bytes.NewReader(raw)
			file, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			readsBack(t, "Python", raw, file)
		})
	}
}

func readsBack(t *testing.T, how string, raw, file []byte) {
	t.Helper()
	for _, o := range ways() {
		if got, err := readAll(t, bytes.NewReader(file), o); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s, %+v: %d of %d bytes, %v", how, o, len(got), len(raw), err)
		}
	}
}

// TestFlushed decodes what xz wrote piece by piece, as it came: a chunk for each.
func TestFlushed(t *testing.T) {
	raw := letters(20_000, 8, 28)
	cmd := exec.Command("xz", "-c", "--flush-timeout=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var file []byte
	buf := make([]byte, 1<<16)
	for piece := range slices.Chunk(raw, 100) {
		if _, err := in.Write(piece); err != nil {
			t.Fatal(err)
		}
		n, err := out.Read(buf) // comes when xz has waited for more
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, buf[:n]...)
	}
	in.Close()
	rest, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	readsBack(t, "xz --flush-timeout", raw, append(file, rest...))
}

func TestStreamsOneAfterTheOther(t *testing.T) {
	a, b := []byte("the first"), []byte("the second")
	one, two, none := stream(t, NewEncoder(1), a, 4), native(t, b, "-c", "--check=sha256"), native(t, nil, "-c", "--check=crc32")
	zeros := func(n int) []byte { return make([]byte, n) }
	for _, c := range []struct {
		name string
		file [][]byte
		want string
		err  error
	}{
		{"two", [][]byte{one, two}, "the firstthe second", nil},
		{"empty between", [][]byte{one, none, none, two}, "the firstthe second", nil},
		{"zeros between", [][]byte{one, zeros(4), two, zeros(8), none}, "the firstthe second", nil},
		{"zeros after", [][]byte{one, zeros(400_000)}, "the first", nil},
		{"three zeros", [][]byte{one, zeros(3)}, "the first", ErrCorrupt},
		{"five zeros between", [][]byte{one, zeros(5), two}, "the first", ErrCorrupt},
		{"zeros before", [][]byte{zeros(4), one}, "", ErrCorrupt},
		{"garbage", [][]byte{one, []byte("garbage")}, "the first", ErrCorrupt},
		{"part of a header", [][]byte{one, two[:7]}, "the first", io.ErrUnexpectedEOF},
		{"nothing", nil, "", io.ErrUnexpectedEOF},
		{"zeros alone", [][]byte{zeros(8)}, "", ErrCorrupt},
		{"no xz", [][]byte{[]byte("plain text, nothing more")}, "", ErrCorrupt},
	} {
		for _, o := range ways() {
			got, err := readAll(t, bytes.NewReader(bytes.Join(c.file, nil)), o)
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %+v: %q, %v", c.name, o, got, err)
			}
		}
	}
}

// several is a file of several blocks, stored, compressed and filtered ones, in two streams.
func several(t testing.TB) (file, raw []byte) {
	t.Helper()
	text := []byte("a text, a text, a text that is long enough to be worth a check value or two, or three")
	file = slices.Concat(stream(t, NewEncoder(1), text, 40), native(t, text, "-c", "--x86", "--lzma2", "--check=sha256"), native(t, random(60, 31), "-c"))
	return file, slices.Concat(text, text, random(60, 31))
}

func TestEveryTruncationIsUnexpectedEOF(t *testing.T) {
	file, _ := several(t)
	ends := map[int]bool{}
	for _, at := range allIndexes(file, []byte("YZ")) {
		ends[at+2] = true
	}
	if len(ends) < 3 {
		t.Fatal("the streams' ends were not found")
	}
	for n := range file {
		for _, o := range ways() {
			_, err := readAll(t, bytes.NewReader(file[:n]), o)
			if ends[n] && err == nil {
				continue
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d of %d bytes, %+v: %v", n, len(file), o, err)
			}
		}
	}
}

func allIndexes(b, of []byte) (all []int) {
	for at := 0; ; at++ {
		n := bytes.Index(b[at:], of)
		if n < 0 {
			return all
		}
		at += n
		all = append(all, at)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	file, raw := several(t)
	for bit := range len(file) * 8 {
		bad := bytes.Clone(file)
		bad[bit/8] ^= 1 << (bit % 8)
		o := ways()[1+bit%2] // with a pool for every other bit, without for the rest
		got, err := readAll(t, bytes.NewReader(bad), o)
		if err == nil {
			t.Errorf("bit %d of byte %d of %d, %+v: no error; other data: %v", bit%8, bit/8, len(file), o, !bytes.Equal(got, raw))
		} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("bit %d of byte %d of %d, %+v: %v", bit%8, bit/8, len(file), o, err)
		}
	}
}

func TestInputInAnyPortions(t *testing.T) {
	raw := islands(300_000, 32)
	file := stream(t, NewEncoder(1), raw, 70_000)
	for _, o := range ways() {
		r, err := NewReader(iotest.OneByteReader(bytes.NewReader(file)), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, raw); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		broken := errors.New("the line is broken")
		r, _ = NewReader(io.MultiReader(bytes.NewReader(file[:len(file)/2]), iotest.ErrReader(broken)), o)
		if _, err := io.ReadAll(r); !errors.Is(err, broken) {
			t.Errorf("a failing input gives %v", err)
		}
		r.Close()
	}
}

func TestCloseInTheMiddle(t *testing.T) {
	raw := islands(1<<20, 33)
	file := stream(t, NewEncoder(1), raw, 20_000)
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		for _, o := range ways() {
			for _, n := range []int{0, 1, 150_000, len(raw)} {
				r, _ := NewReader(bytes.NewReader(file), o)
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
	})
}

// head is a file up to and with its first block's header, with the sizes and the dictionary given.
func head(compressed, raw uint64, dict byte) []byte {
	file := new(Joiner).begin(nil)
	h := []byte{0, 0xc0}
	h = binary.AppendUvarint(h, compressed)
	h = binary.AppendUvarint(h, raw)
	h = append(h, filterLZMA2, 1, dict)
	h = pad(h, len(h))
	h[0] = byte(len(h) / 4)
	return append(file, binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(h))...)
}

// TestSizesThatLie reads headers with large sizes and little data: no memory may be allocated for
// what is only announced.
func TestSizesThatLie(t *testing.T) {
	block := []byte{chunkStoredReset, 0, 4, 'h', 'e', 'l', 'l', 'o'}
	for _, c := range []struct {
		name            string
		compressed, raw uint64
		dict            byte
		err             error
		says            string
	}{
		{"a large block", 40 << 20, 40 << 20, 20, io.ErrUnexpectedEOF, ""},
		{"a larger one", 1 << 40, 1 << 40, 20, io.ErrUnexpectedEOF, ""},
		{"the largest", 1<<63 - 1, 1<<63 - 1, 20, io.ErrUnexpectedEOF, ""},
		{"much of little", 100, 1 << 50, 20, io.ErrUnexpectedEOF, ""},
		{"a large dictionary", 100, 1 << 50, 32, io.ErrUnexpectedEOF, ""},
		{"one that is too large", 100, 1 << 50, 33, ErrUnsupported, "a dictionary of 402653184 bytes, where at most 268435456 are taken"},
		{"the largest dictionary", 100, 1 << 50, 40, ErrUnsupported, "a dictionary of 4294967295 bytes"},
		{"the largest, for little", 100, 5, 40, io.ErrUnexpectedEOF, ""},
		{"no such dictionary", 100, 5, 41, ErrUnsupported, "LZMA2"},
	} {
		file := append(head(c.compressed, c.raw, c.dict), block...)
		var err error
		taken := allocated(func() { _, err = readAll(t, bytes.NewReader(file), Options{Workers: 2}) })
		if !errors.Is(err, c.err) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if taken > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", c.name, taken)
		}
	}
}

// allocated returns the bytes that f allocates. No other test may run meanwhile.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestLargeBlocks has a block that is larger than its dictionary, with no sizes in its header, so
// that the window slides.
func TestLargeBlocks(t *testing.T) {
	unit := islands(1<<17, 34)
	var raw []byte
	for i := range 20 { // no two repetitions are at the same distance
		raw = append(raw, unit[:len(unit)-i*1013]...)
	}
	raw = append(raw, random(1<<20, 35)...)
	for _, args := range [][]string{{"--lzma2=dict=1MiB,preset=1"}, {"--lzma2=dict=300KiB,preset=1"}, {"--lzma2=dict=64KiB,preset=1,lp=1,lc=3,pb=4"}} {
		file := native(t, raw, append([]string{"-c"}, args...)...)
		if got, err := readAll(t, bytes.NewReader(file), Options{}); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%v: %d of %d bytes, %v", args, len(got), len(raw), err)
		}
	}
}

// TestRefusedFilters names what is refused.
func TestRefusedFilters(t *testing.T) {
	for _, c := range []struct {
		flags filterFlags
		says  string // none when it is taken
	}{
		{filterFlags{id: filterRISCV}, "the filter RISC-V before the last"},
		{filterFlags{id: filterLZMA2, properties: []byte{0}}, "the filter LZMA2 before the last"},
		{filterFlags{id: 0x4000, properties: []byte{1, 2}}, "the filter 0x4000 before the last"},
		{filterFlags{id: filterDelta}, "Delta with properties"},
		{filterFlags{id: filterX86, properties: []byte{1}}, "the filter x86 with properties"},
		{filterFlags{id: filterARM, properties: []byte{2, 0, 0, 0}}, "the filter ARM from offset 2 on"},
		{filterFlags{id: filterARMThumb, properties: []byte{2, 0, 0, 0}}, ""},
		{filterFlags{id: filterIA64, properties: []byte{16, 1, 0, 0}}, ""},
	} {
		_, err := newFilter(c.flags)
		if (err == nil) != (c.says == "") || !strings.Contains(fmt.Sprint(err), c.says) || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v: %v", c.flags, err)
		}
	}
}
