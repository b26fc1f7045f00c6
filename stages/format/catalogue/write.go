package catalogue

import (
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// stream writes JSON lines into a gzip member.
type stream struct {
	zip   *gzip.Writer // nil after the end
	json  *json.Encoder
	lines int64
}

// idle are gzip writers between two members. Each has tables of some megabyte, and every archive has
// a list of its own, mostly a short one.
var idle = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func newStream(w io.Writer) stream {
	zip := idle.Get().(*gzip.Writer)
	zip.Reset(w)
	e := json.NewEncoder(zip)
	e.SetEscapeHTML(false)
	return stream{zip: zip, json: e}
}

func (s *stream) add(v any) error {
	s.lines++
	return s.json.Encode(v)
}

// close writes the last line. The writer below is not closed.
func (s *stream) close(md5 string) error {
	return s.end(end{End: true, Lines: s.lines, MD5: md5})
}

// end writes the last value, ends the member and gives its writer back: nothing may follow.
func (s *stream) end(last any) error {
	err := errors.Join(s.json.Encode(last), s.zip.Close())
	s.zip.Reset(nil)
	idle.Put(s.zip)
	s.zip, s.json = nil, nil
	return err
}

// WriteRun writes a run, whose paths are raw bytes.
func WriteRun(w io.Writer, r Run) error {
	s := newStream(w)
	r.Format, r.BackupPath, r.Path = Format, Escape(r.BackupPath), Escape(r.Path)
	r.CutFaults, _ = rewritten(r.CutFaults, escaping)
	exclude := make([]string, len(r.Exclude))
	for i, pattern := range r.Exclude {
		exclude[i] = Escape(pattern)
	}
	r.Exclude = exclude
	left := make([]Left, len(r.Left))
	for i, l := range r.Left {
		l.Path = Escape(l.Path)
		left[i] = l
	}
	r.Left = left
	return s.end(r)
}

// A ManifestWriter writes a volume of a manifest line by line. It is not safe for concurrent use.
type ManifestWriter struct{ stream }

// NewManifest begins a volume, counted from 1, of the manifest of a run.
func NewManifest(w io.Writer, run string, volume int) (*ManifestWriter, error) {
	m := &ManifestWriter{newStream(w)}
	return m, m.json.Encode(manifestHead{Format: Format, Run: run, Volume: volume})
}

// Add writes the line of one subtree, whose paths are raw bytes.
func (m *ManifestWriter) Add(s Subtree) error {
	s.Path = Escape(s.Path)
	s.Faults, _ = rewritten(s.Faults, escaping)
	return m.add(s)
}

// Close writes the last line. A volume without it is cut short.
func (m *ManifestWriter) Close() error { return m.close("") }

// A ListWriter writes the list of one archive: one gzip member. It is not safe for concurrent use.
type ListWriter struct {
	stream
	line []byte
}

// NewList begins the list of the archive of a subtree, by its path and key.
func NewList(w io.Writer, path, key string) (*ListWriter, error) {
	l := &ListWriter{stream: newStream(w)}
	return l, l.json.Encode(ListHead{Format: Format, Path: Escape(path), Key: key})
}

// Add writes one entry, whose paths are raw bytes.
func (l *ListWriter) Add(e *Entry) error {
	l.lines++
	l.line = append(e.append(l.line[:0]), '\n')
	_, err := l.zip.Write(l.line)
	return err
}

// Close ends the member; md5 is that of the archive.
func (l *ListWriter) Close(md5 string) error { return l.close(md5) }

// CopyList writes a list again, as that of an archive with the same entries and another MD5. Errors:
// those of OpenList and of w.
func CopyList(w io.Writer, list io.Reader, md5 string) error {
	from, err := OpenList(list)
	if err != nil {
		return err
	}
	to, err := NewList(w, from.Head.Path, from.Head.Key)
	if err != nil {
		return err
	}
	for {
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			return to.Close(md5)
		}
		if err == nil {
			err = to.Add(&e)
		}
		if err != nil {
			return err
		}
	}
}
