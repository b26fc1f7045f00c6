package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/tree"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
)

// cancelling cancels a context in the middle of a stream.
type cancelling struct {
	io.Reader
	left   int
	cancel context.CancelCauseFunc
	cause  error
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 512)])
	if c.left -= n; c.left < 0 {
		c.cancel(c.cause)
	}
	return n, err
}

// TestCancel cancels at every so many bytes: no unfinished file stays, and what is there is whole.
func TestCancel(t *testing.T) {
	b := made(t, folder("d"), reg("d/small"), tar.Header{Name: "d/big", Typeflag: tar.TypeReg, Size: 600_000}, hard("d/h", "d/big"), sym("d/l", "x"), reg("z"))
	cause := errors.New("second ^C")
	for at := 0; at < len(b); at += len(b) / 40 {
		to := t.TempDir()
		f := &faults{}
		x := extract.New(extract.Options{Target: target(t, to), Report: f.report})
		ctx, cancel := context.WithCancelCause(context.Background())
		r, err := x.Extract(ctx, &cancelling{bytes.NewReader(b), at, cancel, cause}, "", nil, extract.Limits{}, nil)
		if err := x.Finish(); err != nil {
			t.Error(err)
		}
		if len(f.all) > 0 {
			t.Error(f)
		}
		if !errors.Is(err, cause) && r.Entries != 6 {
			t.Errorf("cancelled at %d: %+v, %v", at, r, err)
		}
		noTemps(t, to)
		if info, err := os.Stat(to + "/d/big"); err == nil && info.Size() != 600_000 {
			t.Errorf("cancelled at %d: a file of %d bytes", at, info.Size())
		}
		cancel(nil)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := extract.New(extract.Options{Target: target(t, t.TempDir())})
	if _, err := x.Extract(ctx, bytes.NewReader(b), "", nil, extract.Limits{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if err := x.Finish(); err != nil {
		t.Error(err)
	}
}

// TestFaultStopsNothing: an archive of many entries of which some can't be restored.
func TestFaultStopsNothing(t *testing.T) {
	to := t.TempDir()
	write(t, to+"/blocked", "a file where a directory should be", 1)
	r, f, err := lay(t, to, extract.Options{}, made(t, reg("a"), reg("blocked/x"), reg(strings.Repeat("n", 256)), reg("b"), folder("blocked"), hard("h", "none"), reg("c")), "", nil)
	if err != nil || r.Entries != 3 || r.Faults != 3 || len(f.all) != 4 {
		t.Errorf("%+v, %v\n%v", r, err, f)
	}
}

// TestDeep: names longer than any path that the system takes.
func TestDeep(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "deep")
	if err := tree.Deep(src, 400, 100); err != nil {
		t.Fatal(err)
	}
	b := archived(t, src, 0, walk.Subtree{})
	to := filepath.Join(dir, "to")
	for range 2 {
		if r, f, err := lay(t, to, extract.Options{}, b, "home", nil); err != nil || len(f.all) > 0 || r.Entries != 402 {
			t.Fatalf("%+v, %v\n%v", r, err, f)
		}
		same(t, src, to+"/home/deep", tree.DiffOptions{NoOwners: true})
	}
	// The file alone, with all that is above it, and in another order: bottom first, then up level by level.
	if r, f, err := lay(t, to+"2", extract.Options{}, b, "", func(name string) bool { return strings.HasSuffix(name, "bottom") }); err != nil || len(f.all) > 0 || r.Entries != 1 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	same(t, src, to+"2/deep", tree.DiffOptions{NoOwners: true})
	var headers []tar.Header
	for n := 120; n > 0; n-- {
		headers = append(headers, reg(strings.Repeat("d/", n)+"f"))
	}
	for n := 1; n < 120; n++ {
		headers = append(headers, folder(strings.TrimSuffix(strings.Repeat("d/", n), "/")))
	}
	if r, f, err := lay(t, to+"3", extract.Options{}, made(t, headers...), "", nil); err != nil || len(f.all) > 0 || r.Entries != 239 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
}

// TestFilesStayClosed counts open files after all kinds of ends.
func TestFilesStayClosed(t *testing.T) {
	before := openFiles(t)
	dir := t.TempDir()
	src := filepath.Join(dir, "deep")
	if err := tree.Deep(src, 60, 5); err != nil {
		t.Fatal(err)
	}
	b := archived(t, src, 0, walk.Subtree{})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	x := extract.New(extract.Options{Target: root})
	for _, part := range []int{len(b), len(b) / 2, 100, 0} {
		x.Extract(context.Background(), bytes.NewReader(b[:part]), "to", nil, extract.Limits{}, nil)
	}
	x.Extract(context.Background(), bytes.NewReader(made(t, sym("l", "."), reg("l/x"), hard("h", "l/x"))), "to", nil, extract.Limits{}, nil)
	if err := errors.Join(x.Finish(), x.Finish(), root.Close()); err != nil {
		t.Error(err)
	}
	if _, err := x.Extract(context.Background(), bytes.NewReader(b), "to", nil, extract.Limits{}, nil); err == nil {
		t.Error("it goes on after Finish")
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
