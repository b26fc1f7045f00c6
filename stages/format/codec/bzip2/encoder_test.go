package bzip2

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"sync"
	"testing"

	dsnet "github.com/dsnet/compress/bzip2"
	"pgregory.net/rapid"
)

// libraries are decoders in Go that share no code with this package.
func libraries() map[string]func(io.Reader) (io.Reader, error) {
	return map[string]func(io.Reader) (io.Reader, error){
		"compress/bzip2": func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil },
		"dsnet":          func(r io.Reader) (io.Reader, error) { return dsnet.NewReader(r, nil) },
	}
}

// mustDecode demands data of every library, given what they are said to be encoded as.
func mustDecode(t testing.TB, what string, enc, data []byte) {
	t.Helper()
	for name, open := range libraries() {
		r, err := open(bytes.NewReader(enc))
		got := bytes.NewBuffer(make([]byte, 0, len(data)+bytes.MinRead)) // one that grows costs more than the decoder
		if err == nil {
			_, err = got.ReadFrom(r)
		}
		if err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%s: %s gives %d of %d bytes, or others: %v", what, name, got.Len(), len(data), err)
		}
	}
}

// golden pins the bytes of some cases: a change of these hashes makes every archive that is already
// stored look new, and belongs into the change log.
func golden() map[string]string {
	return map[string]string{
		"empty":         "c82685296a2d914c9acd6f6f6db1d1ad364f502b26af5e6ca8874c09880d5cf9",
		"one byte":      "b669cce2c3a7a5b4036c21520b1c68f398b34f5a0357ee0f6726f9a62055959f",
		"random":        "71d0278e5ef882c468fe02de9a55284c2995bef96efa331879ff99d7adcbebb1",
		"text":          "783fc32df02430e46a1af497b13ea33cd808361f271fc433a8562695b905521a",
		"repeated text": "92c490222e90ed05927374b6b93e4b860f29b2220b36aece581c05dca0b35595",
		"fibonacci":     "c76743a4cf1190ff75ebf61a619926089ef1a55b30235c04e1a511f04ea227ee",
		"zeros and one": "94daaeff67ac326e561da72cd77bc6e6db01cc4076efa72ce58abed4f57cc4c7",
		"fours":         "f34219ee76ddc0a09285eccce76278175e6de47090606c785f6ecb0b6534b311",
	}
}

// TestEveryDecoderReadsWhatIsEncoded gives each case to the decoders in Go, and compares the golden
// ones. This package's reader and the programs get all of them, as one file of many streams.
func TestEveryDecoderReadsWhatIsEncoded(t *testing.T) {
	var files, all []byte
	want := golden()
	for _, c := range cases(t) {
		enc := encodeAll(t, 1, 0, c.data)
		mustDecode(t, c.name, enc, c.data)
		sum := sha256.Sum256(enc)
		if got := hex.EncodeToString(sum[:]); want[c.name] != "" && got != want[c.name] {
			t.Errorf("%q: %q,", c.name, got)
		}
		delete(want, c.name)
		files, all = append(files, enc...), append(all, c.data...)
	}
	if len(want) > 0 {
		t.Errorf("no such cases: %v", want)
	}
	if own, err := decodeAll(t, files, 2); err != nil || !bytes.Equal(own, all) {
		t.Errorf("NewReader gives %d of %d bytes, or others: %v", len(own), len(all), err)
	}
	for _, command := range [][]string{
		{"bzip2", "-dc"},
		{"lbzip2", "-n2", "-dc"},
		{"python3", "-c", "import bz2,sys; sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))"},
	} {
		if got := native(t, files, command...); !bytes.Equal(got, all) {
			t.Errorf("%s gives %d of %d bytes, or others", command[0], len(got), len(all))
		}
	}
}

func TestLevelsAndPieces(t *testing.T) {
	r := rand.New(rand.NewSource(seed))
	data := append(text(r, 900_000), fibonacci(150_000)...)
	for _, c := range []struct{ level, piece, size int }{
		{1, 0, 400_000}, {1, 300_001, 400_000}, {1, 400_000, 400_000}, {9, 0, len(data)},
	} {
		d := data[len(data)-c.size:]
		mustDecode(t, fmt.Sprintf("level %d, pieces of %d", c.level, c.piece), encodeAll(t, c.level, c.piece, d), d)
	}
}

// TestOneStreamForAnyWorkers encodes pieces on 1 to 16 encoders, each of which
// takes whatever piece comes next, in a shuffled order.
func TestOneStreamForAnyWorkers(t *testing.T) {
	r := rand.New(rand.NewSource(seed))
	data := append(text(r, 500_000), make([]byte, 300_000)...)
	want := encodeAll(t, 1, 0, data)
	for _, workers := range []int{1, 2, 7} { // one for all pieces, several for each, one for each
		cuts := pieces(1, 0, data)
		pieces := make([]Piece, len(cuts))
		order := make(chan int, len(pieces))
		for _, i := range r.Perm(len(pieces)) {
			order <- i
		}
		close(order)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				e := NewEncoder(1)
				for i := range order {
					pieces[i], _ = e.Encode(nil, cuts[i])
				}
			})
		}
		wg.Wait()
		j := NewJoiner(1)
		var got []byte
		for _, p := range pieces {
			got = append(got, j.Join(nil, p)...)
		}
		got = append(got, j.Close(nil)...)
		if !bytes.Equal(got, want) {
			t.Errorf("%d workers give other bytes than one", workers)
		}
	}
}

// repetitive draws a block of up to a size that repeats itself, near and far.
func repetitive(t *rapid.T, most int) []byte {
	letters := rapid.ByteRange(0, byte(rapid.IntRange(1, 5).Draw(t, "letters")))
	block := rapid.SliceOfN(letters, 1, 60).Draw(t, "unit")
	for range rapid.IntRange(0, 8).Draw(t, "repeats") {
		part := block[rapid.IntRange(0, len(block)-1).Draw(t, "part"):]
		part = part[:rapid.IntRange(1, len(part)).Draw(t, "length")]
		block = append(block, bytes.Repeat(part, rapid.IntRange(1, 60).Draw(t, "times"))...)
		block = append(block, rapid.SliceOfN(letters, 0, 3).Draw(t, "between")...)
		block = block[:min(len(block), most)]
	}
	return block
}

func TestSortIsTheOrderOfRotations(t *testing.T) {
	s := newSorter(4000)
	rapid.Check(t, func(t *rapid.T) {
		block := repetitive(t, 4000)
		n := len(block)
		copy(s.input(), block)
		out := make([]byte, n)
		origin := s.sort(out)
		twice := append(block[:n:n], block...)
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return bytes.Compare(twice[i:i+n], twice[j:j+n]) })
		for k, i := range order {
			if want := twice[i+n-1]; out[k] != want {
				t.Fatalf("%q: rotation %d follows %q, not %q", block, k, want, out[k])
			}
		}
		got := make([]byte, n)
		w := newWalker()
		copy(w.last, out)
		for _, c := range out {
			w.counts[c]++
		}
		w.restore(got, origin)
		if !bytes.Equal(got, block) {
			t.Fatalf("%q comes back as %q", block, got)
		}
	})
}

func TestRunsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 600), 0, 20).Draw(t, "runs") {
			data = append(data, bytes.Repeat([]byte{byte(n % 3)}, n)...)
		}
		room := rapid.IntRange(5, 3000).Draw(t, "room")
		step := rapid.IntRange(1, 3000).Draw(t, "step")
		var got []byte
		for rest := data; len(rest) > 0; {
			dst := make([]byte, room)
			w, r := encodeRuns(dst, rest)
			if r == 0 {
				t.Fatalf("no progress in %d bytes of room", room)
			}
			rest = rest[r:]
			back := runReader{src: dst[:w]}
			out := make([]byte, step)
			for n := back.read(out); n > 0; n = back.read(out) {
				got = append(got, out[:n]...)
			}
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("%d bytes come back as %d", len(data), len(got))
		}
	})
}

func TestCodeLengthsAreBounded(t *testing.T) {
	// Weights like Fibonacci's numbers make the deepest trees.
	var freq [maxSymbols]uint32
	a, b := uint32(1), uint32(1)
	for i := range 40 {
		freq[i] = a
		a, b = b, a+b
	}
	var lengths [maxSymbols]uint8
	codeLengths(lengths[:], freq[:])
	sum := 0
	for _, l := range lengths {
		if l < 1 || l > maxCodeLen {
			t.Fatalf("a code of %d bits", l)
		}
		sum += 1 << (maxCodeLen - l)
	}
	if sum != 1<<maxCodeLen {
		t.Errorf("the code fills %d of %d", sum, 1<<maxCodeLen)
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewSource(seed))
	data := text(r, blockLimit(1))
	copy(data[40_000:], bytes.Repeat([]byte("abc"), 3000))
	e := NewEncoder(1)
	dst := make([]byte, 0, PieceBound(1))
	if n := testing.AllocsPerRun(3, func() { e.Encode(dst, data) }); n > 0 {
		t.Errorf("a block costs %v allocations", n)
	}
}
