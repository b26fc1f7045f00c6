package catalogue

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

var (
	// ErrFormat: the bytes are no stream of the catalogue, or of a version not known here.
	ErrFormat = errors.New("not of the catalogue's form")
	// ErrCutShort: a stream that ends too early.
	ErrCutShort = errors.New("the catalogue is cut short")
)

// maxLine bounds one line in bytes. The longest line is a subtree's with all its faults.
const maxLine = 32 << 20

// lines reads JSON lines out of one gzip member.
type lines struct {
	zip   *gzip.Reader
	scan  *bufio.Scanner
	count int64 // since the first
	ended bool
	md5   string
}

// newLines reads the first line into head. What follows the member in r is not looked at.
func newLines(r io.Reader, head any) (*lines, error) {
	if _, ok := r.(io.ByteReader); !ok {
		r = bufio.NewReader(r) // or gzip would read ahead of the member's end
	}
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, damaged(err)
	}
	zip.Multistream(false)
	l := &lines{zip: zip, scan: bufio.NewScanner(zip)}
	l.scan.Buffer(make([]byte, 0, 8<<10), maxLine) // a search opens a million lists that are shorter still
	line, err := l.line()
	if err != nil {
		return nil, err
	}
	return l, decode(line, head)
}

// line returns the next line; the end of the stream is too early for one.
func (l *lines) line() ([]byte, error) {
	if l.scan.Scan() {
		return l.scan.Bytes(), nil
	}
	if err := l.scan.Err(); err != nil {
		return nil, damaged(err)
	}
	return nil, ErrCutShort
}

// damaged translates an error of gzip or of the scanner.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCutShort
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// isEnd begins the last line, as the writer of this package writes it.
var isEnd = []byte(`{"end":true`)

// next decodes the next line into v; io.EOF after the last, if the stream is complete.
func (l *lines) next(v any) error {
	if l.ended {
		return io.EOF
	}
	line, err := l.line()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, isEnd) {
		l.count++
		return decode(line, v)
	}
	var e end
	if err := decode(line, &e); err != nil {
		return err
	}
	if e.Lines != l.count {
		return fmt.Errorf("%w: %d lines of %d", ErrCutShort, l.count, e.Lines)
	}
	if l.scan.Scan() || l.scan.Err() != nil {
		return fmt.Errorf("%w: there is more behind the last line", ErrFormat)
	}
	l.ended, l.md5 = true, e.MD5
	return io.EOF
}

// decode reads one line into v; fields it does not know are ignored.
func decode(line []byte, v any) error {
	if e, ok := v.(*Entry); ok {
		if e.parse(line) {
			return nil
		}
		*e = Entry{}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w: %.60q", ErrFormat, err, bytes.TrimSpace(line))
	}
	return nil
}

// checkFormat refuses versions that are not known here.
func checkFormat(what string, version int) error {
	switch {
	case version < 1:
		return fmt.Errorf("%w: this is no %s", ErrFormat, what)
	case version > Format:
		return fmt.Errorf("%w: a %s of version %d; this firn reads %d: use a newer one", ErrFormat, what, version, Format)
	}
	return nil
}

// ReadRun reads a run, with its paths as raw bytes. Errors: ErrFormat, ErrCutShort, those of r.
func ReadRun(r io.Reader) (Run, error) {
	var run Run
	if _, err := newLines(r, &run); err != nil {
		return Run{}, err
	}
	if err := checkFormat("run", run.Format); err != nil {
		return Run{}, err
	}
	for i := range run.Exclude {
		if err := unescape(&run.Exclude[i]); err != nil {
			return Run{}, err
		}
	}
	for i := range run.Left {
		if err := unescape(&run.Left[i].Path); err != nil {
			return Run{}, err
		}
	}
	var err error
	if run.CutFaults, err = rewritten(run.CutFaults, Unescape); err != nil {
		return Run{}, err
	}
	return run, unescape(&run.BackupPath, &run.Path)
}

// A ManifestReader reads a volume of a manifest line by line.
type ManifestReader struct{ lines *lines }

// OpenManifest reads the first line and checks run and volume. Errors as ReadRun's.
func OpenManifest(r io.Reader, run string, volume int) (*ManifestReader, error) {
	var head manifestHead
	l, err := newLines(r, &head)
	if err != nil {
		return nil, err
	}
	if err := checkFormat("manifest", head.Format); err != nil {
		return nil, err
	}
	if head.Run != run || head.Volume != volume {
		return nil, fmt.Errorf("%w: volume %d of run %s, where volume %d of run %s should be", ErrFormat, head.Volume, head.Run, volume, run)
	}
	return &ManifestReader{l}, nil
}

// Next returns the next subtree, its paths raw bytes; io.EOF after the last. Errors as ReadRun's.
func (m *ManifestReader) Next() (Subtree, error) {
	var s Subtree
	if err := m.lines.next(&s); err != nil {
		return Subtree{}, err
	}
	var err error
	if s.Faults, err = rewritten(s.Faults, Unescape); err != nil {
		return Subtree{}, err
	}
	return s, unescape(&s.Path)
}

// A ListReader reads a list entry by entry.
type ListReader struct {
	Head ListHead // its path is raw bytes

	lines *lines
	of    *Owner        // that it must have; nil: any
	from  *bufio.Reader // that must end with the list, if of is set
}

// OpenList reads the first line of a list. If r is an io.ByteReader, it stays at the end of the
// list's gzip member. Errors as ReadRun's.
func OpenList(r io.Reader) (*ListReader, error) {
	l := &ListReader{}
	var err error
	if l.lines, err = newLines(r, &l.Head); err != nil {
		return nil, err
	}
	if err := checkFormat("list", l.Head.Format); err != nil {
		return nil, err
	}
	return l, unescape(&l.Head.Path)
}

// OpenListOf is OpenList for the list of an archive, which ends where r ends. Any other list is
// ErrFormat, from OpenListOf if the key is another, else from Next in place of io.EOF.
func OpenListOf(r io.Reader, of Owner) (*ListReader, error) {
	from := bufio.NewReader(r)
	l, err := OpenList(from)
	if err != nil {
		return nil, err
	}
	if short(l.Head.Key) != of.key {
		return nil, fmt.Errorf("%w: in place of the list of an archive it is that of %s", ErrFormat, l.Head.Key)
	}
	l.of, l.from = &of, from
	return l, nil
}

// Next returns the next entry, its paths as raw bytes; io.EOF after the last. Errors as ReadRun's.
func (l *ListReader) Next() (e Entry, err error) {
	if err := l.lines.next(&e); err != nil {
		if errors.Is(err, io.EOF) && l.of != nil {
			err = l.proven()
		}
		return Entry{}, err
	}
	return e, unescape(&e.Path, &e.Target)
}

// proven returns io.EOF if the list that was read is the one that was asked for.
func (l *ListReader) proven() error {
	if l.Owner() != *l.of {
		return fmt.Errorf("%w: it is the list of another archive with this key, of the MD5 %s", ErrFormat, l.MD5())
	}
	if _, err := l.from.Peek(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is more behind the list", ErrFormat)
	}
	return io.EOF
}

// MD5 is that of the list's archive, once Next has returned io.EOF.
func (l *ListReader) MD5() string { return l.lines.md5 }

// Owner is that of the list's archive, once Next has returned io.EOF.
func (l *ListReader) Owner() Owner { return OwnerOf(l.Head.Key, l.MD5()) }
