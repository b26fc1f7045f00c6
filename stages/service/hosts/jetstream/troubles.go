package jetstream

import (
	"sync"
	"time"
)

// Troubles are what the links of one process meet, so that a user is told of each once, and of its end once.
// The zero value has none.
type Troubles struct {
	mu     sync.Mutex
	lost   int                  // links that have no connection
	all    map[string]*trouble  // by what the broker says
	worked map[string]time.Time // by what is being done, when it did last
}

// A trouble is why calls are tried again.
type trouble struct {
	why   string
	doing string // what the user was told of: it stands for all
	calls int    // that are tried again
	ended bool   // one of them works
}

// meets notes that a call failed that was begun then. in is the trouble that it is in; nil: it failed for the
// first time. tell says that a user is to be told. What was begun before the same worked is no news.
func (t *Troubles) meets(in *trouble, doing, why string, begun time.Time) (_ *trouble, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in != nil || begun.Before(t.worked[doing]) {
		return in, false
	}
	in, known := t.all[why]
	if !known {
		in = &trouble{why: why, doing: doing}
		if t.all == nil {
			t.all = map[string]*trouble{}
		}
		t.all[why] = in
	}
	in.calls++
	return in, !known
}

// leaves notes the end of a call: works says that it is a good one. It returns what works again, that a user was
// told of.
func (t *Troubles) leaves(in *trouble, doing string, works bool) (again string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if works {
		if t.worked == nil {
			t.worked = map[string]time.Time{}
		}
		t.worked[doing] = time.Now()
	}
	if in == nil {
		return ""
	}
	in.calls--
	if in.ended = in.ended || works; in.calls > 0 {
		return ""
	}
	delete(t.all, in.why)
	if !in.ended {
		return ""
	}
	return in.doing
}

// loses notes that one more link has no connection, and reports whether it is the only one.
func (t *Troubles) loses() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost++
	return t.lost == 1
}

// regains notes that a link has its connection again, or is closed, and reports whether it was the last one.
func (t *Troubles) regains() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost--
	return t.lost == 0
}
