package hoststest

import (
	"context"
	"slices"
	"sync"
	"time"

	"firn/stages/service/hosts"
)

// abandoned is for how long a coordinator that is gone keeps others from leading.
const abandoned = 30 * time.Second

// A Queue is a broker in memory. Make links to it with Link. Its fields may be set before the first
// link is made; their functions are called one at a time, and must not call the queue.
type Queue struct {
	// Tap sees each message that is sent, before all else.
	Tap func(Message)
	// Lose says which messages are lost; it is asked about those only that may be.
	Lose func(Message) bool
	// Twice says which answers are kept twice.
	Twice func(body []byte) bool
	// Answered is called once an answer is kept, before its sender knows.
	Answered func()

	mu      sync.Mutex
	changed chan struct{} // closed at each change, and made anew
	lease   time.Duration // 0: nobody has led yet
	leader  *Link
	gone    time.Time // when the leader went without a word
	items   map[string]*item
	order   []*item // that wait, the first to be handed out first
	answers [][]byte
	spent   []*item
	links   []*Link
	made    int // anew, by Wipe
}

// A Message is what was sent. The body must not be changed.
type Message struct {
	Kind Kind
	ID   string // of an item
	Body []byte
}

// Kind says what a message is.
type Kind string

// The kinds of messages. Told, Announced, Asked and Replied may be lost.
const (
	Offered   Kind = "offered"
	Answered  Kind = "answered"
	Told      Kind = "told"
	Announced Kind = "announced"
	Asked     Kind = "asked"
	Replied   Kind = "replied"
)

// An item is kept until it is done, or spent.
type item struct {
	id    string
	body  []byte
	tries int
	held  bool
	ends  *time.Timer // its lease, or the time until it waits again
	turn  int         // counts leases, so that a timer that was stopped too late does nothing
}

// New makes an empty queue.
func New() *Queue {
	return &Queue{changed: make(chan struct{}), items: map[string]*item{}}
}

// change wakes all that wait. The caller holds mu.
func (q *Queue) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// set changes something.
func (q *Queue) set(fn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fn()
	q.change()
}

// wait calls try, which holds mu, until it says that it is done.
func (q *Queue) wait(ctx context.Context, try func() bool) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		q.mu.Lock()
		done, changed := try(), q.changed
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// sent shows a message to Tap, and reports whether it is lost. The caller holds mu.
func (q *Queue) sent(kind Kind, id string, body []byte) (lost bool) {
	m := Message{kind, id, body}
	if q.Tap != nil {
		q.Tap(m)
	}
	return kind != Offered && kind != Answered && q.Lose != nil && q.Lose(m)
}

// over ends the lease of an item, or the time after which it is handed out again. The caller holds mu.
func (q *Queue) over(it *item) {
	it.held = false
	if it.tries >= hosts.MaxTries {
		delete(q.items, it.id)
		q.spent = append(q.spent, it)
	} else {
		q.order = append(q.order, it)
	}
	q.change()
}

// after ends the lease of an item at a time, unless it is renewed. The caller holds mu.
func (q *Queue) after(it *item, d time.Duration) {
	if it.ends != nil {
		it.ends.Stop()
	}
	it.turn++
	turn := it.turn
	it.ends = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if it.held && it.turn == turn {
			q.over(it)
		}
	})
}

// drop forgets an item. The caller holds mu.
func (q *Queue) drop(it *item) {
	if it.ends != nil {
		it.ends.Stop()
	}
	it.held = false
	it.turn++
	delete(q.items, it.id)
	q.order = slices.DeleteFunc(q.order, func(o *item) bool { return o == it })
}

// Lost forgets items that wait, as a broker that comes back after a crash: those of which lose, which is
// given their number in the order in which they wait, says so. It returns how many.
func (q *Queue) Lost(lose func(int) bool) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, it := range slices.Clone(q.order) {
		if lose(i) {
			q.drop(it)
			n++
		}
	}
	return n
}

// Wipe forgets all that the queue keeps, as a broker that comes back without its disk.
func (q *Queue) Wipe() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range q.items {
		q.drop(it)
	}
	q.answers, q.spent = nil, nil
	q.made++
	q.change()
}

// Kept is what the queue keeps now.
func (q *Queue) Kept() hosts.Kept {
	q.mu.Lock()
	defer q.mu.Unlock()
	return hosts.Kept{
		Waiting: int64(len(q.order)), Held: int64(len(q.items) - len(q.order)), Answers: int64(len(q.answers)),
	}
}
