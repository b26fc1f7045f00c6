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

// maxDifferences is how many differences between an archive and its list are reported.
const maxDifferences = 5

// A comparison compares the members of an archive with the list of its entries.
type comparison struct {
	list    *catalogue.ListReader // nil: none, or the rest differs too
	md5     string                // of the archive
	differs []string
	more    int
}

// withList calls fn with the list of an archive's entries; nil if there is none, or none that can
// be read.
func (v *verify) withList(ctx context.Context, a *item, fn func(*catalogue.ListReader) error) error {
	if a.Line.List == nil || !v.listing.catalogue[a.Line.List.Pack] {
		return fn(nil)
	}
	list, err := v.shelf.Open(ctx, *a.Line.List)
	switch {
	case err == nil:
		defer list.Release()
		return fn(list.ListReader)
	case prove.ProblemOf(prove.OfCatalogue(err)) == "":
		return fmt.Errorf("opening the list of its entries: %w", err)
	}
	v.Report.Event(report.Event{Kind: report.Notice, Path: a.Line.Path, Key: a.Line.Key, Text: "its entries are not compared, because the list of them can't be read", Err: err})
	return fn(nil)
}

// member compares the next member. Its error is one of the list.
func (c *comparison) member(name string, h *tar.Header) error {
	if c.list == nil {
		return nil
	}
	entry, err := c.list.Next()
	if errors.Is(err, io.EOF) {
		c.differ("%q is in it, and not in the list of its entries", name)
		c.list = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the list of its entries: %w", err)
	}
	got := catalogue.FromTar(name, h)
	if text := entry.Differs(got); text != "" {
		c.differ("%s", text)
	}
	if entry.Path != got.Path {
		c.list = nil
	}
	return nil
}

func (c *comparison) differ(format string, a ...any) {
	if len(c.differs) == maxDifferences {
		c.more++
		return
	}
	c.differs = append(c.differs, fmt.Sprintf(format, a...))
}

// end is called after the last member.
func (c *comparison) end() error {
	if c.list != nil {
		switch entry, err := c.list.Next(); {
		case err == nil:
			c.differ("%q is in the list of its entries, and not in it", entry.Path)
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("reading the list of its entries: %w", err)
		case c.list.MD5() != c.md5:
			c.differ("the list of its entries is that of an archive with the MD5 %s", c.list.MD5())
		}
	}
	if len(c.differs) == 0 {
		return nil
	}
	if c.more > 0 {
		c.differs = append(c.differs, fmt.Sprintf("and %d more", c.more))
	}
	return prove.Damagef(report.ProblemEntries, "it was made with this key file, but is not the archive in the catalogue: %s", strings.Join(c.differs, "; "))
}

// packsOf emits the packs with lists of archives that are checked. Quick only checks that they are
// listed.
func (v *verify) packsOf(ctx context.Context, emit func(string) error) error {
	var packs map[string]bool // none if find failed
	if err := v.stages.catalogue.Blocked(func() error {
		select {
		case packs = <-v.packs:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.Run.Stopping():
			return pipeline.ErrStopped
		}
	}); err != nil {
		return err
	}
	var present []string
	for key := range packs {
		if v.listing.catalogue[key] {
			present = append(present, key)
		} else {
			v.damaged(key, prove.Damagef(report.ProblemMissing, "it is gone"))
		}
	}
	if v.options.Level == Quick {
		return nil
	}
	slices.Sort(present)
	for _, key := range present {
		if err := emit(key); err != nil {
			return err
		}
	}
	return nil
}

// readPack verifies a pack and reads all its lists.
func (v *verify) readPack(ctx context.Context, key string) error {
	pack, err := v.Ledger.Pack(ctx, key)
	if err != nil {
		return err
	}
	defer pack.Close()
	return pack.Lists(func(catalogue.Place, *catalogue.ListReader) error { return nil })
}

// damaged reports, once, an object of the catalogue that can't be used.
func (v *verify) damaged(key string, err error) {
	if _, again := v.reported.LoadOrStore(key, true); again {
		return
	}
	err = prove.OfCatalogue(err)
	e := report.Event{Kind: report.Catalogue, Key: key, Err: err, Problem: prove.ProblemOf(err)}
	if e.Problem == "" {
		e.Kind = report.Failed
	}
	switch {
	case ledger.IsRun(key):
		e.Text = "this run can't be chosen; other runs and all archives can be restored"
	case ledger.IsPack(key):
		e.Text = "single files of the archives that it lists can't be found; the archives can be restored"
	default:
		e.Text = "the archives that it lists can't be chosen by their run; they can be restored"
	}
	v.Report.Event(e)
}
