package encryption

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// seeded returns a generator and prints its seed, so that a failure can be had again.
func seeded(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// openssl runs the real thing: openssl enc -aes-256-cbc -pbkdf2 -pass file:key, and more arguments.
func openssl(key string, in []byte, args ...string) ([]byte, error) {
	c := exec.Command("openssl", append([]string{"enc", "-aes-256-cbc", "-pbkdf2", "-pass", "file:" + key}, args...)...)
	c.Stdin = bytes.NewReader(in)
	var out, msg bytes.Buffer
	c.Stdout, c.Stderr = &out, &msg
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("openssl %q: %w: %s", args, err, msg.Bytes())
	}
	return out.Bytes(), nil
}

func writeKey(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readKey(t testing.TB, path string) *Passphrase {
	t.Helper()
	p, _, err := ReadPassphrase(path, KeyfileOptions{AllowWeak: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encryptAll(t testing.TB, p *Passphrase, salt Salt, plain []byte) []byte {
	t.Helper()
	e, err := ResumeEncrypter(p, salt, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func decryptAll(p *Passphrase, cipher []byte) ([]byte, error) {
	d, err := NewDecrypter(p, bytes.NewReader(cipher))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(d)
}

// sizes are random ones, and those at the edges of blocks, chunks and small reads.
func sizes(r *rand.Rand) []int {
	s := []int{0, 1, 15, 16, 17, 31, 32, 33}
	for _, edge := range []int{smallRead, chunkSize, 2 * chunkSize} {
		for d := -HeaderSize - 1; d <= HeaderSize+1; d += 4 {
			s = append(s, edge+d)
		}
		s = append(s, edge-17, edge-16, edge-1, edge, edge+1)
	}
	for range 10 {
		s = append(s, r.IntN(100_001))
	}
	return s
}

func TestOpensslBothWays(t *testing.T) {
	r := seeded(t, 1)
	for i, size := range sizes(r) {
		key := writeKey(t, fmt.Appendf(nil, "a passphrase long enough, number %d\nand more", i))
		p, plain := readKey(t, key), randomBytes(r, size)
		e, err := NewEncrypter(p, bytes.NewReader(plain))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := io.ReadAll(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := CiphertextSize(int64(size)); got != int64(len(ours)) {
			t.Errorf("CiphertextSize(%d) = %d, in truth %d", size, got, len(ours))
		}
		back, err := openssl(key, ours, "-d")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back, plain) {
			t.Errorf("size %d: openssl does not read what we write", size)
		}
		theirs, err := openssl(key, plain)
		if err != nil {
			t.Fatal(err)
		}
		if back, err = decryptAll(p, theirs); err != nil || !bytes.Equal(back, plain) {
			t.Errorf("size %d: we do not read what openssl writes: %v", size, err)
		}
		if again := encryptAll(t, p, Salt(theirs[len(magic):HeaderSize]), plain); !bytes.Equal(again, theirs) {
			t.Errorf("size %d: with openssl's salt, other bytes than openssl's", size)
		}
	}
}

// TestKeyfilesAsOpenssl holds every odd sort of key file to what openssl does: same refusals, same
// bytes.
func TestKeyfilesAsOpenssl(t *testing.T) {
	r := seeded(t, 2)
	long := bytes.Repeat([]byte("0123456789abcdef"), 300)
	files := map[string][]byte{
		"empty":                 {},
		"newline":               []byte("\n"),
		"newline first":         []byte("\nsomething"),
		"NUL":                   {0},
		"NUL first":             []byte("\x00something"),
		"NUL inside":            []byte("some\x00thing\n"),
		"NUL after newline":     []byte("something\n\x00"),
		"NUL then newline":      []byte("some\x00\nthing"),
		"newline then NUL":      []byte("\n\x00"),
		"carriage return":       []byte("something\r\n"),
		"carriage return alone": []byte("\r\n"),
		"carriage return first": []byte("\rx"),
		"no newline":            []byte("something"),
		"blank":                 []byte("  \t \n"),
		"one byte":              []byte("x"),
		"high bytes":            []byte("\xff\xfe\x80\x1a\x04"),
		"byte order mark":       []byte("\xef\xbb\xbfpassphrase\n"),
		"64 bytes":              long[:64],
		"65 bytes":              long[:65],
		"1022 bytes":            long[:1022],
		"1023 bytes":            long[:1023],
		"1023 and newline":      append(long[:1023:1023], '\n'),
		"1024 bytes":            long[:1024],
		"1025 bytes":            long[:1025],
		"4800 bytes":            long,
		"NUL at 1022":           append(long[:1022:1022], 0, 'x'),
		"NUL at 1023":           append(long[:1023:1023], 0, 'x'),
		"our own":               keyfileText(),
	}
	for i := range 60 { // as the old script made them
		b := randomBytes(r, 4096)
		if i < 20 { // and rare ones among them
			b[i/10*(i%10)] = []byte{0, '\n'}[i%2]
		}
		files[fmt.Sprintf("random %d", i)] = b
	}
	salt := Salt{1, 2, 3, 4, 5, 6, 7, 8}
	plain := []byte("what is to be kept")
	refused := 0
	for name, content := range files {
		key := writeKey(t, content)
		// openssl 3 writes no header when it is given the salt.
		want, opensslErr := openssl(key, plain, "-S", hex.EncodeToString(salt[:]))
		p, _, err := ReadPassphrase(key, KeyfileOptions{AllowWeak: true})
		if (err == nil) != (opensslErr == nil) {
			t.Errorf("%s: %v, but openssl: %v", name, err, opensslErr)
			continue
		}
		if err != nil {
			refused++
			continue
		}
		got := encryptAll(t, p, salt, plain)
		if !bytes.Equal(got[HeaderSize:], bytes.TrimPrefix(want, got[:HeaderSize])) {
			t.Errorf("%s: not the bytes of openssl", name)
		}
	}
	if refused < 5 {
		t.Errorf("%d key files were refused, too few for this to be a test", refused)
	}
}
