package bench_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"

	"firn/bench/tree"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/stage/archive"
	"firn/stages/stage/walk"
)

// seed of all that is made here.
const seed = 1

// corpus is source text of the Go installation, or its programs, n bytes.
func corpus(b *testing.B, name string, n int64) []byte {
	b.Helper()
	if name == "binaries" {
		root, err := tree.GoRoot()
		if err != nil {
			b.Fatal(err)
		}
		f, err := os.Open(filepath.Join(root, "bin", "go"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, n))
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	dir := b.TempDir()
	if err := tree.Text(dir, seed, n); err != nil {
		b.Fatal(err)
	}
	t, err := walk.Open(dir, walk.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	var tar bytes.Buffer
	if _, err := archive.New().Write(b.Context(), &tar, t, walk.Subtree{Base: "text"}, archive.Observer{}); err != nil {
		b.Fatal(err)
	}
	return tar.Bytes()
}

// BenchmarkCodec compresses on one core: MB of input a second, and the ratio.
func BenchmarkCodec(b *testing.B) {
	for _, kind := range []string{"text", "binaries"} {
		data := corpus(b, kind, 8<<20)
		for _, name := range codec.Names() {
			for level := 1; level <= 9; level++ {
				format, err := codec.New(name, level)
				if err != nil {
					continue
				}
				b.Run(kind+"/"+name+"-"+string(rune('0'+level)), func(b *testing.B) {
					b.SetBytes(int64(len(data)))
					var out counter
					for b.Loop() {
						out = 0
						w := codec.NewWriter(format, &out)
						if _, err := w.Write(data); err != nil {
							b.Fatal(err)
						}
						if err := w.Close(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(len(data))/float64(out), "ratio")
				})
			}
		}
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// BenchmarkEncryptParts fills parts of 8 MiB with ciphertext.
func BenchmarkEncryptParts(b *testing.B) {
	plain := random(b, 32<<20)
	part := make([]byte, 8<<20)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		e, err := encryption.NewEncrypter(encryption.NewPassphrase([]byte("a passphrase of some length")), bytes.NewReader(plain))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = io.ReadFull(e, part)
		}
	}
}

// BenchmarkHash is the three sums of the hash stage, one after the other.
func BenchmarkHash(b *testing.B) {
	data := random(b, 8<<20)
	keys, err := encryption.NewKeys(encryption.NewPassphrase([]byte("a passphrase of some length")), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, sum := range []string{"md5", "hmac-sha256", "tar-sha256"} {
		b.Run(sum, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				switch a := hash.NewArchive(keys.MAC("key")); sum {
				case "md5":
					a.MD5Block(data)
				case "hmac-sha256":
					a.MACBlock(data)
				default:
					hash.NewTar().Block(data)
				}
			}
		})
	}
}

// BenchmarkWalk scans a tree of 20,000 files for its fingerprint.
func BenchmarkWalk(b *testing.B) {
	dir := b.TempDir()
	if err := tree.Many(dir, 20_000); err != nil {
		b.Fatal(err)
	}
	t, err := walk.Open(dir, walk.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	b.ReportAllocs()
	var entries int64
	for b.Loop() {
		s, err := t.Scan(b.Context(), walk.Subtree{Base: "many"})
		if err != nil {
			b.Fatal(err)
		}
		entries += s.Entries
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
}

func random(b *testing.B, n int) []byte {
	b.Helper()
	data := make([]byte, n)
	_, _ = rand.Read(data)
	return data
}
