package hosts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
)

var (
	// ErrOver: the run is over. An *EarlyError says that it did not reach its end.
	ErrOver = errors.New("the run is over")
	// ErrOtherRun: the coordinator has begun another run. Join again.
	ErrOtherRun = errors.New("the coordinator has begun another run")
)

// A Member is a worker of a run. Make one with Join, and end it with Leave. It is a pipeline.Taking of
// items that are opened and verified; its leases are *Work.
type Member struct {
	o         JoinOptions
	id        string
	seal      *sealer
	keys      *encryption.Keys
	operation string
	settings  []byte

	ctx   context.Context
	end   context.CancelCauseFunc
	tasks sync.WaitGroup

	doubted chan struct{} // a message of another run came
	fewer   chan struct{} // a work ended or rests
	said    chan struct{} // the coordinator announced this run
	moved   atomic.Int64  // signs of life of all works, as their keepers see them
	forged  atomic.Int64
	heard   int64        // number of what was announced last; only announced uses it
	left    atomic.Int64 // as it says, in nanoseconds

	mu       sync.Mutex
	works    map[*Work]struct{}
	last     map[string]*Work // of works, the one that was taken last, by slot
	resting  int              // of them
	progress func() report.Progress
	totals   *report.Totals
	outage   func() bool
	spare    func(InHand, time.Duration) bool // see Spare
	number   int64                            // of what was told last
	ended    recent[bool]                     // the slots of works that ended here

	seeing sync.Mutex // guards what follows
	seer   report.Observer
}

var _ pipeline.Taking = (*Member)(nil)

// start begins to take part, until ctx is done.
func (m *Member) start(ctx context.Context) {
	m.ctx, m.end = context.WithCancelCause(ctx)
	m.tasks.Go(m.attend)
	m.tasks.Go(m.present)
	_ = m.o.Link.Announced(m.announced)
}

// Operation is what the run does.
func (m *Member) Operation() string { return m.operation }

// Run is its id.
func (m *Member) Run() string { return m.seal.run }

// Settings sets v to the settings of the run. What v has no field for is an error.
func (m *Member) Settings(v any) error {
	if err := Decode(m.settings, v); err != nil {
		return fmt.Errorf("reading the settings of the run: %w", err)
	}
	return nil
}

// Keys are those of the run: with the salt that the coordinator's have, so that all key ids are one.
func (m *Member) Keys() *encryption.Keys { return m.keys }

// Context is done when the run is over for this worker, for example because another one has begun; its
// cause is ErrOver, ErrOtherRun or ErrNobody then.
func (m *Member) Context() context.Context { return m.ctx }

// Watch says what the worker tells of itself every few seconds: its progress, without its paths, which
// the works in hand have, and how long it needs for these. It is called once this host is known to fit: the
// worker counts from then on.
func (m *Member) Watch(progress func() report.Progress, totals *report.Totals) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress, m.totals = progress, totals
}

// Merge adds how many works the worker holds, as the coordinator counts them, to its progress.
func (m *Member) Merge(p *report.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Held = len(m.works)
}

// Outage says whether an outage lasts that is known: leases are renewed then, though nothing moves.
func (m *Member) Outage(lasts func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outage = lasts
}

// InHand is what a worker has to do before it is through with the works that it holds.
type InHand struct {
	Make      int   // works that are not through the first half
	MakeBytes int64 // of the first half, of those
	Send      int64 // bytes of the second half that have not moved, of the others
}

// inHand is what is to be done. The caller holds mu.
func (m *Member) inHand() (h InHand) {
	for w := range m.works {
		if w.rests.Load() {
			continue
		}
		if is := w.task.Load().Moved(); is.Made {
			h.Send += max(is.Total-is.Second, 0)
			continue
		}
		h.Make++
		h.MakeBytes += w.item.Bytes
	}
	return h
}

// Spare sets what says whether there is room for one more work: what a worker takes, no other one can
// have. left is how long all workers need, at least, for what none of them has; -1: that is not known. One
// that has nothing to do takes one in any case. Without it, whatever asks gets one.
func (m *Member) Spare(room func(has InHand, left time.Duration) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = room
}

// looksForRoom is how often Take asks whether there is room.
const looksForRoom = 100 * time.Millisecond

// wait waits until there is room for one more work, and no suspect in work. The error is ctx's cause.
func (m *Member) wait(ctx context.Context) error {
	for {
		m.mu.Lock()
		spare, has, busy := m.spare, InHand{}, m.suspects()
		if spare != nil {
			has = m.inHand()
		}
		m.mu.Unlock()
		if !busy && (spare == nil || has == (InHand{}) || spare(has, time.Duration(m.left.Load()))) {
			return nil
		}
		select {
		case <-m.fewer:
		case <-time.After(looksForRoom):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Take waits for an item; see pipeline.Taking. It is ErrTaken after the run is over, or another one has
// begun: Context says which.
func (m *Member) Take(ctx context.Context) (pipeline.Lease, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(context.Cause(m.ctx)) })()
	for {
		var lease pipeline.Lease
		err := m.wait(ctx)
		if err == nil {
			lease, err = m.o.Link.Take(ctx)
		}
		switch {
		case err == nil:
		case errors.Is(err, ErrOver), errors.Is(err, ErrOtherRun):
			return nil, pipeline.ErrTaken
		default:
			return nil, err
		}
		w, err := m.open(m.seal, lease)
		over := false
		switch {
		case err != nil:
			over, err = true, m.drop(ctx, lease, err)
		case m.again(w.slot):
			var yes yesSaid
			if yes, _, err = m.alive(ctx, aliveSaid{Slot: w.slot}); yes.Over || err != nil {
				over, err = true, m.dismiss(ctx, lease, err)
			}
		}
		if err != nil {
			return nil, err
		}
		if over {
			continue
		}
		if m.begin(w); m.alone(ctx, w) {
			return w, nil
		}
	}
}

// open reads an item that was taken.
func (m *Member) open(seal *sealer, lease pipeline.Lease) (*Work, error) {
	var said itemSaid
	slot, body, err := seal.open(kindItem, lease.Body(), &said)
	switch {
	case err != nil:
		return nil, err
	case slot != lease.ID():
		return nil, errForged
	}
	term := max(time.Duration(said.Lease), looks)
	return &Work{
		m: m, seal: seal, lease: lease, slot: slot, round: said.Round, try: lease.Try(), term: term, over: time.Now().Add(term), ended: make(chan struct{}),
		item: Item{ID: said.ID, Name: said.Name, Bytes: said.Bytes, Second: said.Second, Body: body},
	}, nil
}

// drop ends what is no item of this run, so that no other worker meets it. An item of another run that
// has begun is handed back to that one.
func (m *Member) drop(ctx context.Context, lease pipeline.Lease, why error) error {
	if !errors.Is(why, errOtherRun) {
		m.forged.Add(1)
		return lease.Done(ctx)
	}
	_, _, err := m.alive(ctx, aliveSaid{})
	return m.dismiss(ctx, lease, err)
}

// dismiss ends a lease of what is not to be done, as the coordinator says or does not say.
func (m *Member) dismiss(ctx context.Context, lease pipeline.Lease, said error) error {
	switch {
	case said == nil: // an older run left it, or somebody keeps what he saw there
		return lease.Done(ctx)
	case errors.Is(said, ErrOtherRun):
		m.end(ErrOtherRun)
		return m.handOver(context.WithoutCancel(ctx), lease)
	}
	return lease.Return(ctx, announced)
}

// handOver hands back an item of another run. It is no try of that run.
func (m *Member) handOver(ctx context.Context, lease pipeline.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, handsBack)
	defer cancel()
	h, _, _, err := readHeader(lease.Body())
	if err != nil {
		return err
	}
	seal, err := m.seal.other(h)
	if err != nil {
		return lease.Return(ctx, announced)
	}
	w, err := m.open(seal, lease)
	if err != nil {
		return lease.Return(ctx, announced)
	}
	_ = w.finish(ctx, outcomeHanded, "", nil) // or else its lease ends by time
	return nil
}

// begin holds an item.
func (m *Member) begin(w *Work) {
	m.mu.Lock()
	m.works[w], m.last[w.slot] = struct{}{}, w
	m.mu.Unlock()
	m.moved.Add(1)
	m.tell(toldSaid{Took: &held{Slot: w.slot, Round: w.round, Try: w.try, Moved: report.Moved{Total: -1}}})
	m.tasks.Go(w.keep)
}

// isLast reports whether the item of a work was not taken here again since, as the queue had lost it.
func (m *Member) isLast(w *Work) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last[w.slot] == w
}

// Outcome is the error of a worker whose run here ended with end: nil if the run is over, an *EarlyError if
// it did not reach its end.
func (m *Member) Outcome(end error) error {
	if early, is := errors.AsType[*EarlyError](context.Cause(m.ctx)); is && (end == nil || errors.Is(end, ErrOver)) {
		return early
	}
	if errors.Is(end, ErrOver) {
		return nil
	}
	return end
}

// Leave says goodbye, once all is answered. What is still in hand is handed out again when its leases
// end.
func (m *Member) Leave() { m.LeaveFor(nil) }

// LeaveFor is Leave of a worker that ends for a reason. The coordinator is told of an error of its own:
// not of one that follows from the end of the run, or of a stop.
func (m *Member) LeaveFor(end error) {
	left := toldSaid{Left: true}
	if end != nil && m.ctx.Err() == nil && !errors.Is(end, pipeline.ErrStopped) {
		left.Why = brief(end.Error())
	}
	m.end(ErrOver)
	m.tasks.Wait()
	left.State = m.presence()
	m.tell(left)
}
