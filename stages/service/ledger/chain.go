package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
)

// BreakKind is what is wrong with a chain of runs.
type BreakKind int

// The kinds of breaks.
const (
	Gone      BreakKind = iota // a run is not in the catalogue
	Exchanged                  // a run is not the one that was there before
	Forked                     // several runs come after the same one
)

// A Break is a place where the chain of the runs of a backup path does not hold. Runs that can't be
// read break no chain: they are faults of their own.
type Break struct {
	Kind BreakKind
	Path string // the backup path as in keys, escaped
	Run  string // that is gone or was exchanged; of a fork, the run that the others come after, "" if there is none
	// By are the runs that show it: the one that comes after Run, none if only this host knows of Run;
	// of a fork, all that come after it, the oldest first.
	By    []string
	Older int64 // of Gone: how many runs before Run are gone too
	Noted bool  // a later run knows of it: its backup told it
	// Moved is of Gone: all runs before By are gone, and when an earlier run was made it was so already
	// of some of them.
	Moved bool
}

// Error says what is wrong.
func (b Break) Error() string {
	path := b.Path
	switch {
	case b.Kind == Forked && b.Run == "":
		return fmt.Sprintf("runs %s of %s each begin a chain", strings.Join(b.By, " and "), path)
	case b.Kind == Forked:
		return fmt.Sprintf("runs %s of %s each come directly after run %s", strings.Join(b.By, " and "), path, b.Run)
	case b.Kind == Exchanged && len(b.By) == 0:
		return fmt.Sprintf("run %s of %s is not what this host read there before", b.Run, path)
	case b.Kind == Exchanged:
		return fmt.Sprintf("run %s of %s is not the one that run %s came after", b.Run, path, b.By[0])
	case len(b.By) == 0:
		return fmt.Sprintf("run %s, the last of %s that this host knows, is gone", b.Run, path)
	case b.Older > 0:
		return fmt.Sprintf("run %s of %s, which run %s came after, is gone, and so are runs before it: %d", b.Run, path, b.By[0], b.Older)
	}
	return fmt.Sprintf("run %s of %s, which run %s came after, is gone", b.Run, path, b.By[0])
}

// Meaning says what may have happened, and what it means for who restores.
func (b Break) Meaning() string {
	switch {
	case b.Moved:
		return "runs of this path were gone before; the newest state does not need them"
	case b.Kind == Forked:
		return "two hosts saved this path below this prefix at the same time, or somebody put back an older state of the catalogue in between; what is taken for the newest state may lack what the other run saved"
	case b.Kind == Exchanged:
		return "somebody replaced it; what it saved can't be chosen by that run any more"
	case len(b.By) == 0:
		return "it was deleted, or an older state of the catalogue was put back; what was restored since then, without this run, may be an older state"
	}
	return "it was deleted, or has expired; if nobody meant to, newer runs may be gone too, and what is taken for the newest state may be an older one"
}

// Breaks returns what is wrong with the chains of the runs that were read. faults are the runs that
// could not be.
func Breaks(all []catalogue.Run, faults []Fault) []Break {
	return newChains(stepsOf(all, faults)).breaks()
}

// stepsOf returns the steps of runs, and the ids of those that can't be read or are retired, and of
// those that are said to be of another key file.
func stepsOf(all []catalogue.Run, faults []Fault) (steps []Step, unread, others map[string]bool) {
	steps, unread, others = make([]Step, len(all)), map[string]bool{}, map[string]bool{}
	for i, run := range all {
		steps[i] = StepOf(run)
	}
	for _, f := range faults {
		if errors.Is(f.Err, encryption.ErrOtherKey) {
			others[RunOf(f.Key)] = true
		} else {
			unread[RunOf(f.Key)] = true
		}
	}
	for key := range Retired(all) {
		if IsRun(key) {
			unread[RunOf(key)] = true
		}
	}
	return steps, unread, others
}

// chains are the chains of all backup paths.
type chains struct {
	steps  []Step // in the order in which they were made
	byID   map[string]*Step
	unread map[string]bool
	others map[string]bool    // ids of runs of other key files: a run comes after none of them
	gone   map[string]bool    // ids that a run has in Gone
	beside map[string]bool    // and in Beside
	places map[string][]int64 // of the runs of a backup path, sorted
	moved  map[string]bool    // backup paths of which a run found that the oldest were gone
}

func newChains(steps []Step, unread, others map[string]bool) *chains {
	c := &chains{
		steps: slices.SortedFunc(slices.Values(steps), Step.compare), byID: map[string]*Step{}, unread: unread, others: others,
		gone: map[string]bool{}, beside: map[string]bool{}, places: map[string][]int64{}, moved: map[string]bool{},
	}
	for i := range c.steps {
		s := &c.steps[i]
		c.byID[s.ID] = s
		c.places[s.Path] = append(c.places[s.Path], s.place())
		if s.Chain == nil {
			continue
		}
		c.moved[s.Path] = c.moved[s.Path] || s.Chain.From > 0
		for _, id := range s.Chain.Gone {
			c.gone[id] = true
		}
		for _, id := range s.Chain.Beside {
			c.beside[id] = true
		}
	}
	for _, places := range c.places {
		slices.Sort(places)
	}
	return c
}

// place is that in the chain, 0 for a run of a version without chains.
func (s *Step) place() int64 {
	if s.Chain == nil {
		return 0
	}
	return s.Chain.Place
}

// breaks returns what is wrong with the chains.
func (c *chains) breaks() (found []Break) {
	type point struct {
		path, before string
		keyfile      int // each begins a chain of its own
	}
	var points []point
	after := map[point][]string{}
	for i := range c.steps {
		s := &c.steps[i]
		if b, broken := c.before(s); broken {
			found = append(found, b)
		}
		if s.Chain == nil {
			continue
		}
		at := point{s.Path, s.Chain.Before, s.keyfile}
		if after[at] == nil {
			points = append(points, at)
		}
		after[at] = append(after[at], s.ID)
	}
	for _, at := range points {
		by := after[at]
		untold := slices.DeleteFunc(slices.Clone(by), func(id string) bool { return c.beside[id] })
		if len(by) > 1 {
			found = append(found, Break{Kind: Forked, Path: at.path, Run: at.before, By: by, Noted: len(untold) < 2})
		}
	}
	return found
}

// before looks for the run before s.
func (c *chains) before(s *Step) (b Break, broken bool) {
	if s.Chain == nil {
		return b, false
	}
	id := s.Chain.Before
	b = Break{Path: s.Path, Run: id, By: []string{s.ID}, Noted: c.gone[id]}
	switch was := c.byID[id]; {
	case id == "":
		return b, false
	case was != nil:
		b.Kind = Exchanged
		return b, was.HMAC != s.Chain.HMAC
	case c.unread[id]:
		return b, false
	case c.others[id]: // its metadata say so, which anybody can write
		b.Kind = Exchanged
		return b, true
	}
	older, left := c.older(s), int64(0)
	if older > 0 {
		left = c.places[s.Path][older-1]
	}
	b.Older = max(s.Chain.Place-left-2, 0)
	b.Moved = older == 0 && c.moved[s.Path]
	return b, true
}

// older is how many runs of the path of s have a lower place.
func (c *chains) older(s *Step) int {
	older, _ := slices.BinarySearch(c.places[s.Path], s.place())
	return older
}

// known returns the runs of which a run knows: those before it in its chain, and those that they
// found gone or beside it.
func (c *chains) known(id string) map[string]bool {
	runs := map[string]bool{}
	for open := []string{id}; len(open) > 0; {
		id, open = open[len(open)-1], open[:len(open)-1]
		if id == "" || runs[id] {
			continue
		}
		runs[id] = true
		if s := c.byID[id]; s != nil {
			open = append(open, s.names()...)
		}
	}
	return runs
}

// names are the ids of the runs that a run names.
func (s *Step) names() []string {
	if s.Chain == nil {
		return nil
	}
	return slices.Concat([]string{s.Chain.Before}, s.Chain.Gone, s.Chain.Beside)
}

// link is the place of a new run after the newest of its backup path and key file, which may be last
// although it is gone. untold are the breaks that the new run is to note.
func (c *chains) link(path string, last Step, untold []Break) (chain *catalogue.Chain, newest Step) {
	chain, newest = &catalogue.Chain{Place: last.place() + 1}, last
	var oldest *Step
	for i := range c.steps {
		s := &c.steps[i]
		if s.Path != path || s.keyfile != 0 { // the first writes
			continue
		}
		chain.Place = max(chain.Place, s.place()+1)
		if newest.ID == "" || s.compare(newest) > 0 {
			newest = *s
		}
		if oldest == nil || s.place() < oldest.place() {
			oldest = s
		}
	}
	chain.Before, chain.HMAC = newest.ID, newest.HMAC
	if oldest != nil {
		if b, broken := c.before(oldest); broken && b.Kind == Gone {
			chain.From = oldest.place()
		}
	}
	knows := c.known(newest.ID)
	for _, b := range untold {
		if b.Kind != Forked {
			chain.Gone = append(chain.Gone, b.Run)
			continue
		}
		goesOn := max(slices.IndexFunc(b.By, func(id string) bool { return knows[id] }), 0)
		chain.Beside = append(chain.Beside, slices.Delete(slices.Clone(b.By), goesOn, goesOn+1)...)
	}
	return chain, newest
}

// Link returns the place of a run that is made of no tree, such as a rebuilt one: it notes the breaks
// of all paths.
func Link(all []catalogue.Run, faults []Fault, path string) *catalogue.Chain {
	c := newChains(stepsOf(all, faults))
	untold := slices.DeleteFunc(c.breaks(), func(b Break) bool { return b.Noted })
	chain, _ := c.link(catalogue.Escape(path), Step{}, untold)
	return chain
}

// lastOf is the name in the memo of the last run of a backup path that this host knows.
func (h *History) lastOf(path string) string { return "last of " + h.dir + " " + path }

// IsNews reports whether there are runs of a backup path, and the memo does not know of any.
func (h *History) IsNews(memo Memo, path string) bool {
	path = catalogue.Escape(path)
	return stepIn(memo, h.lastOf(path)).ID == "" && slices.ContainsFunc(h.steps, func(s Step) bool { return s.Path == path })
}

// Link returns the place of the next run of a backup path in its chain, and what is wrong with that
// chain and was not told before. anew says that the store may have lost all runs: then the chain
// begins anew. Keep tells the memo of the run once it is stored.
func (h *History) Link(memo Memo, path string, anew bool) (chain *catalogue.Chain, untold []Break) {
	path = catalogue.Escape(path)
	c := newChains(h.steps, h.unread, h.others)
	last := stepIn(memo, h.lastOf(path))
	if anew && len(h.steps)+len(h.unread)+len(h.others) == 0 {
		last = Step{}
	}
	untold = slices.DeleteFunc(c.breaks(), func(b Break) bool { return b.Path != path || b.Noted })
	tell := func(kind BreakKind, id string) {
		if !slices.ContainsFunc(untold, func(b Break) bool { return b.Kind != Forked && b.Run == id }) {
			untold = append(untold, Break{Kind: kind, Path: path, Run: id})
		}
	}
	for _, s := range h.replaced {
		if s.Path == path && !c.gone[s.ID] {
			tell(Exchanged, s.ID)
		}
	}
	switch there := c.byID[last.ID]; {
	case last.ID == "":
	case there == nil && h.others[last.ID]:
		tell(Exchanged, last.ID)
	case there == nil && !h.unread[last.ID]:
		tell(Gone, last.ID)
	case there != nil && there.HMAC != last.HMAC:
		tell(Exchanged, last.ID)
	}
	h.Next = max(h.Next, last.Number+1)
	chain, newest := c.link(path, last, untold)
	if len(untold) == 0 && newest.ID != "" {
		newest.keepAs(memo, h.lastOf(path))
	}
	return chain, untold
}

// Keep tells the memo of the run that came after this history, once it is stored.
func (h *History) Keep(memo Memo, s Step) {
	s.Keep(memo)
	s.keepAs(memo, h.lastOf(s.Path))
}

// Follow is Keep for a run after which another one of the same history comes.
func (h *History) Follow(memo Memo, s Step) {
	h.Keep(memo, s)
	h.add(s)
	h.Next = s.Number + 1
}

// An ExpectError says that the catalogue does not show that its newest run comes after a certain one.
type ExpectError struct {
	Expected string // the id, or the beginning of one, as it was given
	Newest   string // run of its backup path, or of all; "" if there is none that can be read
	Path     string // of Newest, as in keys, escaped
	Known    bool   // the expected run is in the catalogue
}

func (e *ExpectError) Error() string {
	switch {
	case e.Newest == "":
		return fmt.Sprintf("run %s is expected, and no run can be read: the catalogue was deleted, or is another one", e.Expected)
	case e.Known:
		return fmt.Sprintf("the newest run of %s is %s, and its chain does not lead to run %s, which is expected: another host saved the path beside it, or an older state of the catalogue was put back in between", e.Path, e.Newest, e.Expected)
	}
	return fmt.Sprintf("run %s is expected, and the catalogue does not have it; its newest run is %s, of %s: the run was deleted, or an older state of the catalogue was put back", e.Expected, e.Newest, e.Path)
}

// Expect returns an ExpectError unless the newest run of its backup path is the run with that id, or
// comes after it. The beginning of an id is enough if it fits one alone; else the error is ErrNoRun.
// all is in the order of Ledger.Runs.
func Expect(all []catalogue.Run, faults []Fault, id string) error {
	c := newChains(stepsOf(all, faults))
	newest := map[string]string{} // path → id
	named := maps.Clone(c.unread)
	maps.Copy(named, c.others)
	for _, s := range c.steps {
		newest[s.Path], named[s.ID] = s.ID, true
		for _, other := range s.names() {
			named[other] = true
		}
	}
	if !named[id] {
		maps.DeleteFunc(named, func(run string, _ bool) bool { return !strings.HasPrefix(run, id) })
		fit := slices.Sorted(maps.Keys(named))
		switch {
		case len(fit) > 1:
			return ambiguous(id, fit[0], fit[1])
		case len(fit) == 1:
			id = fit[0]
		}
	}
	e := &ExpectError{Expected: id}
	if len(c.steps) > 0 {
		last := c.steps[len(c.steps)-1]
		e.Newest, e.Path = last.ID, last.Path
	}
	if s := c.byID[id]; s != nil {
		e.Known, e.Newest, e.Path = true, newest[s.Path], s.Path
		newest = map[string]string{s.Path: newest[s.Path]}
	}
	for _, run := range newest {
		if c.known(run)[id] {
			return nil
		}
	}
	return e
}

func ambiguous(id, one, other string) error {
	return fmt.Errorf("%w: %q could be %s or %s; give more of the id", ErrNoRun, id, one, other)
}
