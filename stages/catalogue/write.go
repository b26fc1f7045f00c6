package catalogue

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
)

// A ManifestWriter writes a manifest line by line. It is not safe for
// concurrent use.
type ManifestWriter struct{ lines }

// lines writes JSON lines into gzip.
type lines struct {
	zip  *gzip.Writer
	json *json.Encoder
}

func newLines(w io.Writer) lines {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic(err) // of a constant level
	}
	e := json.NewEncoder(zip)
	e.SetEscapeHTML(false)
	return lines{zip, e}
}

// NewManifest begins a manifest.
func NewManifest(w io.Writer, r Run) (*ManifestWriter, error) {
	m := &ManifestWriter{newLines(w)}
	r.Format, r.Path = Format, Escape(r.Path)
	return m, m.json.Encode(r)
}

// Add writes the line of one subtree, whose paths are raw bytes.
func (m *ManifestWriter) Add(s Subtree) error {
	s.Path = Escape(s.Path)
	faults := make([]Fault, len(s.Faults))
	for i, f := range s.Faults {
		f.Path = Escape(f.Path)
		faults[i] = f
	}
	s.Faults = faults
	return m.json.Encode(s)
}

// Close writes the last line. A manifest without it is cut short.
func (m *ManifestWriter) Close(e End) error {
	e.End = true
	return errors.Join(m.json.Encode(e), m.zip.Close())
}

// A ListWriter writes the list of one archive: one gzip member.
type ListWriter struct{ lines }

// NewList begins the list of the archive with that key.
func NewList(w io.Writer, key string) (*ListWriter, error) {
	l := &ListWriter{newLines(w)}
	return l, l.json.Encode(ListHead{Format: Format, Key: key})
}

// Add writes one entry, whose paths are raw bytes.
func (l *ListWriter) Add(e Entry) error {
	e.Path, e.Target = Escape(e.Path), Escape(e.Target)
	return l.json.Encode(e)
}

// Close ends the member. The writer below is not closed.
func (l *ListWriter) Close() error { return l.zip.Close() }
