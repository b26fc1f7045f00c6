package encryption

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzDecrypter gives a Decrypter any header and body.
func FuzzDecrypter(f *testing.F) {
	p := NewPassphrase([]byte(goldenPass))
	for _, plain := range []string{"", "firn", "exactly 16 bytes", strings.Repeat("x", 1500)} {
		f.Add(encryptAll(f, p, Salt{1}, []byte(plain)))
	}
	f.Add([]byte{})
	f.Add([]byte("Salted__"))
	f.Add([]byte("Salted__saltsalt"))
	f.Add([]byte("not encrypted"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := decryptAll(p, in)
		switch {
		case err == nil:
			if again := encryptAll(t, p, Salt(in[len(magic):HeaderSize]), out); !bytes.Equal(again, in) {
				t.Errorf("%x decrypts to %x, which encrypts to %x", in, out, again)
			}
		case errors.Is(err, ErrNotEncrypted):
			if bytes.HasPrefix(in, []byte(magic)) || len(out) > 0 {
				t.Errorf("%q is said not to be encrypted", in)
			}
		case errors.Is(err, ErrTruncated):
			if len(in) > HeaderSize && len(in)%blockSize == 0 {
				t.Errorf("%x is said to be cut short", in)
			}
		case !errors.Is(err, ErrBadPadding):
			t.Errorf("%x: %v", in, err)
		}
	})
}

// FuzzDecrypterBody compares a Decrypter with a plain CBC decryption of the whole, by buffers of
// any size.
func FuzzDecrypterBody(f *testing.F) {
	block, err := aes.NewCipher(make([]byte, keySize))
	if err != nil {
		f.Fatal(err)
	}
	iv := make([]byte, blockSize)
	for _, plain := range []string{"", "firn", "exactly 16 bytes", strings.Repeat("x", 1500)} {
		body, err := io.ReadAll(newEncrypter(block, iv, Salt{}, strings.NewReader(plain)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body[HeaderSize:], uint16(16), false)
		f.Add(body[HeaderSize:], uint16(1024), true)
		f.Add(body[HeaderSize:len(body)-1], uint16(17), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint16, halves bool) {
		var in io.Reader = bytes.NewReader(body)
		if halves {
			in = iotest.HalfReader(in)
		}
		got, err := readIn(newDecrypter(block, iv, in), int(size)+1)

		full := body[:len(body)-len(body)%blockSize]
		plain := make([]byte, len(full))
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, full)
		var want error
		switch {
		case len(body) == 0 || len(full) < len(body):
			want = ErrTruncated
		default:
			last := int(plain[len(plain)-1])
			if last < 1 || last > blockSize || bytes.Count(plain[len(plain)-last:], plain[len(plain)-1:]) != last {
				want, plain = ErrBadPadding, plain[:len(plain)-blockSize]
			} else {
				plain = plain[:len(plain)-last]
			}
		}
		if !errors.Is(err, want) || !bytes.Equal(got, plain) {
			t.Errorf("by %d bytes: %x, %v, want %x, %v", int(size)+1, got, err, plain, want)
		}
	})
}

// FuzzKeyID: an id that is taken is written in the one way there is.
func FuzzKeyID(f *testing.F) {
	f.Add(goldenID)
	f.Add("1-" + strings.Repeat("0", 32) + "-" + strings.Repeat("f", 32))
	f.Add("2-00-00")
	f.Add("1--")
	f.Fuzz(func(t *testing.T, id string) {
		_, err := parseKeyID(id)
		hex := func(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }
		good := len(id) == 67 && id[:2] == "1-" && hex(id[2:34]) && id[34] == '-' && hex(id[35:])
		if good != (err == nil) || err != nil && !errors.Is(err, ErrBadKeyID) {
			t.Errorf("%q: %v", id, err)
		}
	})
}

// FuzzPassphrase compares what is taken of a key file with fgets, strchr and strlen, one byte at a
// time.
func FuzzPassphrase(f *testing.F) {
	for _, s := range []string{"", "\n", "\x00", "a\r\n", "a\x00\n", "\n\x00", strings.Repeat("x", 1023) + "\n", strings.Repeat("x", 1024)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var want []byte
		refused := len(file) == 0 || file[0] == 0
		for i := 0; i < len(file) && i < 1023 && file[i] != '\n' && file[i] != 0; i++ {
			want = append(want, file[i])
		}
		line, err := readLine(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := passphraseOf(line)
		if refused != errors.Is(err, ErrNoPassphrase) || !refused && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%q gives %q, %v", file, got, err)
		}
	})
}
