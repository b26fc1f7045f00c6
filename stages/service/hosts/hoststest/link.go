package hoststest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

var _ hosts.Link = (*Link)(nil)

var errClosed = errors.New("the link is closed")

// A Link is that of one process. It must be closed, or killed.
type Link struct {
	q    *Queue
	dead context.Context // done once the link is closed or killed
	end  context.CancelCauseFunc

	mail    chan func() // what it hears, one at a time
	reading sync.WaitGroup
	replies sync.Mutex // held while serve runs

	// Guarded by q.mu.
	frozen           bool
	since            time.Time // it is frozen, or not
	heard, announced func([]byte)
	serve            func([]byte) []byte
}

// Link makes a link of another process.
func (q *Queue) Link() *Link {
	l := &Link{q: q, mail: make(chan func(), 4096)}
	l.dead, l.end = context.WithCancelCause(context.Background())
	l.reading.Go(func() {
		for {
			select {
			case fn := <-l.mail:
				if l.dead.Err() == nil {
					fn()
				}
			case <-l.dead.Done():
				return
			}
		}
	})
	q.set(func() { q.links = append(q.links, l) })
	return l
}

// Close ends the link.
func (l *Link) Close() error {
	l.leave(false)
	l.reading.Wait()
	return nil
}

// Kill ends the link without a word, as kill -9 ends a process: what it holds is handed out again when
// its leases end, and others can't lead for a time if it led. All its methods fail from now on.
func (l *Link) Kill() {
	l.leave(true)
	l.reading.Wait()
}

func (l *Link) leave(killed bool) {
	q := l.q
	q.set(func() {
		q.links = slices.DeleteFunc(q.links, func(o *Link) bool { return o == l })
		if q.leader != l {
			return
		}
		if q.leader = nil; killed {
			q.gone = time.Now()
		}
	})
	l.end(errClosed)
}

// Freeze makes the link wait, as one that is cut, or that of a process that is stopped: nothing comes or
// goes until Thaw, and what may be lost is.
func (l *Link) Freeze() { l.freeze(true) }

// Thaw ends Freeze.
func (l *Link) Thaw() { l.freeze(false) }

func (l *Link) freeze(frozen bool) {
	l.q.set(func() { l.frozen, l.since = frozen, time.Now() })
}

// wait is Queue.wait for this link.
func (l *Link) wait(ctx context.Context, try func() bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.dead, func() { cancel(errClosed) })()
	return l.q.wait(ctx, func() bool { return !l.frozen && l.dead.Err() == nil && try() })
}

// do is wait for what needs not wait.
func (l *Link) do(ctx context.Context, fn func()) error {
	return l.wait(ctx, func() bool { fn(); return true })
}

// Lead is hosts.Link's.
func (l *Link) Lead(ctx context.Context, lease time.Duration) error {
	q := l.q
	brief, cancel := context.WithTimeoutCause(ctx, abandoned+time.Second, hosts.ErrLed)
	defer cancel()
	tick := time.AfterFunc(abandoned, func() { q.set(func() {}) })
	defer tick.Stop()
	return l.wait(brief, func() bool {
		if led := q.leader; led != nil && led.frozen && time.Since(led.since) >= abandoned {
			q.leader = nil
		}
		if q.leader != nil || time.Since(q.gone) < abandoned {
			return false
		}
		q.leader, q.lease, q.answers, q.spent = l, lease, nil, nil
		for _, it := range q.items {
			q.drop(it)
		}
		q.change()
		return true
	})
}

// Offer is hosts.Link's. Any link may offer, as any that may write to a broker.
func (l *Link) Offer(ctx context.Context, id string, body []byte) error {
	q := l.q
	return l.do(ctx, func() {
		q.sent(Offered, id, body)
		if q.items[id] != nil {
			return
		}
		it := &item{id: id, body: bytes.Clone(body)}
		q.items[id], q.order = it, append(q.order, it)
		q.change()
	})
}

// Withdraw is hosts.Link's.
func (l *Link) Withdraw(ctx context.Context) error {
	led := true
	err := l.do(ctx, func() {
		if led = l.q.leader == l; !led {
			return
		}
		for _, it := range l.q.items {
			if !it.held {
				l.q.drop(it)
			}
		}
		l.q.change()
	})
	if err == nil && !led {
		return pipeline.Fatal(hosts.ErrLed)
	}
	return err
}

// Answer is hosts.Link's.
func (l *Link) Answer(ctx context.Context, body []byte) error {
	q := l.q
	return l.do(ctx, func() {
		q.sent(Answered, "", body)
		q.answers = append(q.answers, bytes.Clone(body))
		if q.Twice != nil && q.Twice(body) {
			q.answers = append(q.answers, bytes.Clone(body))
		}
		if q.Answered != nil {
			q.Answered()
		}
		q.change()
	})
}

// Answers is hosts.Link's.
func (l *Link) Answers(ctx context.Context, fn func(body []byte) error) error {
	return each(ctx, l, &l.q.answers, fn)
}

// Spent is hosts.Link's.
func (l *Link) Spent(ctx context.Context, fn func(id string, body []byte) error) error {
	return each(ctx, l, &l.q.spent, func(it *item) error { return fn(it.id, bytes.Clone(it.body)) })
}

// each passes on what is first in list, and drops it if fn returns nil; else it is tried again after a
// second.
func each[T any](ctx context.Context, l *Link, list *[]T, fn func(T) error) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var next T
		led := true
		err := l.wait(ctx, func() bool {
			led = l.q.leader == l
			if !led || len(*list) == 0 {
				return !led
			}
			next = (*list)[0]
			return true
		})
		if err != nil {
			return err
		}
		if !led {
			return pipeline.Fatal(hosts.ErrLed)
		}
		if fn(next) == nil {
			l.q.set(func() {
				if l.q.leader == l {
					*list = (*list)[1:]
				}
			})
			continue
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Kept is hosts.Link's.
func (l *Link) Kept(ctx context.Context) (k hosts.Kept, err error) {
	if err := l.do(ctx, func() {}); err != nil {
		return k, err
	}
	return l.q.Kept(), nil
}

// Made is hosts.Link's.
func (l *Link) Made() (n int) {
	l.q.set(func() { n = l.q.made })
	return n
}

// Take is hosts.Link's.
func (l *Link) Take(ctx context.Context) (pipeline.Lease, error) {
	q := l.q
	var got *lease
	err := l.wait(ctx, func() bool {
		if len(q.order) == 0 || q.lease == 0 {
			return false
		}
		it := q.order[0]
		q.order = q.order[1:]
		it.held = true
		it.tries++
		got = &lease{l: l, it: it, body: bytes.Clone(it.body), try: it.tries, term: q.lease}
		q.after(it, q.lease)
		return true
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// A lease ends what it holds also when its time is over, as with NATS: who is late ends the lease of
// another.
type lease struct {
	l    *Link
	it   *item
	body []byte
	try  int
	term time.Duration
}

func (h *lease) ID() string          { return h.it.id }
func (h *lease) Body() []byte        { return h.body }
func (h *lease) Try() int            { return h.try }
func (h *lease) Term() time.Duration { return h.term }

func (h *lease) Renew(ctx context.Context) error {
	return h.l.do(ctx, func() {
		if h.it.held {
			h.l.q.after(h.it, h.l.q.lease)
		}
	})
}

func (h *lease) Done(ctx context.Context) error {
	return h.l.do(ctx, func() {
		if h.l.q.items[h.it.id] == h.it {
			h.l.q.drop(h.it)
			h.l.q.change()
		}
	})
}

func (h *lease) Return(ctx context.Context, after time.Duration) error {
	return h.l.do(ctx, func() {
		if h.it.held {
			h.l.q.after(h.it, after)
		}
	})
}
