package verify

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
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
	list    *catalogue.ListReader // nil: none, or it is read to its end
	apart   bool                  // the rest differs too
	unread  error                 // the list is none of this archive
	differs []string
	more    int
}

// withList calls fn with the list of an archive's entries; nil if there is none, or none that can
// be read.
func (v *verify) withList(ctx context.Context, a *item, fn func(*catalogue.ListReader) error) error {
	if !v.hasList(a) {
		return fn(nil)
	}
	list, err := v.shelf.Open(ctx, *a.Line.List, a.Line.Owner())
	switch {
	case err == nil:
		defer list.Release()
		return fn(list.ListReader)
	case prove.ProblemOf(prove.OfCatalogue(err)) == "":
		return fmt.Errorf("opening the list of its entries: %w", err)
	}
	v.notCompared(a, err)
	return fn(nil)
}

// hasList reports whether there is a list of an archive's entries.
func (v *verify) hasList(a *item) bool {
	return a.Line.List != nil && (a.held != nil || v.listing.catalogue[a.Line.List.Pack])
}

// notCompared reports an archive that is read without its list; readPack reports the pack.
func (v *verify) notCompared(a *item, err error) {
	if a.held != nil {
		a.held.notCompared = err.Error()
		return
	}
	v.Report.Event(report.Event{Kind: report.Notice, Path: a.Line.Path, Key: a.Line.Key, Text: "its entries are not compared, because the list of them can't be read", Err: err})
}

// member compares the next member. Its error is one of the list.
func (c *comparison) member(name string, h *tar.Header) error {
	if c.list == nil || c.apart {
		return nil
	}
	entry, err := c.list.Next()
	if errors.Is(err, io.EOF) {
		c.differ("%q is in it, and not in the list of its entries", name)
		c.list = nil
		return nil
	}
	if err != nil {
		return c.lose(err)
	}
	got := catalogue.FromTar(name, h)
	if text := entry.Differs(got); text != "" {
		c.differ("%s", text)
	}
	c.apart = entry.Path != got.Path
	return nil
}

func (c *comparison) differ(format string, a ...any) {
	if len(c.differs) == maxDifferences {
		c.more++
		return
	}
	c.differs = append(c.differs, fmt.Sprintf(format, a...))
}

// lose ends the comparison with a list that can't be read. An error is not one of the list.
func (c *comparison) lose(err error) error {
	if !ledger.IsDamage(err) {
		return fmt.Errorf("reading the list of its entries: %w", err)
	}
	c.list, c.unread = nil, err
	return nil
}

// end is called after the last member.
func (c *comparison) end() error {
	for c.list != nil { // its end says whose it is
		switch entry, err := c.list.Next(); {
		case errors.Is(err, io.EOF):
			c.list = nil
		case err != nil:
			if err := c.lose(err); err != nil {
				return err
			}
		case !c.apart:
			c.differ("%q is in the list of its entries, and not in it", entry.Path)
			c.apart = true
		}
	}
	if len(c.differs) == 0 || c.unread != nil {
		return nil
	}
	if c.more > 0 {
		c.differs = append(c.differs, fmt.Sprintf("and %d more", c.more))
	}
	return prove.Damagef(report.ProblemEntries, "it was made with this key file, but is not the archive in the catalogue: %s", strings.Join(c.differs, "; "))
}

// listsOf are the lists in a pack that the runs refer to: eight bytes each.
type listsOf struct {
	pack  string
	lists map[uint64]struct{} // hashes of places and owners
}

// String is the key of the pack.
func (l *listsOf) String() string { return l.pack }

// need adds the list of a line.
func (v *verify) need(packs map[string]*listsOf, s *catalogue.Subtree) {
	l := packs[s.List.Pack]
	if l == nil {
		l = &listsOf{pack: s.List.Pack, lists: map[uint64]struct{}{}}
		packs[l.pack] = l
	}
	l.lists[v.listHash(*s.List, s.Owner())] = struct{}{}
}

func (v *verify) listHash(at catalogue.Place, of catalogue.Owner) uint64 {
	return maphash.Comparable(v.listing.archives.Seed(), struct {
		at catalogue.Place
		of catalogue.Owner
	}{at, of})
}

// packsOf emits the packs with lists of archives that are checked. Quick only checks that they are
// listed.
func (v *verify) packsOf(ctx context.Context, emit func(*listsOf) error) error {
	var packs []*listsOf // none if find failed
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
	for _, l := range packs {
		var err error
		switch {
		case !v.listing.catalogue[l.pack]:
			v.damaged(l.pack, prove.Damagef(report.ProblemMissing, "it is gone"))
		case v.options.Level != Quick:
			err = emit(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readPack verifies a pack, reads all its lists, and looks for those that the runs refer to.
func (v *verify) readPack(ctx context.Context, l *listsOf) error {
	pack, err := v.Ledger.Pack(ctx, l.pack)
	if err != nil {
		return err
	}
	defer pack.Close()
	err = pack.Lists(func(list ledger.PackedList) (err error) {
		for err == nil {
			_, err = list.Next()
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		delete(l.lists, v.listHash(list.Place(), list.Owner()))
		return nil
	})
	if err == nil && len(l.lists) > 0 {
		err = ledger.MisplacedError(len(l.lists))
	}
	return err
}

// damaged reports, once, an object of the catalogue that can't be used.
func (v *verify) damaged(key string, err error) {
	if _, again := v.reported.LoadOrStore(key, true); again || v.runs.retired[key] {
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
