package verify

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// mostDifferences is how many differences between an archive and the list of
// its entries are told.
const mostDifferences = 5

// A comparison holds the members of an archive against the list of its entries.
type comparison struct {
	list    *catalogue.ListReader // nil: none is known
	md5     string                // of the archive
	differs []string
	more    int
	parted  bool // from some member on the two go different ways
}

// withList calls fn with the list of an archive's entries, or with nil if none
// is known, or it can't be read: of that more is told of its pack.
func (v *verify) withList(ctx context.Context, a *examined, fn func(*catalogue.ListReader) error) error {
	if a.Line.List == nil || !v.listing.catalogue[a.Line.List.Pack] {
		return fn(nil)
	}
	opened := false
	err := v.shelf.List(ctx, *a.Line.List, func(list *catalogue.ListReader) error {
		opened = true
		return fn(list)
	})
	switch {
	case opened || err == nil:
		return err
	case prove.ProblemOf(prove.OfCatalogue(err)) == "":
		return fmt.Errorf("opening the list of its entries: %w", err)
	}
	v.Report.Event(report.Event{Kind: report.Notice, Path: a.Line.Path, Key: a.Line.Key, Text: "the list of its entries can't be read, so that what it holds is not compared with one", Err: err})
	return fn(nil)
}

// member compares the next member. Its error is of the list.
func (c *comparison) member(name string, h *tar.Header) error {
	if c.list == nil || c.parted {
		return nil
	}
	entry, err := c.list.Next()
	if errors.Is(err, io.EOF) {
		c.differ("%q is in it, and not in the list of its entries", name)
		c.parted = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the list of its entries: %w", err)
	}
	got := catalogue.FromTar(name, h)
	if said := entry.Differs(got); said != "" {
		c.differ("%s", said)
	}
	c.parted = entry.Path != got.Path
	return nil
}

func (c *comparison) differ(format string, a ...any) {
	if len(c.differs) == mostDifferences {
		c.more++
		return
	}
	c.differs = append(c.differs, fmt.Sprintf(format, a...))
}

// end is asked when the archive has no more members.
func (c *comparison) end() error {
	if c.list != nil && !c.parted {
		switch entry, err := c.list.Next(); {
		case err == nil:
			c.differ("%q is in the list of its entries, and not in it", entry.Path)
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("reading the list of its entries: %w", err)
		case c.list.MD5() != c.md5:
			c.differ("the list of its entries is of an archive with the MD5 %s", c.list.MD5())
		}
	}
	if len(c.differs) == 0 {
		return nil
	}
	if c.more > 0 {
		c.differs = append(c.differs, fmt.Sprintf("and %d more", c.more))
	}
	return prove.Damagef(report.ProblemEntries, "it is proven to be an archive made with this key file, but not the one that the catalogue lists: %s", strings.Join(c.differs, "; "))
}

// packsOf emits the packs that hold lists of what is checked, once all are
// known. --quick is content with their being there.
func (v *verify) packsOf(ctx context.Context, emit func(string) error) error {
	if err := v.stages.catalogue.Blocked(func() error { return v.awaitTold(ctx) }); err != nil || !v.toldAll.Load() {
		return err
	}
	var held []string
	for key := range v.packs {
		if v.listing.catalogue[key] {
			held = append(held, key)
		} else if !v.runs.broken[key] {
			v.damaged(key, prove.Damagef(report.ProblemMissing, "it is not there"))
		}
	}
	if v.options.Level == Quick {
		return nil
	}
	slices.Sort(held)
	for _, key := range held {
		if err := emit(key); err != nil {
			return err
		}
	}
	return nil
}

// awaitTold waits until find has come to its end.
func (v *verify) awaitTold(ctx context.Context) error {
	select {
	case <-v.told:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.Run.Stopping():
		return pipeline.ErrStopped
	}
}

// readPack proves a pack and reads all its lists.
func (v *verify) readPack(ctx context.Context, key string) error {
	pack, err := v.Ledger.Pack(ctx, key)
	if err != nil {
		return err
	}
	defer pack.Close()
	return pack.Lists(func(catalogue.Place, *catalogue.ListReader) error { return nil })
}

// damaged tells of an object of the catalogue that can't be used, and what
// that means.
func (v *verify) damaged(key string, err error) {
	err = prove.OfCatalogue(err)
	kind := report.Catalogue
	if prove.ProblemOf(err) == "" {
		kind = report.Failed
	}
	v.Report.Event(report.Event{Kind: kind, Key: key, Err: err, Problem: prove.ProblemOf(err), Text: consequence(key)})
}

// consequence says what is lost with an object of the catalogue: never an
// archive.
func consequence(key string) string {
	switch {
	case ledger.IsRun(key):
		return "the state that this run left can't be chosen; other runs and all archives can be restored"
	case ledger.IsPack(key):
		return "single files of the archives it tells of can't be found; the archives can be restored"
	}
	return "what this part of the run tells of can't be chosen by the run; the archives can be restored, and 'firn catalogue rebuild' notes them again"
}
