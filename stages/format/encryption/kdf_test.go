package encryption

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestPBKDF2Vectors: the first is RFC 7914's (section 11), the others are RFC 6070's inputs with
// SHA-256.
func TestPBKDF2Vectors(t *testing.T) {
	for _, v := range []struct {
		pass, salt string
		iterations int
		want       string
	}{
		{"passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" +
			"49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
		{"password", "salt", 2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"},
		{"password", "salt", 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
			"348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9"},
		{"pass\x00word", "sa\x00lt", 4096, "89b69d0516f829893c696226650a8687"},
	} {
		want, err := hex.DecodeString(v.want)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newPRF([]byte(v.pass))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.pbkdf2([]byte(v.salt), v.iterations, len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("PBKDF2(%q, %q, %d) = %x, %v, want %x", v.pass, v.salt, v.iterations, got, err, want)
		}
	}
}

func TestPBKDF2AsStandardLibrary(t *testing.T) {
	r := seeded(t, 3)
	for size := range 130 { // passphrases around the block size of 64, where HMAC hashes its key
		pass, salt := randomBytes(r, size), randomBytes(r, r.IntN(80))
		iterations, length := 1+r.IntN(20), 1+r.IntN(100)
		want, err := pbkdf2.Key(sha256.New, string(pass), salt, iterations, length)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newPRF(pass)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.pbkdf2(salt, iterations, length)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("passphrase of %d bytes, salt of %d, %d iterations, %d bytes: not as crypto/pbkdf2 (%v)",
				size, len(salt), iterations, length, err)
		}
	}
}

// TestPRFNoticesAnotherSHA256: a marshaled form that is not the known one must not give a key.
func TestPRFNoticesAnotherSHA256(t *testing.T) {
	f, err := newPRF([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	f.inner[stateFrom] ^= 1
	if err := f.check([]byte("key")); err == nil {
		t.Error("a wrong state passes the check")
	}
}

// BenchmarkDerive is the price of each archive, however small. The other one is what it would be
// with crypto/pbkdf2.
func BenchmarkDerive(b *testing.B) {
	p := NewPassphrase(bytes.Repeat([]byte("k"), 64))
	salt := make([]byte, SaltSize)
	b.Run("firn", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.derive(salt, archiveIterations, keySize+blockSize); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("crypto-pbkdf2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pbkdf2.Key(sha256.New, string(p.bytes()), salt, archiveIterations, keySize+blockSize); err != nil {
				b.Fatal(err)
			}
		}
	})
}
