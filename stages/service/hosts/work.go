package hosts

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// A Work is an item that the worker holds. Its lease is renewed as long as the work makes progress, or
// waits while others of the worker do. One of Answer, Fail, GiveUp, HandBack and Dismiss ends it; what comes
// after the first does nothing.
type Work struct {
	m     *Member
	seal  *sealer
	lease pipeline.Lease
	slot  string
	round int // see offering
	try   int
	term  time.Duration // as the coordinator says it
	item  Item
	task  atomic.Pointer[report.Task]

	rests atomic.Bool   // nothing is left to do but to answer
	taken atomic.Bool   // another worker has the item since
	once  atomic.Bool   // something has ended it
	ended chan struct{} // its lease need not be renewed any more

	mu   sync.Mutex
	over time.Time // the lease is over then, unless it is renewed
}

var _ pipeline.Lease = (*Work)(nil)

// Item is what was offered.
func (w *Work) Item() Item { return w.item }

// String is the name of the item.
func (w *Work) String() string { return w.item.Name }

// Follow sets what tells of the progress of the work: nil until it is begun.
func (w *Work) Follow(t *report.Task) { w.task.Store(t) }

// Rest says that nothing is left to do but to answer, which waits for something: the work takes no room
// of the worker any more, so that others are offered meanwhile.
func (w *Work) Rest() {
	if !w.rests.Swap(true) {
		w.m.rest()
	}
}

// Late reports whether the lease is over, as far as is known here: another host may have the item.
func (w *Work) Late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !time.Now().Before(w.over)
}

// Note tells the coordinator something of the item, and returns once that is kept.
func (w *Work) Note(ctx context.Context, body []byte) error {
	message, err := w.message(outcomeRemarks, "", body)
	if err != nil {
		return err
	}
	return w.m.o.Link.Answer(ctx, message)
}

// message is what is said of the item to the coordinator.
func (w *Work) message(what outcome, why string, body []byte) ([]byte, error) {
	return w.seal.seal(kindAnswer, w.slot, answerSaid{
		ID: w.item.ID, Member: w.m.id, Host: w.m.o.Hello.Host, Round: w.round, Try: w.try, Outcome: what, Why: brief(why),
		Moved: w.task.Load().Moved(),
	}, body)
}

// finish ends the work with what is said, and then its lease, which is kept until then.
func (w *Work) finish(ctx context.Context, what outcome, why string, body []byte) error {
	message, err := w.message(what, why, body)
	if err != nil || w.once.Swap(true) {
		return err
	}
	defer w.release()
	if what != outcomeDone && w.Late() {
		return nil // another host has it, and says how it ended
	}
	if err := w.m.o.Link.Answer(ctx, message); err != nil {
		return err
	}
	w.m.moved.Add(1)
	return w.lease.Done(ctx)
}

func (w *Work) release() {
	close(w.ended)
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	delete(w.m.works, w)
	if w.m.last[w.slot] == w {
		delete(w.m.last, w.slot)
	}
	w.m.ended.put(w.slot, true)
	if w.rests.Load() {
		w.m.resting--
	}
	w.m.less()
}

// Answer ends the work well: it returns once the answer is kept, and the lease is over. An answer that
// is longer than a message may be is an error; Fail may follow then.
func (w *Work) Answer(ctx context.Context, body []byte) error {
	return w.finish(ctx, outcomeDone, "", body)
}

// Fail ends the work for all hosts: no other will do better.
func (w *Work) Fail(ctx context.Context, why error) error {
	return w.finish(ctx, outcomeFailed, why.Error(), nil)
}

// GiveUp hands the work to another host, which may do better. After some tries it fails.
func (w *Work) GiveUp(ctx context.Context, why error) error {
	return w.finish(ctx, outcomeGaveUp, why.Error(), nil)
}

// Wanted asks the coordinator whether this worker should still store the item, and waits until it answers.
// It should not if the item has its result (somebody may have put it back into the queue), or if another
// worker has taken it since. Without a coordinator nothing is stored, as no run would record it. more is what
// Options.More says of the item. The error is ctx's cause, or ErrOtherRun.
func (w *Work) Wanted(ctx context.Context) (wanted bool, more []byte, err error) {
	for {
		yes, more, err := w.m.alive(ctx, aliveSaid{w.slot, w.round, w.try})
		if !errors.Is(err, ErrNobody) || ctx.Err() != nil {
			w.taken.Store(yes.Taken || !w.m.isLast(w))
			return !yes.Over && !w.taken.Load(), more, err
		}
	}
}

// Dismiss ends the work without a word, as it is not wanted. The lease of another worker lasts.
func (w *Work) Dismiss(ctx context.Context) error {
	if w.once.Swap(true) {
		return nil
	}
	defer w.release()
	if w.taken.Load() {
		return nil
	}
	return w.lease.Done(ctx)
}

// handsBack is how long HandBack tries.
const handsBack = 5 * time.Second

// HandBack hands back what was not begun, or not ended because this worker leaves. It is no try.
func (w *Work) HandBack() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.m.ctx), handsBack)
	defer cancel()
	_ = w.finish(ctx, outcomeHanded, "", nil) // or else its lease ends by time
}

// ID is the key of the item.
func (w *Work) ID() string { return w.item.ID }

// Body is that of the item.
func (w *Work) Body() []byte { return w.item.Body }

// Try is how often the item was handed out.
func (w *Work) Try() int { return w.try }

// Term is that of the lease.
func (w *Work) Term() time.Duration { return w.term }

// Renew does nothing: the lease is renewed as long as there is progress.
func (w *Work) Renew(context.Context) error { return nil }

// Done is Answer without a body.
func (w *Work) Done(ctx context.Context) error { return w.Answer(ctx, nil) }

// Return is HandBack: the coordinator says when the item is handed out again.
func (w *Work) Return(context.Context, time.Duration) error {
	w.HandBack()
	return nil
}
