package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
)

// answers are the book of a worker: what becomes of a subtree is an answer to the coordinator of the run.
// One that names a place in a pack waits until the pack is stored: when it is full, some time after its
// first list, or soon if the worker has nothing else to do.
type answers struct {
	*backup
	by     string // names this worker in the names of its packs
	volume int64  // how large a pack may get, in bytes

	ctx     context.Context // of what is sent: it outlives the run
	cut     context.CancelFunc
	sending sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the fields of hands
	held    map[*subtree]bool
	busy    int                      // of them those that are not at their ends
	waiting map[string][]*subtree    // by the pack that they wait for
	sealed  map[string]error         // packs that are stored, or were not
	writing map[string]*ledger.Packs // by the run that they are of
	since   time.Time                // the first of waiting waits
	timer   *time.Timer              // until the packs are sealed; nil: none waits
	closed  bool                     // there is no timer any more
}

var _ book = (*answers)(nil)

// A hand is a subtree that a worker has in hand.
type hand struct {
	work   *hosts.Work
	order  order
	pack   string // of the list in order.Seen
	answer answer
	bytes  int  // of faults and events
	ended  bool // it is answered, or waits to be, or is handed on
	waits  bool // ended, and not sent
	read   bool // its reading was begun
}

const (
	sealAfter = 15 * time.Second       // the first list of a pack waits at most so long
	sealIdle  = 250 * time.Millisecond // or so long, if nothing else is under way
	// restBytes: a subtree that waits for its pack gives up its place only if its faults and events have at
	// most this many bytes.
	restBytes = 16 << 10
	mostHeard = 4 << 20 // bytes of faults and events that are kept of one subtree
	mostTold  = 10_000  // faults, and events
)

func newAnswers(b *backup, volume int64) *answers {
	var word [4]byte
	_, _ = rand.Read(word[:]) // never fails: crypto/rand
	ctx, cut := context.WithCancel(context.WithoutCancel(b.Run.Context()))
	return &answers{
		backup: b, ctx: ctx, cut: cut, writing: map[string]*ledger.Packs{}, by: hex.EncodeToString(word[:]) + "w", volume: volume,
		held: map[*subtree]bool{}, waiting: map[string][]*subtree{}, sealed: map[string]error{},
	}
}

func (a *answers) tell(s *subtree, e report.Event) {
	a.Report.Event(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	h := s.hand
	said := eventSaid{Kind: e.Kind, Problem: e.Problem, Path: []byte(e.Path), Key: e.Key, Text: e.Text}
	if e.Err != nil {
		said.Why = []byte(e.Err.Error())
	}
	if h.bytes += len(said.Path) + len(said.Text) + len(said.Why); h.bytes <= mostHeard && len(h.answer.Events) < mostTold {
		h.answer.Events = append(h.answer.Events, said)
	}
}

func (a *answers) fault(s *subtree, f archive.Fault) {
	e := s.noted(f)
	a.Report.Event(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	h := s.hand
	said := faultSaid{Path: []byte(f.Path), What: string(f.What), Why: []byte(f.Err.Error()), Read: f.Read}
	if h.bytes += len(said.Path) + len(said.Why); h.bytes > mostHeard || len(h.answer.Faults) == mostTold {
		h.answer.More.add(f.What)
		return
	}
	h.answer.Faults = append(h.answer.Faults, said)
}

func (a *answers) count(s *subtree, c counts) {
	c.addTo(a.Totals)
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := &s.hand.answer.Counts
	sum.ReadAgain += c.ReadAgain
	sum.Resumed += c.Resumed
	sum.Spared += c.Spared
	sum.Aborted += c.Aborted
	sum.Left += c.Left
}

// began tells the coordinator, which keeps it for other workers and later runs.
func (a *answers) began(s *subtree, u *state.Upload) error {
	a.mu.Lock()
	s.hand.answer.Uploaded = u.ID
	known := s.hand.order.Begun
	a.mu.Unlock()
	if known != nil && known.ID == u.ID {
		return nil
	}
	remark := remark{*u, s.hand.work.Try()}
	remark.Upload.Spooled = false
	body, err := write(remark)
	if err == nil {
		err = s.hand.work.Note(a.Run.Context(), body)
	}
	if err != nil {
		return fmt.Errorf("telling the coordinator of an upload: %w", err)
	}
	return nil
}

// hasPack knows of those that the coordinator vouches for, and of those that this worker stored.
func (a *answers) hasPack(s *subtree, pack string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	err, mine := a.sealed[pack]
	return pack != "" && (pack == s.hand.pack || mine && err == nil && ledger.RunOf(pack) == s.hand.order.Run)
}

func (a *answers) saved(_ context.Context, s *subtree, entry *state.Entry) {
	entry.List = a.addList(s, s.record.MD5)
	s.hand.answer.Stored = s.object.Size
	a.settle(s, wasSaved, entry)
	s.report(report.Saved)
}

func (a *answers) identical(_ context.Context, s *subtree, entry *state.Entry) {
	if !a.hasPack(s, entry.List.Pack) {
		entry.List = a.addList(s, entry.Record.MD5)
	}
	s.hand.answer.Outcome, s.hand.answer.Uploaded = wasIdentical, ""
	a.mu.Lock()
	for before := range a.held { // its answer is under way, and may come too late
		if before.Key == s.Key && before.hand.ended {
			s.hand.answer.storedBy(&before.hand.answer, entry)
		}
	}
	a.mu.Unlock()
	a.settle(s, s.hand.answer.Outcome, entry)
	s.report(report.Identical)
}

// settle answers for a subtree that the store has now.
func (a *answers) settle(s *subtree, what outcome, entry *state.Entry) {
	a.remember(s, *entry)
	current := s.current(*entry)
	s.hand.answer.Entry, s.hand.answer.Entries = current.Bytes(), s.result.Entries
	a.end(s, what, current.List.Pack)
}

func (a *answers) leftOut(s *subtree) {
	a.Totals.DoneSubtrees.Add(1)
	a.end(s, wasLeftOut, "")
}

func (a *answers) putAside(s *subtree) error {
	a.end(s, wasPutAside, "")
	return nil
}

// failed answers if no other host would do better, or else hands the subtree to another one.
func (a *answers) failed(s *subtree, why error) {
	defer a.Report.Event(report.Event{Kind: report.Failed, Path: s.String(), Key: s.Key, Source: s.scan.Bytes, Err: why})
	verdict, kept := verdictOf(why)
	if verdict == "" {
		a.handOn(s, func(ctx context.Context, w *hosts.Work) error { return w.GiveUp(ctx, why) })
		return
	}
	s.hand.answer.Why, s.hand.answer.Verdict, s.hand.answer.Kept = []byte(why.Error()), verdict, kept
	s.hand.answer.Uploaded = ""
	a.end(s, wasFailed, "")
}

// take notes a subtree that this worker has now.
func (a *answers) take(s *subtree) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held[s] = true
	a.busy++
	a.schedule()
}

// handOn ends a subtree without an answer.
func (a *answers) handOn(s *subtree, how func(context.Context, *hosts.Work) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.hand.ended {
		return
	}
	s.hand.ended = true
	a.busy--
	a.send(s, how)
}

// end answers for a subtree, at once or when the pack is sealed that its list is in.
func (a *answers) end(s *subtree, what outcome, pack string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := s.hand
	if h.ended {
		return
	}
	a.busy--
	h.ended, h.answer.Outcome, h.answer.Took = true, what, s.task.Took()
	if s.begun != nil {
		h.answer.Upload = s.begun.ID
	}
	err, sealed := a.sealed[pack]
	switch {
	case pack == "" || sealed || !strings.Contains(pack, a.by):
		a.sendAnswer(s, err)
	default:
		if len(a.waiting) == 0 {
			a.since = time.Now()
		}
		h.waits = true
		if h.bytes <= restBytes {
			h.work.Rest()
		}
		a.waiting[pack] = append(a.waiting[pack], s)
	}
	a.schedule()
}

// sendAnswer sends the answer of a subtree whose pack is sealed, or was not stored. The caller holds mu.
func (a *answers) sendAnswer(s *subtree, noPack error) {
	h := s.hand
	h.waits = false
	if noPack != nil && len(h.answer.Entry) > 0 {
		entry, _ := state.Parse(h.answer.Entry)
		entry.List = catalogue.Place{}
		h.answer.Entry = entry.Bytes()
	}
	said := h.answer
	a.send(s, func(ctx context.Context, w *hosts.Work) error {
		body, err := said.message()
		if err != nil {
			return w.Fail(ctx, err)
		}
		return w.Answer(ctx, body)
	})
}

// send ends a subtree. The caller holds mu.
func (a *answers) send(s *subtree, how func(context.Context, *hosts.Work) error) {
	a.sending.Go(func() {
		if err := how(a.ctx, s.hand.work); err != nil && a.ctx.Err() == nil {
			a.Run.Fail(fmt.Errorf("answering for %s: %w", s, err))
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.held, s)
		a.schedule()
	})
}

// back hands back what was not begun.
func (a *answers) back(s *subtree) {
	s.unplan()
	a.handOn(s, func(_ context.Context, w *hosts.Work) error { w.HandBack(); return nil })
}

// close answers for all that waits, and hands back the rest. It is called once, when all stages have
// ended; an error is why they ended early.
func (a *answers) close(ended error) {
	defer a.cut()
	if ended != nil {
		defer time.AfterFunc(finishTimeout, a.cut).Stop()
	}
	a.mu.Lock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	var all []*ledger.Packs
	for _, p := range a.writing {
		all = append(all, p)
	}
	a.mu.Unlock()
	for _, p := range all {
		if p.Seal(a.ctx) == nil { // else who waits for it was told
			p.Discard()
		}
	}
	a.mu.Lock()
	var left []*subtree
	for s := range a.held {
		if !s.hand.ended || s.hand.waits {
			s.hand.ended = false
			left = append(left, s)
		}
	}
	a.mu.Unlock()
	for _, s := range left {
		a.back(s)
	}
	a.sending.Wait()
}
