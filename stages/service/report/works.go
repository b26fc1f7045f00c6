package report

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Works know what a run has to move, and what is in work, for many goroutines. A work goes whole
// through the first half of the run, and then through the second: of a backup, it is read, and then
// uploaded; of a restore, fetched and extracted. Make one with NewWorks.
type Works struct {
	first, second string // the stages in which the bytes of the halves move

	mu    sync.Mutex
	tasks map[*Task]struct{}
	load  Load     // without what the tasks add
	known [2]int64 // bytes of the halves, of planned works of which both are known
}

// NewWorks makes Works whose bytes move in these stages.
func NewWorks(first, second string) *Works {
	return &Works{first: first, second: second, tasks: map[*Task]struct{}{}}
}

// A Load is what a run has to move. All are bytes.
type Load struct {
	First, Second string // the stages of the two halves; "": nothing is moved

	Looked  int64 // in the first half, of all works of which it is known whether they are to be moved
	Planned int64 // of them those that are
	Begun   int64 // of these those of works that were begun
	Waiting int64 // number of the works that were not

	Done     int64 // that are through the first half
	Raw      int64 // what came out of it for Done; more than that where there are headers and padding
	Made     int64 // of Done, of works that are through it whole
	Needless int64 // of Made, of works that have no second half
	Known    int64 // in the second half, of works that are counted in Made
	Sent     int64 // that are through the second half
	// Ratio is bytes of the second half for one of the first, of works that were not begun; 0: what
	// comes out of compress says it.
	Ratio float64

	Parts []Part // the works that were begun, and have not ended
}

// A Part is what is left of a work, in bytes.
type Part struct {
	Made         bool  // it is through the first half
	Total, First int64 // of the first half: all, and what is left
	Second       int64 // left of the second half; -1: that is not known
}

// A Task is a work that was begun, for many goroutines. A nil *Task counts nothing.
type Task struct {
	works  *Works
	name   fmt.Stringer
	source int64 // bytes of regular files
	began  time.Time

	doing         atomic.Value // string: a stage
	made          atomic.Bool
	first, second amount
	spared        atomic.Int64 // of the second half's total, that it lacks

	moves atomic.Int64 // what Signs says
	waits atomic.Int64 // waits that have not ended
}

// An amount is bytes that have passed, of all; -1: it is not known of how many.
type amount struct{ done, total atomic.Int64 }

func (a *amount) now() (done, total int64) {
	total = a.total.Load()
	if done = max(a.done.Load(), 0); total >= 0 {
		done = min(done, total)
	}
	return done, total
}

// Looked notes a work of so many bytes in the first half, and in the second, 0 if they are not known.
// take says that it is to be moved. A nil *Works counts nothing.
func (w *Works) Looked(first, second int64, take bool) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load.Looked += first
	if !take {
		return
	}
	w.load.Planned += first
	w.load.Waiting++
	if second > 0 {
		w.known[0] += first
		w.known[1] += second
	}
}

// Leave notes that a work of so many bytes in the first half, which was to be moved, is not begun.
func (w *Works) Leave(first int64) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load.Planned -= first
	w.load.Waiting--
}

// Begin begins a work that was to be moved: source are the bytes of its regular files, first and second
// those of the halves; 0 if they are not known. Its End must be called.
func (w *Works) Begin(name fmt.Stringer, doing string, source, first, second int64) *Task {
	if w == nil {
		return nil
	}
	t := &Task{works: w, name: name, source: source, began: time.Now()}
	t.doing.Store(doing)
	t.first.total.Store(first)
	t.second.total.Store(second)
	if second == 0 {
		t.second.total.Store(-1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[t] = struct{}{}
	w.load.Begun += first
	w.load.Waiting--
	return t
}

// End ends a work, well or not. It may be called more than once.
func (t *Task) End() {
	t.leave(func(l *Load) {
		t.add(l)
		_, first := t.first.now()
		if !t.made.Load() { // what it lacks is not done by anybody
			l.Done += first - t.passed()
		}
	})
}

// leave ends a work that is going, and has fn count what was done of it.
func (t *Task) leave(fn func(*Load)) {
	if t == nil {
		return
	}
	w := t.works
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, going := w.tasks[t]; !going {
		return
	}
	delete(w.tasks, t)
	t.waits.Add(1) // for good: nothing moves any more
	fn(&w.load)
}

// Took is the time since the work was begun.
func (t *Task) Took() time.Duration {
	if t == nil {
		return 0
	}
	return time.Since(t.began)
}

// passed is what is through the first half.
func (t *Task) passed() int64 {
	done, total := t.first.now()
	if t.made.Load() {
		return total
	}
	return done
}

// add adds what t has moved.
func (t *Task) add(l *Load) {
	passed := t.passed()
	l.Done += passed
	l.Raw += max(t.first.done.Load(), 0)
	sent, second := t.second.now()
	l.Sent += sent
	if t.made.Load() {
		l.Made += passed
		l.Known += max(second, sent, 0) // what is through is known, whatever was said before
		if second == 0 {
			l.Needless += passed
		}
	}
}

// part is what is left of t.
func (t *Task) part() Part {
	_, total := t.first.now()
	p := Part{Made: t.made.Load(), Total: total, First: total - t.passed(), Second: -1}
	if sent, second := t.second.now(); second >= 0 {
		p.Second = second - sent
	}
	return p
}

// First notes that bytes have passed in the first half; fewer than none if a try failed that they
// belonged to.
func (t *Task) First(bytes int64) {
	if t != nil {
		t.first.done.Add(bytes)
		t.moved(bytes)
	}
}

// Second is First for the second half.
func (t *Task) Second(bytes int64) {
	if t != nil {
		t.second.done.Add(bytes)
		t.moved(bytes)
	}
}

// Doing notes the stage that t is in.
func (t *Task) Doing(stage string) {
	if t != nil {
		t.doing.Store(stage)
		t.moved(1)
	}
}

// FirstAgain notes that t begins the first half again.
func (t *Task) FirstAgain() {
	if t != nil {
		t.first.done.Store(0)
		t.made.Store(false)
	}
}

// SecondAgain notes that t begins the second half again, and that nothing of it is spared any more.
func (t *Task) SecondAgain() {
	if t != nil {
		t.second.done.Store(0)
		t.second.total.Add(t.spared.Swap(0))
	}
}

// FirstDone notes that t is through the first half, and has so many bytes in the second.
func (t *Task) FirstDone(second int64) {
	if t != nil {
		t.second.total.Store(second)
		t.spared.Store(0)
		t.made.Store(true)
		t.moved(1)
	}
}

// Spare notes that bytes of the second half need not move.
func (t *Task) Spare(bytes int64) {
	if t != nil {
		t.spared.Add(bytes)
		t.second.total.Add(-bytes)
	}
}

// Load is what the run has to move now.
func (w *Works) Load() Load {
	if w == nil {
		return Load{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load
	l.First, l.Second = w.first, w.second
	if w.known[0] > 0 {
		l.Ratio = float64(w.known[1]) / float64(w.known[0])
	}
	l.Parts = make([]Part, 0, len(w.tasks))
	for t := range w.tasks {
		t.add(&l)
		l.Parts = append(l.Parts, t.part())
	}
	return l
}

// Now is what is in work, the largest first, MostWork at most.
func (w *Works) Now() []Work {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	tasks := make([]*Task, 0, len(w.tasks))
	for t := range w.tasks {
		tasks = append(tasks, t)
	}
	w.mu.Unlock()
	slices.SortFunc(tasks, func(a, b *Task) int {
		if a.size() != b.size() {
			return cmp.Compare(b.size(), a.size())
		}
		return cmp.Compare(a.name.String(), b.name.String())
	})
	tasks = tasks[:min(len(tasks), MostWork)]
	now := make([]Work, len(tasks))
	for i, t := range tasks {
		now[i] = t.work()
	}
	return now
}

// size is by what works are in order.
func (t *Task) size() int64 { return max(t.source, t.first.total.Load()) }

func (t *Task) work() Work {
	work := Work{Path: t.name.String(), Doing: t.doing.Load().(string), Source: t.source}
	switch work.Doing {
	case StageArchive, StageFetch:
		work.Done, work.Total = t.first.now()
	case StageUpload, StageExtract, StageWalk:
		work.Done, work.Total = t.second.now()
	}
	work.Total = max(work.Total, 0)
	return work
}
