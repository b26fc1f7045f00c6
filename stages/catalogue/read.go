package catalogue

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrFormat: the bytes are no manifest or list of a version known here.
	ErrFormat = errors.New("not of the catalogue's form")
	// ErrCutShort: a manifest or list that ends too early.
	ErrCutShort = errors.New("cut short")
)

// maxLine bounds one line, in bytes: a manifest's with all its faults and
// paths of the longest kind stays below.
const maxLine = 32 << 20

// reader reads JSON lines out of gzip.
type reader struct {
	zip   *gzip.Reader
	lines *bufio.Scanner
}

func newReader(r io.Reader) (*reader, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	lines := bufio.NewScanner(zip)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &reader{zip, lines}, nil
}

// next returns the next line, io.EOF after the last.
func (r *reader) next() ([]byte, error) {
	if r.lines.Scan() {
		return r.lines.Bytes(), nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, ErrCutShort
	default:
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
}

// A Manifest is read line by line.
type Manifest struct {
	Run Run
	End End // once Next has returned io.EOF

	r *reader
}

// OpenManifest reads the first line. Errors: ErrFormat, ErrCutShort.
func OpenManifest(r io.Reader) (*Manifest, error) {
	lines, err := newReader(r)
	if err != nil {
		return nil, err
	}
	first, err := lines.next()
	if err != nil {
		return nil, ended(err)
	}
	m := &Manifest{r: lines}
	if err := decode(first, &m.Run); err != nil {
		return nil, err
	}
	if m.Run.Format != Format {
		return nil, fmt.Errorf("%w: manifest of version %d, this firn reads %d", ErrFormat, m.Run.Format, Format)
	}
	if m.Run.Path, err = Unescape(m.Run.Path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// Next returns the next subtree, with its paths as raw bytes, and io.EOF after
// the last, when End is known. Errors: ErrFormat, ErrCutShort.
func (m *Manifest) Next() (Subtree, error) {
	line, err := m.r.next()
	if err != nil {
		return Subtree{}, ended(err)
	}
	var either struct {
		End bool `json:"end"`
		Subtree
	}
	if err := decode(line, &either); err != nil {
		return Subtree{}, err
	}
	if !either.End {
		s := either.Subtree
		return s, s.unescape()
	}
	if err := decode(line, &m.End); err != nil {
		return Subtree{}, err
	}
	if _, err := m.r.next(); err != io.EOF {
		return Subtree{}, fmt.Errorf("%w: there is more behind the last line", ErrFormat)
	}
	return Subtree{}, io.EOF
}

func (s *Subtree) unescape() (err error) {
	if s.Path, err = Unescape(s.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for i := range s.Faults {
		if s.Faults[i].Path, err = Unescape(s.Faults[i].Path); err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
	}
	return nil
}

// ended turns an end where a line should be into ErrCutShort.
func ended(err error) error {
	if err == io.EOF {
		return ErrCutShort
	}
	return err
}

// A List is read entry by entry.
type List struct {
	Head ListHead

	r *reader
}

// OpenList reads the first line of a list, from the start of its gzip member;
// what follows the member in r is not looked at. Errors: ErrFormat, ErrCutShort.
func OpenList(r io.Reader) (*List, error) {
	// gzip.Reader reads one member and no more from a bufio.Reader.
	lines, err := newReader(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	lines.zip.Multistream(false)
	first, err := lines.next()
	if err != nil {
		return nil, ended(err)
	}
	l := &List{r: lines}
	if err := decode(first, &l.Head); err != nil {
		return nil, err
	}
	if l.Head.Format != Format {
		return nil, fmt.Errorf("%w: list of version %d, this firn reads %d", ErrFormat, l.Head.Format, Format)
	}
	return l, nil
}

// Next returns the next entry, with its paths as raw bytes, and io.EOF after
// the last. Errors: ErrFormat, ErrCutShort.
func (l *List) Next() (e Entry, err error) {
	line, err := l.r.next()
	if err != nil {
		return Entry{}, err
	}
	if err := decode(line, &e); err != nil {
		return Entry{}, err
	}
	if e.Path, err = Unescape(e.Path); err == nil {
		e.Target, err = Unescape(e.Target)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return e, nil
}
