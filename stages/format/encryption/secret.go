package encryption

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden, embedded, keeps the type that embeds it out of every format verb and log line.
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

// Passphrase is what archives are encrypted under: the bytes that openssl takes from a key file. It is immutable
// and safe for concurrent use.
type Passphrase struct {
	hidden
	bytes secret
}

// secret gives away its bytes to callers alone: fmt follows pointers in fields whose methods it can't call, but it can't
// look into a function.
type secret func() []byte

func keep(b []byte) secret { return func() []byte { return b } }

// NewPassphrase returns a passphrase of the given bytes, of any length, which it copies.
func NewPassphrase(b []byte) *Passphrase {
	return &Passphrase{bytes: keep(append([]byte(nil), b...))}
}

// Weak says that the passphrase has fewer than [MinPassphrase] bytes.
func (p *Passphrase) Weak() bool { return len(p.bytes()) < MinPassphrase }
