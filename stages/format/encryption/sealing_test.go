package encryption

import (
	"bytes"
	"testing"
)

// TestSealing: what is sealed opens with the same passphrase, salt and run, and with nothing else.
func TestSealing(t *testing.T) {
	pass, other := NewPassphrase([]byte(goldenPass)), NewPassphrase([]byte(goldenPass+"x"))
	salt := bytes.Repeat([]byte{1}, KeySaltSize)
	sealing := func(p *Passphrase, salt []byte, run string) func(message, bound []byte, open bool) ([]byte, error) {
		k, err := NewKeys(p, salt)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := k.Sealing(run)
		if err != nil {
			t.Fatal(err)
		}
		return func(message, bound []byte, open bool) ([]byte, error) {
			if open {
				return aead.Open(nil, nil, message, bound)
			}
			return aead.Seal(nil, nil, message, bound), nil
		}
	}
	bound := []byte("header")
	sealed, _ := sealing(pass, salt, "run-1")([]byte("path"), bound, false)
	if again, _ := sealing(pass, salt, "run-1")([]byte("path"), bound, false); bytes.Equal(sealed, again) {
		t.Error("a nonce was used twice")
	}
	for name, tt := range map[string]struct {
		pass  *Passphrase
		salt  []byte
		run   string
		bound []byte
		opens bool
	}{
		"the same":         {pass, salt, "run-1", bound, true},
		"other passphrase": {other, salt, "run-1", bound, false},
		"other salt":       {pass, bytes.Repeat([]byte{2}, KeySaltSize), "run-1", bound, false},
		"other run":        {pass, salt, "run-2", bound, false},
		"other header":     {pass, salt, "run-1", []byte("Header"), false},
	} {
		plain, err := sealing(tt.pass, tt.salt, tt.run)(sealed, tt.bound, true)
		if (err == nil) != tt.opens || tt.opens && string(plain) != "path" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}
