package encrypt

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
	// A pointer, so that fmt shows an address where a Passphrase is an unexported field of another struct and
	// its own Format is out of reach.
	bytes *[]byte
}

// NewPassphrase returns a passphrase of the given bytes, of any length, which it copies.
func NewPassphrase(b []byte) *Passphrase {
	c := append([]byte(nil), b...)
	return &Passphrase{bytes: &c}
}

// Weak says that the passphrase has fewer than [MinPassphrase] bytes.
func (p *Passphrase) Weak() bool { return len(*p.bytes) < MinPassphrase }
