package hosts

import (
	"cmp"
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

// JoinOptions are those of a worker.
type JoinOptions struct {
	Link  Link
	Keys  *encryption.Keys
	Hello Hello         // Time zero: now
	Room  int           // items that it can have in hand; fewer than one means one
	Wait  time.Duration // how long it waits for a coordinator that does not answer; 0: it does not
}

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
	heard   int64 // number of what was announced last; only announced uses it

	mu       sync.Mutex
	works    map[*Work]struct{}
	resting  int // of them
	progress func() report.Progress
	outage   func() bool
	spare    func(InHand) bool // see Spare
	number   int64             // of what was told last
	// ended are the slots of works that ended here, those before endedBefore forgotten.
	ended, endedBefore map[string]bool
}

// A RefusedError is a coordinator's answer to a worker that does not fit, with what differs.
type RefusedError struct{ Why string }

// Error is why.
func (e *RefusedError) Error() string { return e.Why }

var _ pipeline.Taking = (*Member)(nil)

// Join asks the coordinator for work, and waits for one to answer. The Member is done with ctx. The
// error is a *RefusedError, which says why the worker must not work, ErrNobody, or ctx's cause.
func Join(ctx context.Context, o JoinOptions) (*Member, error) {
	soon := announced / 32 // a coordinator that starts now leads in a moment
	for start, tries := time.Now(), 1; ; tries++ {
		again := soon
		soon = min(2*soon, announced)
		// A link that has no connection waits for one.
		asking, cancel := context.WithTimeoutCause(ctx, max(o.Wait-time.Since(start), handsBack), ErrNobody)
		m, err := join(asking, o)
		cancel()
		var doubtful *doubtfulError
		switch {
		case err == nil:
			m.start(ctx)
			return m, nil
		case errors.As(err, &doubtful):
			if tries >= enoughTries {
				return nil, doubtful.error
			}
			again = announced / 4 // a true one may answer first then
		case !passes(err):
			return nil, err
		case time.Since(start) >= o.Wait:
			if !errors.Is(err, ErrNobody) {
				err = fmt.Errorf("%w: %w", ErrNobody, err)
			}
			return nil, err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// A doubtfulError is one that nothing proves: somebody else may have replied, who has no say.
type doubtfulError struct{ error }

func (e *doubtfulError) Unwrap() error { return e.error }

// passes reports whether another try to join may do better: nobody replied yet, or one who has no say,
// or a coordinator that another one followed in between.
func passes(err error) bool {
	return errors.Is(err, ErrNobody) || errors.Is(err, errForged) || errors.Is(err, errOtherRun) || errors.Is(err, ErrOtherRun)
}

// enoughTries is how often a coordinator is asked whose reply proves nothing.
const enoughTries = 3

// join asks once.
func join(ctx context.Context, o JoinOptions) (*Member, error) {
	seal, keys, err := seek(ctx, o.Link, o.Keys, o.Hello.Firn)
	if other, is := errors.AsType[*encryption.OtherKeyError](err); is {
		return nil, &doubtfulError{&RefusedError{fmt.Sprintf("the coordinator has another key file: its key id is %s", other.KeyID)}}
	} else if err != nil {
		return nil, err
	}
	m := &Member{
		o: o, id: word(), seal: seal, keys: keys, works: map[*Work]struct{}{}, ended: map[string]bool{},
		doubted: make(chan struct{}, 1), fewer: make(chan struct{}, 1), said: make(chan struct{}, 1),
	}
	m.o.Room = min(max(o.Room, 1), maxRoom)
	hello := helloSaid{o.Hello, m.id}
	hello.Time = cmp.Or(hello.Time, time.Now())
	var welcome welcomeSaid
	settings, err := seal.ask(ctx, o.Link, kindHello, hello, kindWelcome, &welcome)
	switch {
	case err != nil:
		return nil, err
	case welcome.Refused != "":
		return nil, &RefusedError{welcome.Refused}
	}
	m.operation, m.settings = welcome.Operation, settings
	return m, nil
}

// find asks which run there is. Nothing proves the reply.
func find(ctx context.Context, link Link) (h header, message []byte, err error) {
	nonce := word()
	message, err = link.Ask(ctx, header{Kind: kindSeek, Slot: nonce}.write())
	if err != nil {
		return h, nil, err
	}
	h, _, _, err = readHeader(message)
	switch {
	case errors.Is(err, errForged):
		return h, nil, err
	case err != nil:
		return h, nil, &doubtfulError{&RefusedError{fmt.Sprintf("the coordinator is another version of firn: %v", err)}}
	case h.Kind != kindRun || h.Slot != nonce:
		return h, nil, errForged
	}
	return h, message, nil
}

// seek asks which run there is, and makes the keys that it has. The salt is the coordinator's, so that
// all hosts have one.
func seek(ctx context.Context, link Link, keys *encryption.Keys, firn string) (*sealer, *encryption.Keys, error) {
	h, message, err := find(ctx, link)
	if err != nil {
		return nil, nil, err
	}
	if keys, err = keys.ForID(h.KeyID); err != nil {
		return nil, nil, err
	}
	seal, err := newSealer(keys, h.Run, firn)
	if err == nil {
		_, _, err = seal.open(kindRun, message, &struct{}{})
	}
	return seal, keys, err
}

// ask asks the coordinator, and reads its reply into v; it returns the body. The reply is to this
// question: it has its nonce.
func (s *sealer) ask(ctx context.Context, link Link, k kind, q any, replied kind, v any) ([]byte, error) {
	nonce := word()
	message, err := s.seal(k, nonce, q, nil)
	if err != nil {
		return nil, err
	}
	reply, err := link.Ask(ctx, message)
	if err != nil {
		return nil, err
	}
	slot, body, err := s.open(replied, reply, v)
	if errors.Is(err, errOtherRun) && s.proves(reply, nonce) {
		return nil, ErrOtherRun
	}
	if err == nil && slot != nonce {
		err = errForged
	}
	return body, err
}

// proves reports whether a reply to a question is of another run, of the same key file.
func (s *sealer) proves(reply []byte, nonce string) bool {
	h, _, _, err := readHeader(reply)
	if err != nil {
		return false
	}
	other, err := s.other(h)
	if err != nil {
		return false
	}
	slot, _, err := other.open(kindRun, reply, &struct{}{})
	return err == nil && slot == nonce
}

// other is the sealer of another run, of the same key file.
func (s *sealer) other(h header) (*sealer, error) {
	keys, err := s.keys.ForID(h.KeyID)
	if err != nil {
		return nil, err
	}
	return newSealer(keys, h.Run, s.firn)
}

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
	if err := decode(m.settings, v); err != nil {
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
// the works in hand have.
func (m *Member) Watch(progress func() report.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress = progress
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
// have. One that has nothing to do takes one in any case. Without it, whatever asks gets one.
func (m *Member) Spare(room func(InHand) bool) {
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
		if !busy && (spare == nil || has == (InHand{}) || spare(has)) {
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
			if over, _, err = m.alive(ctx, w.slot); over || err != nil {
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
	_, _, err := m.alive(ctx, "")
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
	m.works[w] = struct{}{}
	m.mu.Unlock()
	m.moved.Add(1)
	m.tell(toldSaid{Took: &held{Slot: w.slot, Round: w.round, Try: w.try, Moved: report.Moved{Total: -1}}})
	m.tasks.Go(w.keep)
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
func (m *Member) Leave() {
	m.end(ErrOver)
	m.tasks.Wait()
	m.tell(toldSaid{Left: true})
}
