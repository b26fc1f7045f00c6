package hash

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// tool returns the first word that a program prints of the bytes on its standard input.
func tool(t *testing.T, in []byte, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = bytes.NewReader(in)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.ToLower(strings.Fields(string(out))[0])
}

// TestAsTools compares with the programs a user would check an archive with, blocks cut at random,
// the sums side by side.
func TestAsTools(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	key := []byte("a key")
	for _, size := range []int{0, 1, 55, 56, 63, 64, 65, 100_000, 3_000_000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		var blocks [][]byte
		for rest := data; len(rest) > 0; {
			n := min(len(rest), r.IntN(size/3+2))
			blocks, rest = append(blocks, rest[:n]), rest[n:]
		}
		a, tar := NewArchive(hmac.New(sha256.New, key)), NewTar()
		var wg sync.WaitGroup
		for _, sum := range []func([]byte){a.MD5Block, a.MACBlock, tar.Block} {
			wg.Go(func() {
				for _, b := range blocks {
					sum(b)
				}
			})
		}
		wg.Wait()
		got, err := a.Sums()
		want := Sums{
			MD5:  tool(t, data, "md5sum"),
			MAC:  tool(t, data, "openssl", "mac", "-digest", "SHA256", "-macopt", "hexkey:"+hex.EncodeToString(key), "HMAC"),
			Size: int64(size),
		}
		if err != nil || got != want {
			t.Errorf("%d bytes: %+v, %v, want %+v", size, got, err, want)
		}
		if sum, n := tar.Sum(); sum != tool(t, data, "sha256sum") || n != int64(size) {
			t.Errorf("%d bytes: SHA-256 %s of %d bytes", size, sum, n)
		}
	}
}

func TestUnevenSumsAreAnError(t *testing.T) {
	a := NewArchive(hmac.New(sha256.New, nil))
	a.MD5Block([]byte("abc"))
	a.MACBlock([]byte("ab"))
	if s, err := a.Sums(); err == nil || s != (Sums{}) {
		t.Errorf("a MAC of less than the archive is given out: %+v", s)
	}
	a.MACBlock([]byte("c"))
	if _, err := a.Sums(); err != nil {
		t.Error(err)
	}
}

func TestNoMAC(t *testing.T) {
	a := NewArchive(nil)
	a.MD5Block([]byte("abc"))
	a.MACBlock([]byte("abc"))
	want := Sums{MD5: "900150983cd24fb0d6963f7d28e17f72", Size: 3} // RFC 1321, appendix A.5
	if s, err := a.Sums(); err != nil || s != want {
		t.Errorf("%+v, %v, want %+v", s, err, want)
	}
}

// TestSumsInPassing: to ask does not disturb what follows.
func TestSumsInPassing(t *testing.T) {
	a, tar := NewArchive(hmac.New(sha256.New, nil)), NewTar()
	for _, b := range []string{"a", "b", "c"} {
		a.MD5Block([]byte(b))
		a.MACBlock([]byte(b))
		tar.Block([]byte(b))
		if _, err := a.Sums(); err != nil {
			t.Error(err)
		}
		tar.Sum()
	}
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte("abc"))
	if s, err := a.Sums(); err != nil || s.MD5 != "900150983cd24fb0d6963f7d28e17f72" || s.MAC != hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("%+v, %v", s, err)
	}
	if sum, _ := tar.Sum(); sum != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" { // FIPS 180-4's example
		t.Errorf("SHA-256 %s", sum)
	}
}

func BenchmarkSums(b *testing.B) {
	block := make([]byte, 1<<20)
	a, tar := NewArchive(hmac.New(sha256.New, make([]byte, 32))), NewTar()
	for _, c := range []struct {
		name string
		sum  func([]byte)
	}{{"MD5", a.MD5Block}, {"MAC", a.MACBlock}, {"SHA256", tar.Block}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				c.sum(block)
			}
		})
	}
	b.Run("MD5-and-MAC", func(b *testing.B) { // one after the other, as one core would
		b.SetBytes(int64(len(block)))
		for b.Loop() {
			a.MD5Block(block)
			a.MACBlock(block)
		}
	})
}
