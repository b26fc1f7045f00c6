package encryption

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden, embedded in a type, hides it from every format verb and log line.
type hidden struct{}

const hiddenText = "[secret]"

// String returns a fixed text.
func (hidden) String() string { return hiddenText }

// GoString returns a fixed text.
func (hidden) GoString() string { return hiddenText }

// Format prints a fixed text for every verb.
func (hidden) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hiddenText) }

// LogValue returns a fixed text.
func (hidden) LogValue() slog.Value { return slog.StringValue(hiddenText) }

// Passphrase is the bytes that openssl takes from a key file. It is immutable.
type Passphrase struct {
	hidden
	bytes secret
}

// secret is a function because fmt follows pointers in fields, but can't look into a function.
type secret func() []byte

func keep(b []byte) secret { return func() []byte { return b } }

// NewPassphrase returns a passphrase of the given bytes, of any length, which it copies.
func NewPassphrase(b []byte) *Passphrase {
	return &Passphrase{bytes: keep(append([]byte(nil), b...))}
}

// Weak says that the passphrase has fewer than [MinPassphrase] bytes.
func (p *Passphrase) Weak() bool { return len(p.bytes()) < MinPassphrase }
