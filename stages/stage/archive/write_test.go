package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// bounded fails as soon as more than left bytes are written, and must not be written to after that.
type bounded struct {
	left   int
	err    error
	failed int
}

func (w *bounded) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return len(p), nil
	}
	n := w.left
	w.left = 0
	w.failed++
	return n, w.err
}

// boundedFrom is bounded for writers with ReadFrom.
type boundedFrom struct{ *bounded }

func (w boundedFrom) ReadFrom(r io.Reader) (n int64, err error) {
	p := make([]byte, 100)
	for {
		m, readErr := r.Read(p)
		m, err := w.Write(p[:m])
		n += int64(m)
		if err != nil || w.failed > 0 {
			return n, err
		}
		if readErr == io.EOF {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
	}
}

func small() *fakes {
	f := newFake("d/sparse", 0o644, strings.Repeat("\x00", 8192))
	f.Blocks, f.segments = 0, []tarfmt.Segment{{Offset: 4096, Length: 4096}}
	tree := &fakes{entries: []*fake{newFake("d", unix.S_IFDIR|0o755, ""), newFake("d/a", 0o644, "some data"), newFake("d/b", 0o644, strings.Repeat("b", 1000)), f, newFake("d/z", 0o644, "")}}
	return tree
}

// TestWriterFails lets the writer fail after every few bytes of the archive. One Archiver goes through all of it, and must be as good as new in the end.
func TestWriterFails(t *testing.T) {
	tree := small()
	_, _, whole, _ := tree.write(t, 0)
	full := errors.New("disk full")
	a := New()
	a.files = fakeFS{tree}
	for left := 0; left < int(whole.TarSize); left += 13 {
		for _, w := range []io.Writer{&bounded{left: left, err: full}, boundedFrom{&bounded{left: left, err: full}}, &bounded{left: left}, boundedFrom{&bounded{left: left}}} {
			r, err := a.Write(context.Background(), w, tree, walk.Subtree{}, Observer{Fault: func(f Fault) { t.Errorf("a fault of an entry: %v", f) }})
			want := full
			b, ok := w.(*bounded)
			if !ok {
				b = w.(boundedFrom).bounded
			}
			if b.err == nil {
				want = io.ErrShortWrite
			}
			if !errors.Is(err, want) || b.failed != 1 || r.TarSize != int64(left) {
				t.Fatalf("after %d bytes: %v, %d failures, TarSize %d", left, err, b.failed, r.TarSize)
			}
			if tree.open != 0 {
				t.Fatalf("after %d bytes: %d files are left open", left, tree.open)
			}
		}
	}
	if r, err := a.Write(context.Background(), io.Discard, tree, walk.Subtree{}, Observer{}); err != nil || r != whole {
		t.Errorf("after all the failures: %+v, %v; not %+v", r, err, whole)
	}
}

// cancels cancels its context at the nth call.
type cancels struct {
	bytes.Buffer
	calls  int
	cancel context.CancelCauseFunc
}

var errStop = errors.New("told to stop")

func (w *cancels) Write(p []byte) (int, error) {
	if w.calls--; w.calls == 0 {
		w.cancel(errStop)
	}
	return w.Buffer.Write(p)
}

func TestCancelled(t *testing.T) {
	tree := small()
	tree.entries[1].data = strings.Repeat("large", 200_000)
	tree.entries[1].Entry.Size = 1_000_000
	for calls := 0; ; calls++ {
		ctx, cancel := context.WithCancelCause(context.Background())
		w := &cancels{calls: calls, cancel: cancel}
		if calls == 0 {
			cancel(errStop)
		}
		a := New()
		a.files = fakeFS{tree}
		_, err := a.Write(ctx, struct{ io.Writer }{w}, tree, walk.Subtree{}, Observer{})
		stopped := ctx.Err() != nil
		cancel(nil)
		if !stopped {
			if err != nil {
				t.Fatal(err)
			}
			break // it never came to that call
		}
		// The last call writes the end: what is cancelled then is done.
		if !errors.Is(err, errStop) && !(err == nil && w.calls == 0 && bytes.HasSuffix(w.Bytes(), make([]byte, tarfmt.EndSize))) {
			t.Fatalf("cancelled in call %d: %v", calls, err)
		}
		if calls == 0 && (w.Len() != 0 || tree.reads != 0) {
			t.Errorf("%d bytes written, %d reads, after all was cancelled", w.Len(), tree.reads)
		}
		if tree.open != 0 {
			t.Fatalf("cancelled in call %d: %d files are left open", calls, tree.open)
		}
	}
}

// TestWalkFails makes sure that an archive that the walk could not finish is not ended as if it were whole.
func TestWalkFails(t *testing.T) {
	tree := small()
	tree.end = fmt.Errorf("listing: %w", unix.EIO)
	tree.write(t, 0)
	var b bytes.Buffer
	a := New()
	a.files = fakeFS{tree}
	if _, err := a.Write(context.Background(), &b, tree, walk.Subtree{Path: "some/where"}, Observer{}); err == nil || !strings.Contains(err.Error(), "some/where") {
		t.Error(err)
	}
	if bytes.HasSuffix(b.Bytes(), make([]byte, tarfmt.EndSize)) {
		t.Error("the archive is ended as if it were whole")
	}
}

// TestComment makes sure that the path of a shortened key is in the first header that is written, and only there.
func TestComment(t *testing.T) {
	tree := small()
	tree.entries[0].Name = "/" // can't be written
	a := New()
	a.files = fakeFS{tree}
	var b bytes.Buffer
	if _, err := a.Write(context.Background(), &b, tree, walk.Subtree{LongKey: "the/long/key"}, Observer{}); err != nil {
		t.Fatal(err)
	}
	record := []byte("24 comment=the/long/key\n")
	if i := bytes.Index(b.Bytes(), record); i != 512 || bytes.Count(b.Bytes(), record) != 1 {
		t.Errorf("the comment is at %d, %d times", i, bytes.Count(b.Bytes(), record))
	}
}

// pieces is a writer that reads in pieces of any size.
type pieces struct {
	bytes.Buffer
	size func() int
}

func (w *pieces) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		p := make([]byte, w.size())
		m, err := r.Read(p)
		w.Buffer.Write(p[:m])
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// TestAnyTree archives random trees with random faults. Whatever they are, the archive is well formed, what is not in it
// as it was is reported, and its bytes don't depend on the writer, the window, or what the Archiver did before.
func TestAnyTree(t *testing.T) {
	shared := New()
	shared.maxLinks = 3
	rapid.Check(t, func(rt *rapid.T) {
		tree := &fakes{most: rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(rt, "open files")}
		want, expected := map[string]string{}, 0
		for i := range rapid.IntRange(0, 200).Draw(rt, "entries") {
			name := fmt.Sprintf("%s/%d", rapid.SampledFrom([]string{"d", strings.Repeat("long", 40), "größe", "\xff"}).Draw(rt, "dir"), i)
			data := strings.Repeat(fmt.Sprint(i, " "), rapid.IntRange(1, 700).Draw(rt, "size"))
			f := newFake(name, 0o644, data)
			f.Ino = uint64(i)
			if rapid.Bool().Draw(rt, "whole second") {
				f.ModTime = f.ModTime.Truncate(1e9)
			}
			if rapid.IntRange(0, 9).Draw(rt, "attrs") == 0 {
				f.attrs = map[string][]byte{"user.a": []byte(data), "user.b": nil}
			}
			want[name] = data
			switch k := rapid.IntRange(0, 20).Draw(rt, "fault"); k {
			case 0:
				f.openErr, expected = unix.EACCES, expected+1
				delete(want, name)
			case 1:
				n := rapid.IntRange(0, len(data)-1).Draw(rt, "shrunk to")
				f.data, expected = data[:n], expected+1
				want[name] = data[:n] + strings.Repeat("\x00", len(data)-n)
			case 2:
				f.data, expected = data+"!", expected+1
			case 3:
				n := rapid.IntRange(0, len(data)-1).Draw(rt, "fails at")
				f.readErr, f.failAt, expected = unix.EIO, int64(n), expected+1
				want[name] = data[:n] + strings.Repeat("\x00", len(data)-n)
			case 4:
				f.Mode, f.data, f.Entry.Size = unix.S_IFDIR|0o755, "", 4096
				delete(want, name)
				want[name+"/"] = ""
			case 5:
				f.Mode, f.Link = unix.S_IFLNK|0o777, "to/"+name
				want[name] = "→ to/" + name
			case 6:
				f.Mode, expected = unix.S_IFSOCK, expected+1
				delete(want, name)
			case 7, 8:
				if i == 0 || want[tree.entries[i-1].Name] == "" || tree.entries[i-1].Nlink != 1 || tree.entries[i-1].Type() != unix.S_IFREG || tree.entries[i-1].openErr != nil {
					break
				}
				first := tree.entries[i-1]
				first.Nlink, f.Nlink, f.Ino, f.Entry.Size, f.ModTime = 2, 2, first.Ino, first.Entry.Size, first.ModTime
				want[name] = "→ " + first.Name
			case 9:
				at := rapid.IntRange(0, len(data)-1).Draw(rt, "data at")
				n := rapid.IntRange(1, len(data)-at).Draw(rt, "data")
				f.segments, f.Blocks = []tarfmt.Segment{{Offset: int64(at), Length: int64(n)}}, 0
				f.data = strings.Repeat("\x00", at) + data[at:at+n] + strings.Repeat("\x00", len(data)-at-n)
				want[name] = f.data
			}
			tree.entries = append(tree.entries, f)
		}
		got, faults, r, raw := tree.write(t, 0)
		if len(faults) != expected || len(got) != len(want) {
			rt.Errorf("%d members of %d, faults %v", len(got), len(want), faults)
		}
		for name := range want {
			if got[name] != want[name] {
				rt.Errorf("%q: %.50q, not %.50q", name, got[name], want[name])
			}
		}
		rnd := rand.New(rand.NewPCG(uint64(len(raw)), 1))
		odd := &pieces{size: func() int { return 1 + rnd.IntN(2000) }}
		var plain bytes.Buffer
		for _, w := range []io.Writer{odd, struct{ io.Writer }{&plain}} {
			shared.files = fakeFS{tree}
			again, err := shared.Write(context.Background(), w, tree, walk.Subtree{}, Observer{})
			if err != nil || again != r {
				rt.Errorf("%+v, %v; not %+v", again, err, r)
			}
		}
		if !bytes.Equal(odd.Bytes(), raw) || !bytes.Equal(plain.Bytes(), raw) {
			rt.Error("the bytes depend on the writer")
		}
	})
}
