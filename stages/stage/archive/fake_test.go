package archive

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// fake is one entry of a tree in memory, and what goes wrong with it.
type fake struct {
	walk.Entry
	data     string // what a read of the file gives: may be shorter or longer than Entry.Size
	openErr  error
	readErr  error // from failAt on
	failAt   int64
	stateErr error
	now      *state // what it is after reading; nil: as it was
	attrs    map[string][]byte
	attrErr  error
	segments []tarfmt.Segment // where it has data; nil: no holes
	seekErr  error
	listErr  error // what the walk could not read in it
}

// fakes is a tree in memory, and the file system that it is read from.
type fakes struct {
	entries []*fake
	end     error // what Entries returns
	open    int   // files open now
	most    int   // files that can be open at a time; 0: any number
	reads   int
}

func (fs *fakes) Entries(_ context.Context, _ walk.Subtree, fn func(*walk.Entry) error, fault func(string, error)) error {
	var reused walk.Entry // as the walk does it
	for _, f := range fs.entries {
		reused = f.Entry
		if err := fn(&reused); err != nil {
			return err
		}
		if f.listErr != nil {
			fault(f.Path, f.listErr)
		}
	}
	reused = walk.Entry{}
	return fs.end
}

type fakeFS struct{ *fakes }

func (fs fakeFS) find(e *walk.Entry) *fake {
	for _, f := range fs.entries {
		if f.Path == e.Path {
			return f
		}
	}
	panic("no such fake: " + e.Path)
}

func (fs fakeFS) open(e *walk.Entry) (file, error) {
	f := fs.find(e)
	if f.openErr != nil {
		return nil, f.openErr
	}
	if fs.most > 0 && fs.fakes.open == fs.most {
		return nil, fmt.Errorf("open: %w", unix.EMFILE)
	}
	fs.fakes.open++
	return &fakeFile{fake: f, fs: fs.fakes}, nil
}

func (fs fakeFS) xattrs(e *walk.Entry) (map[string][]byte, error) {
	f := fs.find(e)
	return f.attrs, f.attrErr
}

type fakeFile struct {
	*fake
	fs     *fakes
	closed bool
}

func (f *fakeFile) ReadAt(p []byte, offset int64) (int, error) {
	f.fs.reads++
	if f.closed {
		panic("read after close")
	}
	end := int64(len(f.data))
	if f.readErr != nil {
		end = min(end, f.failAt)
	}
	n := 0
	if offset < end {
		n = copy(p, f.data[offset:end])
	}
	switch {
	case n == len(p) && offset+int64(n) == int64(len(f.data)):
		return n, io.EOF // as an io.ReaderAt may
	case n == len(p):
		return n, nil
	case f.readErr != nil:
		return n, f.readErr
	}
	return n, io.EOF
}

func (f *fakeFile) State() (state, error) {
	if f.now != nil {
		return *f.now, f.stateErr
	}
	return state{int64(len(f.data)), f.ModTime, f.ChangeTime}, f.stateErr
}

func (f *fakeFile) NextData(offset int64) (int64, error) {
	if f.seekErr != nil {
		return 0, f.seekErr
	}
	if f.segments == nil {
		return offset, nil
	}
	if i := f.at(offset); i < len(f.segments) {
		return max(offset, f.segments[i].Offset), nil
	}
	return 0, errNoData
}

// at is the segment in which offset lies, or the next.
func (f *fakeFile) at(offset int64) int {
	return sort.Search(len(f.segments), func(i int) bool { return offset < end(f.segments[i]) })
}

func (f *fakeFile) NextHole(offset int64) (int64, error) {
	if f.segments == nil {
		return f.Entry.Size, nil
	}
	if i := f.at(offset); i < len(f.segments) && offset >= f.segments[i].Offset {
		return end(f.segments[i]), nil
	}
	return offset, nil
}

func (f *fakeFile) Xattrs([]byte) (map[string][]byte, error) { return f.attrs, f.attrErr }
func (f *fakeFile) Ahead()                                   {}

func (f *fakeFile) Close() error {
	if f.closed {
		panic("closed twice")
	}
	f.closed = true
	f.fs.open--
	return errors.New("close's error is of no account")
}

var then = time.Unix(1_600_000_000, 123456789)

func newFake(name string, mode uint32, data string) *fake {
	if mode&unix.S_IFMT == 0 {
		mode |= unix.S_IFREG
	}
	return &fake{data: data, Entry: walk.Entry{Name: name, Path: "/backup/" + name, Mode: mode, Size: int64(len(data)), ModTime: then, ChangeTime: then,
		Dev: 1, Nlink: 1, Blocks: int64(len(data)+511) / 512}}
}

// write archives the tree and checks what must hold whatever happens: the tar is well formed, its size is right, and no file is left open.
func (fs *fakes) write(t testing.TB, links int) (members map[string]string, faults []Fault, r Result, raw []byte) {
	t.Helper()
	a := New()
	a.maxLinks = cmp.Or(links, maxLinks)
	a.files = fakeFS{fs}
	var b bytes.Buffer
	r, err := a.Write(context.Background(), &b, fs, walk.Subtree{}, Observer{Fault: func(f Fault) {
		if f.Err == nil || f.Path == "" || f.What == "" {
			t.Errorf("not a fault: %+v", f)
		}
		faults = append(faults, f)
	}})
	if !errors.Is(err, fs.end) {
		t.Fatalf("%v, not %v", err, fs.end)
	}
	if fs.open != 0 {
		t.Errorf("%d files are left open", fs.open)
	}
	if r.TarSize != int64(b.Len()) {
		t.Errorf("TarSize is %d of %d", r.TarSize, b.Len())
	}
	var changed, skipped int64
	for _, f := range faults {
		switch f.What {
		case Changed:
			changed++
		case Skipped:
			skipped++
		}
	}
	if r.Changed != changed || r.Skipped != skipped || r.Faults != int64(len(faults))-changed-skipped {
		t.Errorf("the result %+v does not count %v", r, faults)
	}
	if err != nil {
		return nil, faults, r, nil
	}
	members = map[string]string{}
	tr := tar.NewReader(bytes.NewReader(b.Bytes()))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the archive is malformed: %v", err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("the archive is malformed in %q: %v", h.Name, err)
		}
		what := string(data)
		if h.Linkname != "" {
			what = "→ " + h.Linkname
		}
		members[h.Name] = what
	}
	if r.Entries != int64(len(members)) {
		t.Errorf("Entries is %d of %d", r.Entries, len(members))
	}
	return members, faults, r, b.Bytes()
}
