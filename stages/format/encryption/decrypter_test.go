package encryption

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestDecryptRefuses(t *testing.T) {
	p := NewPassphrase([]byte(goldenPass))
	good := encryptAll(t, p, Salt{1}, []byte("what is to be kept"))
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		in   []byte
		is   error
	}{
		{"empty", nil, ErrTruncated},
		{"half a magic", good[:4], ErrTruncated},
		{"magic alone", good[:8], ErrTruncated},
		{"half a salt", good[:12], ErrTruncated},
		{"header alone", good[:16], ErrTruncated},
		{"half a block", good[:24], ErrTruncated},
		{"a block and a half", good[:40], ErrTruncated},
		{"a byte too many", append(good[:len(good):len(good)], 0), ErrTruncated},
		{"another magic", append([]byte("Salted_-"), good[8:]...), ErrNotEncrypted},
		{"half another magic", []byte("Salz"), ErrNotEncrypted},
		{"a tar.bz2", []byte("BZh91AY&SY and so on, for some bytes"), ErrNotEncrypted},
		{"last block cut off", good[:32], ErrBadPadding},
		{"last byte changed", append(good[:len(good)-1:len(good)-1], good[len(good)-1]^1), ErrBadPadding},
	} {
		out, err := decryptAll(p, c.in)
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", c.name, err, c.is)
		}
		if errors.Is(c.is, ErrTruncated) != errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v is io.ErrUnexpectedEOF", c.name, err)
		}
		if !bytes.HasPrefix([]byte("what is to be kept"), out) && c.name != "a byte too many" {
			t.Errorf("%s: decrypts to %q", c.name, out)
		}
	}
	if _, err := NewDecrypter(p, io.MultiReader(strings.NewReader(magic), &failsWithData{nil, boom})); !errors.Is(err, boom) {
		t.Errorf("a header that can't be read: %v", err)
	}
}

// TestDecryptEveryTruncation: no prefix of an archive ends as an archive, but for those that happen
// to end in good padding.
func TestDecryptEveryTruncation(t *testing.T) {
	r := seeded(t, 8)
	p := NewPassphrase([]byte(goldenPass))
	plain := bytes.Repeat([]byte{0xff}, 3000) // 0xff is no padding, so no prefix has a good one
	block, iv, err := archiveKey(p, Salt{})
	if err != nil {
		t.Fatal(err)
	}
	body := encryptAll(t, p, Salt{}, plain)[HeaderSize:]
	for n := range body {
		d := newDecrypter(block, iv, bytes.NewReader(body[:n]))
		got, err := readIn(d, 1+r.IntN(2000))
		want := ErrBadPadding
		if n == 0 || n%blockSize != 0 {
			want = ErrTruncated
		}
		if !errors.Is(err, want) || !bytes.HasPrefix(plain, got) {
			t.Fatalf("the first %d bytes: %d bytes, %v", n, len(got), err)
		}
		if n, again := d.Read(make([]byte, 10)); n != 0 || again != err {
			t.Fatalf("goes on after an error: %d, %v", n, again)
		}
	}
}

// TestBadPaddingReturnsNothingOfItsBlock holds what Decrypter says of its last block.
func TestBadPaddingReturnsNothingOfItsBlock(t *testing.T) {
	key, iv := make([]byte, keySize), make([]byte, blockSize)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for pad := range 256 {
		for _, spoilt := range []int{0, 1, 2, 16} { // which byte of the padding, from the end, is wrong
			plain := bytes.Repeat([]byte{byte(pad)}, 32)
			copy(plain, "the first block.")
			if spoilt > 0 {
				plain[32-spoilt] ^= 0x40
			}
			body := make([]byte, 32)
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, plain)
			got, err := readIn(newDecrypter(block, iv, bytes.NewReader(body)), 1000)
			want, last := plain[:16], int(plain[31])
			if good := last >= 1 && last <= 16 && bytes.Count(plain[32-last:], plain[31:]) == last; good {
				want = plain[:32-last]
				if err != nil {
					t.Errorf("padding %d, byte %d changed: %v", pad, spoilt, err)
				}
			} else if !errors.Is(err, ErrBadPadding) {
				t.Errorf("padding %d, byte %d changed: %v", pad, spoilt, err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("padding %d, byte %d changed: %q, want %q", pad, spoilt, got, want)
			}
		}
	}
}

// TestWrongPassphrase: seen by the padding but for one time in 256, and never the plaintext.
func TestWrongPassphrase(t *testing.T) {
	r := seeded(t, 9)
	plain := randomBytes(r, 1000)
	body := encryptAll(t, NewPassphrase([]byte(goldenPass)), Salt{}, plain)
	noticed := 0
	for range 40 {
		got, err := decryptAll(NewPassphrase(randomBytes(r, 32)), body)
		if errors.Is(err, ErrBadPadding) {
			noticed++
		} else if err != nil {
			t.Error(err)
		}
		if bytes.Contains(got, plain[:16]) {
			t.Error("a wrong passphrase decrypts")
		}
	}
	if noticed < 36 {
		t.Errorf("noticed %d times of 40", noticed)
	}
}
