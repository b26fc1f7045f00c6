package archive

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// TestList holds the members that List tells of against those that Write writes, of everything that is hard to archive.
func TestList(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	awkward(t, dir)
	tree, s := openTree(t, dir), walk.Subtree{Base: "tree"}
	var written, listed []string
	keep := func(all *[]string) Observer {
		return Observer{Member: func(h *tarfmt.Header) error {
			*all = append(*all, fmt.Sprintf("%q %c %o %d:%d %d %d %q %d", h.Name, h.Type, h.Mode, h.UID, h.GID, h.Size, h.ModTime.UnixNano(), h.Link, len(h.Xattrs)))
			return nil
		}}
	}
	a := New()
	w, err := a.Write(context.Background(), io.Discard, tree, s, keep(&written))
	if err != nil {
		t.Fatal(err)
	}
	l, err := a.List(context.Background(), tree, s, keep(&listed))
	if err != nil {
		t.Fatal(err)
	}
	if l.Entries != w.Entries || l.Files != w.Files || l.TarSize != 0 || int64(len(written)) != w.Entries {
		t.Errorf("listed %+v, written %+v", l, w)
	}
	if !slices.Equal(written, listed) {
		for i := range min(len(written), len(listed)) {
			if written[i] != listed[i] {
				t.Fatalf("member %d: written as %s, listed as %s", i, written[i], listed[i])
			}
		}
		t.Errorf("%d members are written, %d listed", len(written), len(listed))
	}
}
