package encryption

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// TestEncrypterGolden pins bytes that openssl 3.0.19 wrote with -S 0102030405060708 (and its header
// put before).
func TestEncrypterGolden(t *testing.T) {
	p, salt := NewPassphrase([]byte(goldenPass)), Salt{1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct{ plain, want string }{
		{"", "53616c7465645f5f0102030405060708618b69bff12704d2729e1e69b6106c41"},
		{"firn", "53616c7465645f5f01020304050607080fe8b2190ebfa5abf0582999e2f092fe"},
		{"exactly 16 bytes", "53616c7465645f5f01020304050607081503fcd135576f404541c74ab6ef0bba1c0de8605a29bee61fae23b712cfc553"},
	} {
		if got := hex.EncodeToString(encryptAll(t, p, salt, []byte(c.plain))); got != c.want {
			t.Errorf("%q encrypts to %s, want %s", c.plain, got, c.want)
		}
	}
	sum := sha256.Sum256(encryptAll(t, p, salt, bytes.Repeat([]byte("firn"), 250_000)))
	if got := hex.EncodeToString(sum[:]); got != "3808eab123001d0c6bd8db055e629076169c7b9b6807871ae8e1e77072027b0f" {
		t.Errorf("a megabyte encrypts to bytes of SHA-256 %s", got)
	}
}

// readers hand the same bytes over in all the ways that io.Reader allows.
func readers(r *rand.Rand) map[string]func(io.Reader) io.Reader {
	return map[string]func(io.Reader) io.Reader{
		"at once":           func(in io.Reader) io.Reader { return in },
		"one by one":        iotest.OneByteReader,
		"by halves":         iotest.HalfReader,
		"end with the data": iotest.DataErrReader,
		"both":              func(in io.Reader) io.Reader { return iotest.DataErrReader(iotest.HalfReader(in)) },
		"at random":         func(in io.Reader) io.Reader { return &raggedReader{in, r} },
	}
}

// raggedReader reads a random number of bytes, at times none.
type raggedReader struct {
	r    io.Reader
	rand *rand.Rand
}

func (r *raggedReader) Read(p []byte) (int, error) {
	return r.r.Read(p[:r.rand.IntN(min(len(p), 100)+1)])
}

// readIn reads r to its end by buffers of the given sizes in turn.
func readIn(r io.Reader, bufSizes ...int) ([]byte, error) {
	var out []byte
	whole := make([]byte, slices.Max(bufSizes))
	for i := 0; ; i++ {
		buf := whole[:bufSizes[i%len(bufSizes)]]
		n, err := r.Read(buf)
		out = append(out, buf[:n]...)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

// bufferSizes are what callers may read by.
var bufferSizes = [][]int{{1}, {2, 3}, {7}, {15}, {16}, {17}, {31, 0, 1}, {32}, {33, 5}, {100}, {1023}, {1024}, {1025, 1}, {4099}, {1 << 20}}

func TestAnyReaderAnyBuffer(t *testing.T) {
	r := seeded(t, 5)
	p := NewPassphrase([]byte(goldenPass))
	salt := Salt{}
	block, iv, err := archiveKey(p, salt)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 1008, 1024, 5000} {
		plain := randomBytes(r, size)
		want := encryptAll(t, p, salt, plain)
		for name, reader := range readers(r) {
			for _, sizes := range bufferSizes {
				got, err := readIn(newEncrypter(block, iv, salt, reader(bytes.NewReader(plain))), sizes...)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, read %s, by buffers of %d: other ciphertext (%v)", size, name, sizes, err)
				}
				back, err := readIn(newDecrypter(block, iv, reader(bytes.NewReader(want[HeaderSize:]))), sizes...)
				if err != nil || !bytes.Equal(back, plain) {
					t.Errorf("%d bytes, read %s, by buffers of %d: other plaintext (%v)", size, name, sizes, err)
				}
			}
		}
	}
}

// TestReaderContract: the standard library's idea of a reader.
func TestReaderContract(t *testing.T) {
	r := seeded(t, 6)
	p := NewPassphrase([]byte(goldenPass))
	for _, size := range []int{0, 16, 3000} {
		plain := randomBytes(r, size)
		want := encryptAll(t, p, Salt{}, plain)
		e, err := ResumeEncrypter(p, Salt{}, bytes.NewReader(plain))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(e, want); err != nil {
			t.Errorf("encrypting %d bytes: %v", size, err)
		}
		d, err := NewDecrypter(p, bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(d, plain); err != nil {
			t.Errorf("decrypting %d bytes: %v", size, err)
		}
	}
}

// TestParts fills parts as an upload does: all but the last to the brim, whatever the part size.
func TestParts(t *testing.T) {
	r := seeded(t, 7)
	p := NewPassphrase([]byte(goldenPass))
	for _, part := range []int{17, 4096, chunkSize, chunkSize + 16, 300_001} {
		for _, size := range []int{0, part - 33, part - 32, part - 17, part - 16, part, 2*part - 17, 3*part + 5} {
			if size < 0 {
				continue
			}
			plain := randomBytes(r, size)
			e, err := NewEncrypter(p, bytes.NewReader(plain))
			if err != nil {
				t.Fatal(err)
			}
			var whole []byte
			for done := false; !done; {
				buf := make([]byte, part)
				n, err := io.ReadFull(e, buf)
				whole = append(whole, buf[:n]...)
				if done = err == io.EOF || err == io.ErrUnexpectedEOF; !done && err != nil {
					t.Fatal(err)
				}
			}
			if int64(len(whole)) != CiphertextSize(int64(size)) || !bytes.Equal(whole, encryptAll(t, p, e.Salt(), plain)) {
				t.Errorf("parts of %d, %d bytes: wrong ciphertext of %d bytes", part, size, len(whole))
			}
		}
	}
}

func TestSaltIsFresh(t *testing.T) {
	p := NewPassphrase([]byte(goldenPass))
	seen := map[Salt]bool{}
	for range 20 {
		e, err := NewEncrypter(p, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, HeaderSize)
		if _, err := io.ReadFull(e, head); err != nil {
			t.Fatal(err)
		}
		if salt := e.Salt(); string(head) != magic+string(salt[:]) {
			t.Errorf("header %q, salt %x", head, salt)
		}
		seen[e.Salt()] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d salts for 20 archives", len(seen))
	}
}

// TestSourceFails: an error of what is read comes through at any place, and neither Encrypter nor
// Decrypter ends as if all were well, or goes on.
func TestSourceFails(t *testing.T) {
	boom := errors.New("boom")
	p := NewPassphrase([]byte(goldenPass))
	block, iv, err := archiveKey(p, Salt{})
	if err != nil {
		t.Fatal(err)
	}
	plain := bytes.Repeat([]byte("firn"), 2000)
	cipher := encryptAll(t, p, Salt{}, plain)[HeaderSize:]
	for _, after := range []int{0, 1, 15, 16, 17, 32, 33, 1024, 5000, 8000} {
		for _, sizes := range bufferSizes {
			for name, source := range map[string]func([]byte) io.Reader{
				"later":         func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), iotest.ErrReader(boom)) },
				"with the data": func(b []byte) io.Reader { return &failsWithData{b, boom} },
			} {
				d := newDecrypter(block, iv, source(cipher[:after]))
				got, err := readIn(d, sizes...)
				if !errors.Is(err, boom) || !bytes.HasPrefix(plain, got) || len(got) < after-2*blockSize {
					t.Errorf("decrypting, failing after %d %s: %d bytes, %v", after, name, len(got), err)
				}
				if n, again := d.Read(make([]byte, sizes[0])); n != 0 || again != err {
					t.Errorf("decrypting goes on after an error: %d, %v", n, again)
				}
				e := newEncrypter(block, iv, Salt{}, source(plain[:after]))
				got, err = readIn(e, sizes...)
				if !errors.Is(err, boom) || !bytes.HasPrefix(append([]byte(magic+"\x00\x00\x00\x00\x00\x00\x00\x00"), cipher...), got) {
					t.Errorf("encrypting, failing after %d %s: %d bytes, %v", after, name, len(got), err)
				}
				if n, again := e.Read(make([]byte, sizes[0])); n != 0 || again != err {
					t.Errorf("encrypting goes on after an error: %d, %v", n, again)
				}
			}
		}
	}
}

// failsWithData returns an error together with the last bytes.
type failsWithData struct {
	b   []byte
	err error
}

func (f *failsWithData) Read(p []byte) (int, error) {
	n := copy(p, f.b)
	if f.b = f.b[n:]; len(f.b) == 0 {
		return n, f.err
	}
	return n, nil
}

// emptyReader is broken: it never reads a byte and never says why.
type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestSourceStalls(t *testing.T) {
	p := NewPassphrase([]byte(goldenPass))
	e, err := NewEncrypter(p, emptyReader{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(e); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("encrypting: %v", err)
	}
	d, err := NewDecrypter(p, io.MultiReader(strings.NewReader("Salted__saltsalt"), emptyReader{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(d); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("decrypting: %v", err)
	}
}

// zeros is an endless archive.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestNoAllocations(t *testing.T) {
	p := NewPassphrase([]byte(goldenPass))
	e, err := NewEncrypter(p, zeros{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecrypter(p, io.MultiReader(strings.NewReader("Salted__saltsalt"), zeros{}))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{"encrypting": e, "decrypting": d} {
		for _, size := range []int{5, 16, 100, 1 << 20} {
			buf := make([]byte, size)
			if n := testing.AllocsPerRun(50, func() {
				if _, err := io.ReadFull(r, buf); err != nil {
					t.Fatal(err)
				}
			}); n > 0 {
				t.Errorf("%s by %d bytes: %v allocations", name, size, n)
			}
		}
	}
}

func benchRead(b *testing.B, r io.Reader) {
	buf := make([]byte, 8<<20) // a part
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.ReadFull(r, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncrypt(b *testing.B) {
	e, err := NewEncrypter(NewPassphrase([]byte(goldenPass)), zeros{})
	if err != nil {
		b.Fatal(err)
	}
	benchRead(b, e)
}

func BenchmarkDecrypt(b *testing.B) {
	d, err := NewDecrypter(NewPassphrase([]byte(goldenPass)), io.MultiReader(strings.NewReader("Salted__saltsalt"), zeros{}))
	if err != nil {
		b.Fatal(err)
	}
	benchRead(b, d)
}

// BenchmarkSmallArchive is all that encrypting an archive of 10 kB costs.
func BenchmarkSmallArchive(b *testing.B) {
	p, plain, buf := NewPassphrase([]byte(goldenPass)), make([]byte, 10_000), make([]byte, 16_384)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		e, err := NewEncrypter(p, bytes.NewReader(plain))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(e, buf); err != io.ErrUnexpectedEOF {
			b.Fatal(err)
		}
	}
}
