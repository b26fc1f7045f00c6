package backup

import (
	"context"
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/check"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// help is the backup of a worker: it saves the subtrees that a coordinator tells it to, and answers.
func (b *backup) help() {
	taken := pipeline.Taken(b.stages.take, b.member, b.take)  // what the coordinator offers
	scanned := pipeline.Map(b.stages.walk, taken, b.rescan)   // fingerprint each as this host sees it
	asked := pipeline.Map(b.stages.lookup, scanned, b.askNow) // what the store has now
	b.save(asked)
}

// Work works for the coordinator of a backup, until its run is over. The options are those of the
// coordinator, but for the means, the state and the workers, which are this host's own; the keys are
// those of the run. What is told is of this host alone: the coordinator tells all. The error of the
// summary is hosts.Member.Outcome, or hosts.ErrOtherRun if another run has begun.
func Work(ctx context.Context, m *hosts.Member, o Options) (_ *job.Handle, err error) {
	o.Keys, o.Hosts, o.DryRun, o.Foresee = m.Keys(), nil, false, nil
	b, volume, err := open(o)
	if err != nil {
		return nil, err
	}
	defer b.undo(&err)
	b.member, b.sender, b.Works = m, b.newSender(), report.NewWorks(report.StageArchive, report.StageUpload)
	if b.uploads, err = b.openUploads(ctx); err != nil {
		return nil, err
	}
	b.uploads.tidy(ctx)
	b.begin(ctx)
	b.answers = newAnswers(b, volume)
	b.book = b.answers
	h := b.Handle(nil, b.leave)
	m.Spare(newSpare(b).room)
	b.over = h.Follow(m)
	b.help()
	return h, nil
}

// leave answers for what waits, and says goodbye.
func (b *backup) leave(end error, _ *report.Summary) error {
	b.over()
	b.closed()
	if context.Cause(b.member.Context()) == hosts.ErrOver { // and not before its end
		// A coordinator that was killed does not know of an upload that was begun a moment before.
		b.uploads.end(b.answers.ctx)
	}
	b.answers.close(end)
	b.member.LeaveFor(end)
	return errors.Join(b.member.Outcome(end), b.tree.Close())
}

// take reads what the coordinator says of a subtree. It refuses what this run does not cut: the path may
// lead anywhere, and the key that is computed from it is another one than the coordinator's.
func (b *backup) take(lease pipeline.Lease) (*subtree, error) {
	w := lease.(*hosts.Work)
	s, err := b.ordered(w)
	if err != nil {
		return nil, errors.Join(err, w.Fail(b.answers.ctx, err))
	}
	s.plan(true)
	b.answers.take(s)
	return s, nil
}

func (b *backup) ordered(w *hosts.Work) (*subtree, error) {
	h := &hand{work: w}
	if err := read(w.Body(), &h.order); err != nil {
		return nil, fmt.Errorf("reading what is to be saved: %w", err)
	}
	cut, err := b.tree.Subtree(string(h.order.Path), h.order.Shell)
	if err != nil {
		return nil, err
	}
	if cut.Key != w.ID() {
		return nil, fmt.Errorf("%w: %q, whose key is %q here and %q there", walk.ErrNoSubtree, cut.Path, cut.Key, w.ID())
	}
	s := &subtree{Subtree: cut, backup: b, hand: h, waited: h.order.Waited}
	if len(h.order.Seen) > 0 {
		seen, ok := state.Parse(h.order.Seen)
		if !ok {
			return nil, errors.New("reading what is to be saved: it says of the object what can't be read")
		}
		s.seen, h.pack = &seen, seen.List.Pack
	}
	if u := h.order.Begun; u != nil {
		if u.ID == "" || u.PartSize <= 0 {
			return nil, errors.New("reading what is to be saved: it names an upload that can't be one")
		}
		begun := *u
		s.begun = &begun
	}
	return s, nil
}

// rescan scans a subtree as this host sees it: what is recorded with its archive is what the host saw
// that read it.
func (b *backup) rescan(ctx context.Context, s *subtree, emit func(*subtree) error) (err error) {
	before := s.scan.Bytes
	if s.scan, err = b.tree.Scan(ctx, s.Subtree); err != nil {
		return s.giveUp(err)
	}
	if s.planned { // of no size, until now
		b.Works.Leave(before)
		s.plan(true)
	}
	b.Totals.Subtrees.Add(1)
	b.Totals.Scanned.Add(1)
	b.Totals.Entries.Add(s.scan.Entries)
	b.Totals.Files.Add(s.scan.Files)
	b.Totals.Bytes.Add(s.scan.Bytes)
	return emit(s)
}

// askNow asks the store what it has now: the archive takes the place of that alone.
func (b *backup) askNow(ctx context.Context, s *subtree, emit func(*subtree) error) error {
	known, err := b.asker.AskNow(ctx, check.Question{Key: s.Key, Seen: s.seen})
	if err == nil && known.Err == nil && known.Object != nil && !known.Recorded {
		// This host may have stored it itself, and not come to answer.
		own, ok := b.options.State.Get(b.stateName, s.Key)
		if ok && own.Same(known.Object.Describe(own.Record)) {
			s.seen = &own
			known, err = b.asker.AskNow(ctx, check.Question{Key: s.Key, Seen: s.seen})
		}
	}
	if err == nil {
		err = known.Err
	}
	if err != nil {
		return s.giveUp(err)
	}
	s.known, s.asked = known, true
	b.uploads.claimFor(ctx, s)
	return emit(s)
}

// elseStored is why an archive is not stored though it was made.
const elseStored = "another run stored it while this one made it, and what that one stored stays"

// refused looks again at a subtree whose archive was not stored, because somebody else had stored
// something meanwhile. If that is the same archive, nothing is left to do.
func (b *backup) refused(ctx context.Context, s *subtree) error {
	same, err := b.hasNow(ctx, s)
	switch {
	case err != nil:
		return s.giveUp(err)
	case same:
		return b.found(ctx, s)
	}
	return s.giveUp(fmt.Errorf("%s: %w", elseStored, s.refused))
}

// hasNow reports whether the store has the archive that was made, by what it says now.
func (b *backup) hasNow(ctx context.Context, s *subtree) (bool, error) {
	known, err := b.asker.AskStore(ctx, s.Key)
	if err != nil || !known.Ours || known.Record.HMAC != s.record.HMAC || !check.Identical(known, s.record) {
		return false, err
	}
	s.known = known
	return true, nil
}

// mayHave reports whether another worker of this run may have stored the archive, and not come to answer:
// the store has another object than it had when the coordinator looked.
func (s *subtree) mayHave() bool {
	return s.hand != nil && !s.hand.order.Other && (s.known.Replaced || s.doubted)
}

// wanted reports whether an archive is to be stored: one that a worker makes of an item that was done, and
// that somebody gave it again, would take the place of what the run records. It ends a subtree that is not.
func (b *backup) wanted(ctx context.Context, s *subtree) (bool, error) {
	if s.hand == nil {
		return true, nil
	}
	wanted, more, err := s.hand.work.Wanted(ctx)
	switch {
	case err != nil:
		return false, s.giveUp(err)
	case !wanted:
		s.Drop(nil)
		b.answers.handOn(s, func(ctx context.Context, w *hosts.Work) error { return w.Dismiss(ctx) })
	case len(more) > 0 && s.retakes == 0:
		var begun state.Upload
		if read(more, &begun) == nil && begun.ID != "" && begun.PartSize > 0 && (s.begun == nil || s.begun.ID != begun.ID) {
			s.begun = &begun // by another worker of this run: takeUp goes on with it
		}
	}
	return wanted, nil
}

// claimFor takes what this host knows of the upload of a subtree, beside what the coordinator knows.
func (u *uploads) claimFor(ctx context.Context, s *subtree) {
	u.mu.Lock()
	delete(u.begun, s.Key)
	u.mu.Unlock()
	own, ok := u.options.State.Upload(u.stateName, s.Key)
	switch {
	case ok && (s.begun == nil || s.begun.ID == own.ID):
		s.begun = &own // it may be in the spool here
	case ok:
		u.drop(ctx, s.Key, &own)
	}
	u.doubt(s)
}

// tidy forgets uploads of earlier runs that others ended, and removes what the spool has of them.
func (u *uploads) tidy(ctx context.Context) {
	for k, begun := range u.begun {
		there := false
		err := u.Store.Uploads(ctx, k, func(p store.PendingUpload) error {
			there = there || p.ID == begun.ID
			return nil
		})
		if err == nil && !there && u.Spool.Drop(u.spoolName(k)) == nil {
			u.forget(k)
		}
	}
}
