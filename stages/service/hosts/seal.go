package hosts

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"firn/stages/format/encryption"
)

// MaxMessage is the length of a message in bytes at most, sealed. What is longer is not sent, and is
// dropped unread.
const MaxMessage = 1 << 20

const (
	magic    = "firn queue 1" // the protocol: what differs has another number
	maxField = 256            // of the header
)

// kind says what a message is. It is part of what is sealed, so that none can be used as another.
type kind string

const (
	kindItem    kind = "item"    // coordinator → a worker, kept
	kindAnswer  kind = "answer"  // worker → coordinator, kept
	kindTold    kind = "told"    // worker → coordinator
	kindSaid    kind = "said"    // coordinator → all workers
	kindSeek    kind = "seek"    // asks which run there is; not sealed
	kindOther   kind = "other"   // tells of another key file, with the name of its host; not sealed
	kindRun     kind = "run"     // replies to both
	kindHello   kind = "hello"   // asks to work
	kindWelcome kind = "welcome" // replies
	kindAlive   kind = "alive"   // asks whether a run goes on
	kindYes     kind = "yes"     // replies
	kindStatus  kind = "status"  // asks how the run gets on
	kindState   kind = "state"   // replies
)

var (
	// errForged: a message does not open, so that nobody with the key made it for this run.
	errForged = errors.New("the message does not open")
	// errOtherRun: a message says that it is of another run. Nothing proves that yet.
	errOtherRun = errors.New("the message is of another run")
	errTooLong  = fmt.Errorf("a message between hosts may have %d bytes", MaxMessage)
)

// A header is the clear part of a message. It is bound to what is sealed.
type header struct {
	Kind  kind
	Firn  string // version of who sent it
	KeyID string
	Run   string
	Slot  string // that an item is kept under, and answers name; of a question and its reply, a nonce
}

// write returns the header as it is sent: a line a field.
func (h header) write() []byte {
	return []byte(strings.Join([]string{magic, h.Firn, string(h.Kind), h.KeyID, h.Run, h.Slot, ""}, "\n"))
}

// readHeader splits a message. clear is the header as it was sent.
func readHeader(message []byte) (h header, clear, sealed []byte, err error) {
	if len(message) > MaxMessage {
		return h, nil, nil, errTooLong
	}
	fields := make([]string, 0, 6)
	rest := message
	for range cap(fields) {
		field, _, found := bytes.Cut(rest[:min(len(rest), maxField+1)], []byte("\n"))
		if !found {
			return h, nil, nil, errForged
		}
		fields = append(fields, string(field))
		rest = rest[len(field)+1:]
	}
	h = header{Firn: fields[1], Kind: kind(fields[2]), KeyID: fields[3], Run: fields[4], Slot: fields[5]}
	if fields[0] != magic {
		return h, nil, nil, fmt.Errorf("it speaks %q, and not %q", fields[0], magic)
	}
	return h, message[:len(message)-len(rest)], rest, nil
}

// A sealer seals and opens the messages of one run. It is for many goroutines.
type sealer struct {
	keys             *encryption.Keys
	keyID, run, firn string
	aead             cipher.AEAD
}

func newSealer(k *encryption.Keys, run, firn string) (*sealer, error) {
	for _, field := range []string{run, firn} {
		if len(field) > maxField || strings.Contains(field, "\n") {
			return nil, fmt.Errorf("%q is not fit for the header of a message", field)
		}
	}
	aead, err := k.Sealing(run)
	if err != nil {
		return nil, err
	}
	return &sealer{k, k.ID(), run, firn, aead}, nil
}

// seal makes a message of v, as JSON, and of a body.
func (s *sealer) seal(k kind, slot string, v any, body []byte) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	clear := header{k, s.firn, s.keyID, s.run, slot}.write()
	plain := binary.AppendUvarint(make([]byte, 0, len(text)+len(body)+binary.MaxVarintLen64), uint64(len(text)))
	plain = append(append(plain, text...), body...)
	if len(clear)+len(plain)+s.aead.Overhead() > MaxMessage {
		return nil, fmt.Errorf("%w: this one has %d", errTooLong, len(clear)+len(plain)+s.aead.Overhead())
	}
	message := make([]byte, len(clear), len(clear)+len(plain)+s.aead.Overhead())
	copy(message, clear)
	return s.aead.Seal(message, nil, plain, clear), nil
}

// open verifies that a message is of this run and kind, and reads it into v. The body is the message's
// own memory.
func (s *sealer) open(k kind, message []byte, v any) (slot string, body []byte, err error) {
	h, clear, sealed, err := readHeader(message)
	switch {
	case err != nil:
		return "", nil, errForged
	case h.Run != s.run:
		return h.Slot, nil, errOtherRun
	case h.Kind != k || h.KeyID != s.keyID:
		return h.Slot, nil, errForged
	}
	plain, err := s.aead.Open(nil, nil, sealed, clear)
	if err != nil {
		return h.Slot, nil, errForged
	}
	n, width := binary.Uvarint(plain)
	if width <= 0 || n > uint64(len(plain)-width) {
		return h.Slot, nil, errForged
	}
	if err := Decode(plain[width:width+int(n)], v); err != nil {
		return h.Slot, nil, fmt.Errorf("reading a message: %w", err)
	}
	return h.Slot, plain[width+int(n):], nil
}

// Decode reads JSON that is one value, and has no field that v lacks.
func Decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	return nil
}
