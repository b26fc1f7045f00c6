package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
	"firn/stages/service/state"
)

// shells hold back the shells that would take the place of archives that hold more: those of a run
// that cut the tree less deep. In a store that keeps no versions, such an archive may be the only one
// of what lies below the directory. So its shell waits until all else is saved. Then the catalogue is
// stored with a run to which the shells alone are missing, so that whatever happens from then on, all
// but the shells is found by that run. A shell that waits holds nothing but its own fields.
type shells struct {
	*backup

	mu      sync.Mutex
	running map[*subtree]bool // passed on, and not at their ends
	changed chan struct{}     // closed and replaced when running becomes empty
	lacking map[string]bool   // the directories above what is not saved
	many    bool              // there are more of them
	aside   []*subtree        // see putAside
	closed  bool              // ready takes no more of them
}

func newShells(b *backup) *shells {
	return &shells{backup: b, running: map[*subtree]bool{}, changed: make(chan struct{}), lacking: map[string]bool{}}
}

// maxLacking bounds the directories that are kept.
const maxLacking = 100_000

// holds returns how much of a directory an archive of a run holds.
func holds(run catalogue.Run, path string, shell bool) state.Holds {
	switch {
	case !shell:
		return state.HoldsAll
	case ledger.ShellHasFiles(run, path):
		return state.HoldsFiles
	}
	return state.HoldsAlone
}

// holds returns how much of a directory the archive of s holds.
func (s *subtree) holds() state.Holds {
	run := catalogue.Run{Path: key.Clean(s.backup.tree.Path()), Depth: s.backup.walking.Depth}
	return holds(run, s.savedPath(), s.Shell)
}

// stored returns how much of its directory the archive holds that has the key of s.
func (s *subtree) stored() state.Holds {
	switch {
	case !s.known.Stored:
		return state.HoldsAlone // nothing: no archive holds less
	case s.seen != nil && s.known.Recorded:
		return s.seen.Holds
	}
	return state.HoldsUnknown
}

// loses reports whether the store keeps no versions: then what s takes the place of is gone.
func (b *backup) loses(ctx context.Context) bool {
	keeps, err := b.Store.KeepsVersions(ctx)
	if pipeline.IsFatal(err) {
		b.Run.Fail(err)
	}
	return !keeps
}

// comesLast reports whether s is to take the place of an archive that holds more, or of which is not known
// what it holds, and did not wait for all others. Its own archive had to be made to tell that it is another
// one; and a worker may know more of what is stored than its coordinator, who lets shells wait.
func (b *backup) comesLast(ctx context.Context, s *subtree) bool {
	return s.Shell && !s.waited && s.stored() < s.holds() && b.loses(ctx)
}

// putAside makes s, whose archive is made again then, wait for all others. After a soft stop that is the next
// run: pipeline.ErrStopped.
func (w *shells) putAside(s *subtree) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return pipeline.ErrStopped
	}
	s.plan(true)
	w.aside = append(w.aside, &subtree{planned: true, Subtree: s.Subtree, backup: s.backup, scan: s.scan, seen: s.seen, begun: s.begun, doubted: s.doubted, known: s.known, asked: s.asked, waited: true})
	w.mu.Unlock()
	w.ended(s, true)
	return nil
}

// waits reports whether s is to wait for all others.
func (w *shells) waits(ctx context.Context, s *subtree) bool {
	if stored := s.stored(); s.Shell && stored != state.HoldsUnknown && stored < s.holds() && w.loses(ctx) {
		s.waited = true
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[s] = true
	return false
}

// ended notes the end of a subtree, once the catalogue has its line: whole says that all of it is
// saved.
func (w *shells) ended(s *subtree, whole bool) {
	if !whole {
		w.missed(s.savedPath())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running[s] {
		return
	}
	delete(w.running, s)
	if len(w.running) == 0 {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// missed notes that something at a path was not saved.
func (w *shells) missed(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.many = w.many || len(w.lacking) >= maxLacking; w.many {
		return
	}
	w.lacking[path] = true
	for up := range treepath.Above(path) {
		w.lacking[up] = true
	}
}

// errBelow: a shell must not take the place of an archive.
var errBelow = errors.New("not all that lies in the directory was saved by this run, and the archive that an earlier run stored may hold it: that archive stays in its place")

// errLast: the shell was not stored yet when the run was stored that lacks it.
var errLast = errors.New("the archive that an earlier run stored holds more: it stays in its place until everything else is saved and this run is in the catalogue")

// ready waits until all other subtrees are at their ends, and returns the shells that may be stored. A soft
// stop leaves them to the next run, if there are any.
func (w *shells) ready(ctx context.Context, held []*subtree) ([]*subtree, error) {
	err := w.idle(ctx)
	w.mu.Lock()
	held, w.closed = append(held, w.aside...), true
	w.mu.Unlock()
	if err != nil && (len(held) > 0 || !errors.Is(err, pipeline.ErrStopped)) {
		return nil, err
	}
	var free []*subtree
	for _, s := range held {
		if w.many || w.lacking[s.savedPath()] {
			w.stages.lookup.Fault(s, errBelow)
			continue
		}
		free = append(free, s)
	}
	if len(free) == 0 {
		return nil, nil
	}
	if err := w.journal.storeWithout(ctx, free); err != nil {
		if pipeline.IsFatal(err) || ctx.Err() != nil {
			return nil, err
		}
		for _, s := range free {
			w.stages.lookup.Fault(s, fmt.Errorf("storing the catalogue before it takes the place of an archive that holds more: %w", err))
		}
		return nil, nil
	}
	return free, nil
}

// idle waits until no subtree is on its way.
func (w *shells) idle(ctx context.Context) error {
	for {
		w.mu.Lock()
		running, changed := len(w.running), w.changed
		w.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-w.Run.Stopping():
			return pipeline.ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// storeWithout stores the catalogue as that of a run that saved all but some shells, and begins that
// of a run after it, with the same lines but for theirs. No other subtree is on its way.
func (j *journal) storeWithout(ctx context.Context, waiting []*subtree) error {
	left, waits := map[catalogue.Left]bool{}, map[string]bool{}
	for l := range j.left {
		left[l] = true
	}
	lines, bytes, more := j.lines.Load(), j.leftBytes, j.leftMore
	for _, s := range waiting {
		waits[s.Key] = true
		j.lacks(s, errLast)
	}
	run := j.runLine()
	run.Complete, run.Failed = true, run.Failed+int64(len(waiting))
	if err := j.writer.Finish(ctx, run); err != nil {
		return err
	}
	run = j.writer.Run()
	memo, step := j.options.State.Memo(j.stateName), j.writer.Step()
	step.Learned = true
	j.history.Follow(memo, step)
	for _, pack := range run.Packs {
		j.packs[pack] = true
	}
	j.left, j.leftBytes, j.leftMore = left, bytes, more
	j.lines.Store(lines)
	j.id = ledger.NewID(j.now())
	j.writer = j.Ledger.Begin(j.id, j.volume)
	j.link()
	return j.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
		if waits[line.Key] {
			return nil
		}
		return j.writer.Add(ctx, line)
	})
}
