package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/check"
	"firn/stages/stage/forecast"
)

// concerns reports whether a run of a backup path may list archives of the tree.
func (b *backup) concerns(backupPath string) bool {
	root := key.Clean(b.tree.Path())
	for _, path := range []string{root, backupPath} {
		if path == "/" || path == "." {
			return true
		}
	}
	return treepath.Within(root, backupPath) || treepath.Within(backupPath, root)
}

// learn writes to the state file what runs say that it does not know: those of other hosts, and
// after its loss all. A run is read once.
func (b *backup) learn(ctx context.Context) error {
	unread := map[string]bool{}
	for _, run := range ledger.Sources(b.journal.history.New) {
		err := b.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error { return b.learnLine(ctx, &run, &line) })
		switch {
		case err != nil && ctx.Err() != nil || pipeline.IsFatal(err):
			return err
		case err != nil:
			unread[run.ID] = true
			b.warnOnce(report.Event{Problem: report.ProblemLostRuns, Run: run.ID, Text: "what this run lists can't be read, so that archives that it stored may be stored again", Err: err})
		}
	}
	for _, run := range b.journal.history.New {
		if !unread[run.ID] {
			ledger.Learn(b.options.State.Memo(b.stateName), run.ID)
		}
	}
	b.journal.history.New = nil
	return nil
}

// learnLine writes what a line says of its object to the state file, if it is proven by an HMAC.
// What the state file knows gives way only to what the store lists now.
func (b *backup) learnLine(ctx context.Context, run *catalogue.Run, line *catalogue.Subtree) error {
	r := line.Record()
	if r.HMAC == "" || !b.asker.Ours(r) {
		return nil
	}
	listed, err := b.asker.Listing.Shows(ctx, line.Key, &r)
	if err != nil {
		return err
	}
	seen, ok := b.options.State.Get(b.stateName, line.Key)
	switch {
	case ok && line.Adopted && !seen.Adopted, ok && !listed && !seen.Same(r):
		return nil
	case ok && seen.Same(r):
		if !seen.Adopted || line.Adopted {
			return nil
		}
		seen.Record, seen.Adopted, seen.List = r, false, catalogue.Place{} // its metadata may have been others
	default:
		seen = state.Entry{Record: r, Adopted: line.Adopted, Partial: line.Partial, Better: line.Better}
	}
	if line.Status != catalogue.Failed { // else its object is what an earlier run cut
		seen.Holds = holds(*run, line.Path, line.Shell)
	}
	if line.List != nil {
		seen.List = *line.List
	}
	b.put(line.Key, seen)
	return nil
}

// ask sets what is known of the objects of subtrees, once the listing is read and what other runs
// say is learned. An error is one of all.
func (b *backup) ask(ctx context.Context, batch ...*subtree) error {
	select {
	case <-b.learned:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	questions := make([]check.Question, len(batch))
	for i, s := range batch {
		if seen, ok := b.options.State.Get(b.stateName, s.Key); ok {
			s.seen = &seen
		}
		questions[i] = check.Question{Key: s.Key, Seen: s.seen}
	}
	known, err := b.asker.Ask(ctx, questions)
	if err != nil {
		return err
	}
	for i, s := range batch {
		s.known, s.asked = known[i], known[i].Err == nil
	}
	return nil
}

// identical reports whether the store has the content of the archive that was made.
func (b *backup) identical(ctx context.Context, s *subtree) (bool, error) {
	if !check.Identical(s.known, s.record) {
		return false, nil
	}
	if s.known.Recorded || s.known.Record.Format > 0 {
		return true, nil
	}
	stored, err := b.proven.has(ctx, b.Job, s.Key)
	if stored && err == nil {
		b.warnOfOther(s, "its metadata have only an MD5, and an earlier run stored it with an HMAC, which they lost, or somebody replaced it")
	}
	if !stored && err == nil {
		b.book.tell(s, report.Event{
			Kind: report.Warning, Problem: report.ProblemMD5Alone, Path: s.String(), Key: s.Key,
			Text: "its metadata have only an MD5, as those of the old script: it is taken over, though nothing proves who made it; the same holds for others like it",
		})
	}
	return !stored, err
}

// proven are the keys that runs list with an HMAC. They are read when they are needed.
type proven struct {
	mu     sync.Mutex
	cuts   *job.Cuts
	closed bool // some runs can't be read
}

// has reports whether a run may have stored an archive with an HMAC.
func (p *proven) has(ctx context.Context, j *job.Job, key string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts == nil {
		runs, faults, _, err := job.Runs(ctx, j.Ledger, report.Discard{})
		if err != nil {
			return false, err
		}
		slices.Reverse(runs)
		p.cuts, p.closed = job.NewProven(j.Ledger, runs), len(faults) > 0
	}
	has, err := p.cuts.Has(ctx, key)
	return has || p.closed || p.cuts.Closed(), err
}

// entryOf is what is known of the object of a subtree: it was stored by this run, or by another one.
// It is zero if nothing is that can be believed.
func (b *backup) entryOf(s *subtree) state.Entry {
	known := &s.known
	switch {
	case s.object.Key != "":
		return state.Entry{Record: s.object.Describe(s.record), Partial: s.partial, Better: s.better}
	case known.Replaced && s.seen != nil:
		return *s.seen
	case known.Recorded:
		entry := *s.seen
		entry.Record = known.Record
		return entry
	case known.Record.Format == 0 && known.Record.MD5 != "", known.Ours && known.Record.HMAC != "":
		entry := state.Entry{Record: known.Record, Adopted: true}
		if known.OfTable() {
			entry.Table = state.TagOf(b.options.Table.URL())
		}
		return entry
	}
	return state.Entry{}
}

// unchanged ends the work on a subtree that need not be read.
func (b *backup) unchanged(ctx context.Context, s *subtree) error {
	b.uploads.abort(ctx, s)
	entry := b.entryOf(s)
	if err := errors.Join(b.putRow(ctx, s.Key, &entry, s.known.Object != nil), b.locks.Renew(ctx, s.Key)); err != nil {
		return err
	}
	b.journal.unchanged(ctx, s, &entry)
	entry.Holds = s.holds()
	if entry != *s.seen {
		b.remember(s, entry)
	}
	s.foresee(forecast.Unchanged)
	s.report(report.Unchanged)
	return nil
}

// putRow writes the record of an object to the table, if there is one that does not have it, or
// again.
func (b *backup) putRow(ctx context.Context, key string, entry *state.Entry, again bool) error {
	if b.options.Table == nil || b.options.DryRun {
		return nil
	}
	tag := state.TagOf(b.options.Table.URL())
	if entry.Table == tag && !again {
		return nil
	}
	r := entry.Record
	if r.Saved.IsZero() {
		r.Saved = b.now()
	}
	if err := b.options.Table.Put(ctx, key, r); err != nil {
		return fmt.Errorf("the archive is stored, but its record is not: %w", err)
	}
	entry.Table = tag
	return nil
}

// remember writes what is known of the object of a subtree to the state file, with the fingerprint
// by which the next run need not read the subtree.
func (b *backup) remember(s *subtree, entry state.Entry) {
	if b.options.DryRun {
		return
	}
	entry = s.current(entry)
	if s.begun == nil {
		b.put(s.Key, entry)
		return
	}
	b.putBy(b.options.State.PutUploaded, s.Key, entry)
	s.begun = nil
}

// current is an entry of what is stored of s now.
func (s *subtree) current(entry state.Entry) state.Entry {
	entry.Fingerprint, entry.Holds = s.scan.Fingerprint, s.holds()
	if !s.scan.Sound || s.result.Faults > 0 || s.result.Changed > 0 {
		entry.Fingerprint = [32]byte{}
	}
	return entry
}

func (b *backup) put(key string, entry state.Entry) { b.putBy(b.options.State.Put, key, entry) }

func (b *backup) putBy(put func(store, key string, e state.Entry) error, key string, entry state.Entry) {
	if err := put(b.stateName, key, entry); err != nil {
		b.warnOnce(report.Event{Problem: report.ProblemState, Text: "the next run will read unchanged files again", Err: err})
	}
}
