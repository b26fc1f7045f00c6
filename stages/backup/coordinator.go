package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/store"
)

// share is what comes after lookup in the run of a coordinator: workers save the subtrees, and what they
// answer is recorded as what this process did.
func (b *backup) share(ordered <-chan *subtree) {
	largest := pipeline.Largest(b.Run, ordered, ahead, atFirst, (*subtree).size) // the largest of those that wait first
	pipeline.Publish(b.stages.publish, largest, b.lead)                          // into the queue, as many as workers can hold
	answers := b.lead.gather()                                                   // out of it
	pipeline.Sink(b.stages.record, answers, b.lead.record)                       // record and report them
}

// atFirst is how long subtrees are gathered before the first is offered: the largest is rarely the first that
// is found, and whoever had others before it would be the last to end.
const atFirst = time.Second

func (s *subtree) size() int64 { return s.scan.Bytes }

// A lead is the coordinator's side of a queue.
type lead struct {
	*hosts.Coordinator
	b *backup

	mu      sync.Mutex          // guards what follows, and begun of those that were offered
	offered map[string]*subtree // by key; those that have no result
	turns   map[string]turns    // by key: who began uploads of it
	vain    map[string]bool     // ids of uploads that were noted in vain: each is aborted once
}

// turns are those of the workers that began uploads of one subtree.
type turns struct {
	now  string          // whose upload is the one that counts
	past map[string]bool // whose upload another one's took the place of: they come too late
}

// takeLead makes this process the coordinator of a run on many hosts.
func (b *backup) takeLead(ctx context.Context, h *job.Handle) (err error) {
	o := *b.options.Hosts
	l := &lead{b: b, offered: map[string]*subtree{}, turns: map[string]turns{}, vain: map[string]bool{}}
	o.Operation, o.Begun, o.Note, o.More, o.Run = Operation, report.StageArchive, l.note, l.more, b.journal.id
	if l.Coordinator, err = h.Lead(ctx, o); err == nil {
		b.lead = l
	}
	return err
}

// Operation is what a coordinator of backups tells workers that they are for.
const Operation = "backup"

// A result is what became of a subtree that was offered.
type result struct {
	s *subtree
	hosts.Result
}

func (r result) String() string { return r.s.String() }

// Offer offers a subtree to the workers; see pipeline.Offering.
func (l *lead) Offer(ctx context.Context, s *subtree) error {
	body, err := write(l.orderOf(s))
	if err != nil {
		return err
	}
	s.planned = false // the coordinator counts it from now on
	l.mu.Lock()
	l.offered[s.Key] = s
	l.mu.Unlock()
	if err = l.Coordinator.Offer(ctx, hosts.Item{ID: s.Key, Name: s.String(), Bytes: s.scan.Bytes, Body: body}); err != nil {
		l.take(s.Key)
		s.planned = true
		s.unplan()
	}
	return err
}

func (l *lead) orderOf(s *subtree) order {
	o := order{Path: []byte(s.Path), Shell: s.Shell, Waited: s.waited, Run: l.b.journal.id, Other: s.known.Replaced || s.doubted}
	if s.seen != nil {
		seen := *s.seen
		if !l.b.journal.hasPack(s, seen.List.Pack) {
			seen.List = catalogue.Place{}
		}
		o.Seen = seen.Bytes()
	}
	if s.begun != nil {
		o.Begun = l.begunOf(s)
	}
	return o
}

// begunOf is what workers are told of the upload of s that was begun.
func (l *lead) begunOf(s *subtree) *state.Upload {
	begun := *s.begun
	begun.Spooled = false // not in the spool of a worker
	if l.b.uploads.salts[begun.Salt] > 1 {
		begun.Record = state.Upload{}.Record // it fits no archive
	}
	return &begun
}

// more is the upload that a worker of this run has begun of a subtree, for another one that has it now. The
// first may live, and go on: what both send under one salt are the same parts of the same archive.
func (l *lead) more(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.offered[key]
	if s == nil || s.begun == nil || l.turns[key].now == "" {
		return nil
	}
	body, err := write(l.begunOf(s))
	if err != nil {
		return nil
	}
	return body
}

// take returns the subtree with a key that was offered, nil if it has its result.
func (l *lead) take(key string) *subtree {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.offered[key]
	delete(l.offered, key)
	delete(l.turns, key)
	return s
}

// gather returns what became of the subtrees, also after a soft stop.
func (l *lead) gather() <-chan result {
	out := make(chan result)
	l.b.Run.Go(func(ctx context.Context) error {
		defer close(out)
		return l.Results(ctx, func(ctx context.Context, r hosts.Result) error {
			s := l.take(r.ID)
			if s == nil {
				return nil
			}
			select {
			case out <- result{s, r}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	return out
}

// record records an answer as if this process had given it.
func (l *lead) record(ctx context.Context, r result) error {
	s, j := r.s, l.b.journal
	if r.Err != "" {
		l.b.stages.record.Fault(s, toldFar(r.Err))
		return nil
	}
	a, entry, err := readAnswer(r.Body)
	if err == nil {
		if first, _, failed := readAnswer(r.Before); failed == nil {
			a.storedBy(&first, &entry)
		}
		err = l.refer(&entry)
	}
	if err != nil {
		l.b.stages.record.Fault(s, fmt.Errorf("%s: %w", r.Host, err))
		return nil
	}
	l.replay(s, &a)
	l.settleUploads(ctx, s, &a)
	s.took = a.Took
	switch a.Outcome {
	case wasLeftOut:
		j.leftOut(s)
	case wasPutAside:
		return j.putAside(s)
	case wasFailed:
		l.b.stages.record.Fault(s, a.err())
	case wasSaved, wasIdentical:
		s.scan.Fingerprint, s.scan.Sound = entry.Fingerprint, entry.Fingerprint != [32]byte{}
		s.result = archive.Result{Entries: a.Entries}
		s.object = store.Object{Size: a.Stored}
		status := catalogue.Identical
		if a.Outcome == wasSaved {
			status = catalogue.Saved
			l.b.locks.Stored(s.Key)
		} else if err := l.b.locks.Renew(ctx, s.Key); err != nil {
			l.b.stages.record.Fault(s, err)
			return nil
		}
		j.settle(ctx, s, status, &entry)
	}
	return nil
}

// refer names the pack of a list in this run, unless an earlier one names it.
func (l *lead) refer(entry *state.Entry) error {
	pack := entry.List.Pack
	if entry.List == (catalogue.Place{}) || l.b.journal.packs[pack] {
		return nil
	}
	return l.b.journal.writer.Refer(pack)
}

// replay tells what a worker had to tell of a subtree.
func (l *lead) replay(s *subtree, a *answer) {
	j := l.b.journal
	for _, e := range a.Events {
		said := report.Event{Kind: e.Kind, Problem: e.Problem, Path: string(e.Path), Key: e.Key, Text: e.Text}
		if len(e.Why) > 0 {
			said.Err = toldFar(e.Why)
		}
		j.tell(s, said)
	}
	for _, f := range a.Faults {
		j.fault(s, archive.Fault{Path: string(f.Path), What: archive.Kind(f.What), Read: f.Read, Err: toldFar(f.Why)})
	}
	if more := a.More; more != (moreFaults{}) {
		j.Totals.Faults.Add(more.Entries)
		j.Totals.Changed.Add(more.Changed)
		j.Totals.LeftOut.Add(more.Skipped)
		s.allFaults += more.Entries + more.Changed + more.Skipped
		if more.Unreadable {
			j.leaveMore()
		}
		j.Report.Event(report.Event{
			Kind: report.Warning, Path: s.String(), Key: s.Key,
			Text: fmt.Sprintf("more of its entries are not in the archive as they are on disk, and are not named: %d", more.Entries+more.Changed+more.Skipped),
		})
	}
	j.count(s, a.Counts)
}

// settleUploads forgets the upload of a subtree that an answer says has ended, and aborts one that was
// in vain.
func (l *lead) settleUploads(ctx context.Context, s *subtree, a *answer) {
	l.mu.Lock()
	begun := s.begun
	l.mu.Unlock()
	if begun == nil || a.Outcome == wasPutAside || a.Upload == begun.ID && a.Outcome == wasFailed {
		return
	}
	if a.Outcome == wasSaved && a.Uploaded == begun.ID {
		_ = l.b.Spool.Drop(l.b.spoolName(s.Key)) // or else the next run does
		return                                   // settle forgets it
	}
	l.b.uploads.drop(ctx, s.Key, begun)
	s.begun = nil
}

// note keeps an upload that a worker begins, so that a later run takes it up or aborts it. Of two that
// are begun of one subtree, that of the worker who has it now counts; the other one is aborted.
func (l *lead) note(key, host string, body []byte) {
	var said remark
	if err := read(body, &said); err != nil || said.Upload.ID == "" || said.Upload.PartSize <= 0 {
		return
	}
	if !slices.ContainsFunc(l.b.tree.KeySpace(), func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
		return
	}
	said.Upload.Spooled = false
	vain := l.choose(key, fmt.Sprint(host, " ", said.Try), &said.Upload)
	if vain == nil {
		return
	}
	l.b.Run.Go(func(ctx context.Context) error {
		if err := l.b.Store.AbortUpload(ctx, key, vain.ID); err != nil && ctx.Err() == nil {
			l.b.sender.Warn(key, err)
		}
		return nil
	})
}

// choose keeps an upload that a worker has begun in its turn, and returns one that is in vain now: the one
// before it, or this one. Whoever may write to the queue may send a note again, at any time: one of an
// upload that was in vain says nothing.
func (l *lead) choose(key, turn string, u *state.Upload) (vain *state.Upload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.vain[u.ID] {
		return nil
	}
	defer func() {
		if vain != nil {
			l.vain[vain.ID] = true
		}
	}()
	s, t := l.offered[key], l.turns[key]
	if s != nil && s.begun != nil && s.begun.ID == u.ID && t.past[turn] {
		return nil // another worker has taken it up
	}
	if s == nil || t.past[turn] {
		return u
	}
	if t.now != "" && t.now != turn {
		if t.past == nil {
			t.past = map[string]bool{}
		}
		t.past[t.now] = true
	}
	t.now = turn
	l.turns[key] = t
	if s.begun != nil && s.begun.ID != u.ID {
		vain = s.begun
	}
	s.begun = u
	if err := l.b.options.State.KeepUpload(l.b.stateName, key, *u); err != nil {
		l.b.warnOnce(report.Event{Problem: report.ProblemState, Text: "an upload that is interrupted begins anew in the next run", Err: err})
	}
	return vain
}

var errDryRun = errors.New("a dry run needs no other hosts")
