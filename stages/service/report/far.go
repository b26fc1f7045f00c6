package report

// What a task says of itself on one host, and is told on another: of a run on many hosts.

// Moved is how far a task is.
type Moved struct {
	Doing  string `json:"doing"`          // the stage that it is in
	First  int64  `json:"first"`          // bytes that are through the first half
	Made   bool   `json:"made,omitempty"` // it is through the first half whole
	Second int64  `json:"second"`         // bytes that are through the second half
	Total  int64  `json:"total"`          // of the second half; -1: that is not known
}

// moved counts a sign of life. Bytes that are taken back are none.
func (t *Task) moved(bytes int64) {
	if bytes > 0 {
		t.moves.Add(1)
	}
}

// Waiting notes that t waits for its turn, and moves nothing until then; or that it does no more. Each
// wait must be ended. Waits may overlap.
func (t *Task) Waiting(wait bool) {
	switch {
	case t == nil:
	case wait:
		t.waits.Add(1)
	default:
		t.waits.Add(-1)
	}
}

// Signs is a count that grows with whatever t moves, and whether t waits, or has ended.
func (t *Task) Signs() (moves int64, waits bool) {
	if t == nil {
		return 0, true
	}
	return t.moves.Load(), t.waits.Load() > 0
}

// Moved is how far t is.
func (t *Task) Moved() Moved {
	if t == nil {
		return Moved{Total: -1}
	}
	return Moved{
		Doing: t.doing.Load().(string), First: t.first.done.Load(), Made: t.made.Load(),
		Second: t.second.done.Load(), Total: t.second.total.Load(),
	}
}

// Set says how far t is by now. It takes the place of what was said before.
func (t *Task) Set(m Moved) {
	if t == nil {
		return
	}
	w := t.works
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, going := w.tasks[t]; !going { // its figures are in the sums already
		return
	}
	t.doing.Store(m.Doing)
	t.first.done.Store(m.First)
	t.made.Store(m.Made)
	t.second.done.Store(m.Second)
	t.second.total.Store(max(m.Total, -1))
}

// Back puts t back, as if it had not been begun: it is to be begun again, or left by Works.Leave.
func (t *Task) Back() {
	t.leave(func(l *Load) {
		l.Begun -= t.first.total.Load()
		l.Waiting++
	})
}
