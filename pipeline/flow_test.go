package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"firn/pipeline"
)

// A book knows every token and how it ended.
type book struct {
	mu    sync.Mutex
	live  map[*token]bool
	ended map[string][]int // by kind of end
	wrong []string
}

func newBook() *book { return &book{live: map[*token]bool{}, ended: map[string][]int{}} }

// A token is an item that must end exactly once: used by whoever owns it, or
// dropped by the engine.
type token struct {
	id      int
	book    *book
	release func() // may be nil
}

func (b *book) token(id int, release func()) *token {
	t := &token{id: id, book: b, release: release}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[t] = true
	return t
}

func (t *token) String() string { return fmt.Sprint("token ", t.id) }

func (t *token) Drop(reason error) {
	if reason == nil {
		reason = errors.New("no reason")
	}
	t.end("dropped: " + reason.Error())
}

func (t *token) end(how string) {
	t.book.mu.Lock()
	if !t.book.live[t] {
		t.book.wrong = append(t.book.wrong, fmt.Sprintf("%v ended again: %s", t, how))
	}
	delete(t.book.live, t)
	t.book.ended[how] = append(t.book.ended[how], t.id)
	t.book.mu.Unlock()
	if t.release != nil {
		t.release()
	}
}

// as gives the sorted ids of the tokens that ended in that way.
func (b *book) as(how string) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.ended[how]))
}

// check says what is wrong: tokens that never ended, or ended twice.
func (b *book) check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, w := range b.wrong {
		errs = append(errs, errors.New(w))
	}
	for t := range b.live {
		errs = append(errs, fmt.Errorf("%v was neither used nor dropped", t))
	}
	return errors.Join(errs...)
}

// A flow is a topology to be run: a source of items, any stages, a sink.
// Each place in it can be made to fail or to take time.
type flow struct {
	items   int
	stages  []string // kinds: "map", "twice", "batch", "stream"
	workers func(stage int) int
	intake  int // index of a stage that takes new work, or -1
	window  int // of streams
	blocks  int // of each stream
	budget  int64

	fail func(where string, id int) error
	nap  func(where string, id int)
}

// places where a flow with the stages of everyKind can fail.
var places = [...]string{"source", "0 map", "1 twice", "2 batch", "3 produce", "3 work", "3 consume", "3 fan a", "3 fan b", "sink"}

func everyKind() flow {
	return flow{
		items: 40, stages: []string{"map", "twice", "batch", "stream"},
		workers: func(int) int { return 3 }, intake: -1, window: 3, blocks: 5, budget: 4,
		fail: func(string, int) error { return nil },
		nap:  func(string, int) {},
	}
}

// A running flow and what is seen of it from outside.
type running struct {
	*pipeline.Run
	book   *book
	budget *pipeline.Budget

	mu     sync.Mutex
	faults []pipeline.Fault
}

func (r *running) failed() []pipeline.Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

func (r *running) counters(stage string) pipeline.Counters {
	for _, c := range r.Counters() {
		if c.Stage == stage {
			return c
		}
	}
	panic("no stage " + stage)
}

// try is what happens at a place: time passes, then it may fail.
func (f flow) try(where string, id int) error {
	f.nap(where, id)
	return f.fail(where, id)
}

func (f flow) start(ctx context.Context) *running {
	r := &running{book: newBook(), budget: pipeline.NewBudget(f.budget)}
	r.Run = pipeline.New(ctx, pipeline.Options{OnFault: func(fault pipeline.Fault) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.faults = append(r.faults, fault)
	}})
	items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(*token) error) error {
		for id := range f.items {
			if err := f.try("source", id); err != nil {
				return err
			}
			if err := emit(r.book.token(id, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	for i, kind := range f.stages {
		s := r.Stage(fmt.Sprint(i, " ", kind), f.workers(i))
		if i == f.intake {
			s.TakesNew()
		}
		switch kind {
		case "map", "twice":
			items = pipeline.Map(s, items, func(_ context.Context, t *token, emit func(*token) error) error {
				if err := f.try(s.Name(), t.id); err != nil {
					t.end("failed")
					return err
				}
				if kind == "map" {
					return emit(t)
				}
				t.end("split")
				if err := emit(r.book.token(2*t.id, nil)); err != nil {
					return err
				}
				return emit(r.book.token(2*t.id+1, nil))
			})
		case "batch":
			items = pipeline.MapBatch(s, items, 4, func(_ context.Context, batch []*token, emit func(*token) error) error {
				return f.batch(s, batch, emit)
			})
		case "stream":
			items = f.streams(r, i, s, items)
		}
	}
	pipeline.Sink(r.Stage("sink", f.workers(len(f.stages))), items, func(_ context.Context, t *token) error {
		if err := f.try("sink", t.id); err != nil {
			t.end("failed")
			return err
		}
		t.end("arrived")
		return nil
	})
	return r
}

// batch hands on what does not fail; a fatal failure ends the whole batch.
func (f flow) batch(s *pipeline.Stage, batch []*token, emit func(*token) error) error {
	var stop error
	for _, t := range batch {
		err := stop
		if err == nil {
			err = f.try(s.Name(), t.id)
		}
		switch {
		case err == nil:
			stop = emit(t)
		case stop != nil || pipeline.IsFatal(err):
			stop = err
			t.end("failed")
		default:
			t.end("failed")
			s.Fault(t, err)
		}
	}
	return stop
}

// streams runs every item through Ordered and a Fan of two consumers; each of
// its blocks holds a byte of the budget until both are done with it.
func (f flow) streams(r *running, i int, s *pipeline.Stage, items <-chan *token) <-chan *token {
	at := func(place string) string { return fmt.Sprint(i, " ", place) }
	pool := pipeline.NewPool(r.Stage(at("work"), f.workers(i)))
	a, b := r.Stage(at("fan a"), f.workers(i)), r.Stage(at("fan b"), f.workers(i))
	return pipeline.Map(s, items, func(ctx context.Context, item *token, emit func(*token) error) error {
		fan := pipeline.NewFan(ctx, 1, func(t *token) { t.end("released") },
			pipeline.Consumer[*token]{Stage: a, Do: func(t *token) error { return f.try(at("fan a"), t.id) }},
			pipeline.Consumer[*token]{Stage: b, Do: func(t *token) error { return f.try(at("fan b"), t.id) }},
		)
		err := pipeline.Ordered(ctx, s, pool, f.window,
			func(ctx context.Context, emit func(*token) error) error {
				for range f.blocks {
					if err := f.try(at("produce"), item.id); err != nil {
						return err
					}
					n, err := r.budget.Acquire(ctx, 1)
					if err != nil {
						return err
					}
					if err := emit(r.book.token(item.id, func() { r.budget.Release(n) })); err != nil {
						return err
					}
				}
				return nil
			},
			func(t *token) (*token, error) {
				if err := f.try(at("work"), t.id); err != nil {
					t.end("failed block")
					return nil, err
				}
				return t, nil
			},
			func(t *token) error {
				if err := f.try(at("consume"), t.id); err != nil {
					t.end("failed block")
					return err
				}
				return fan.Send(t)
			})
		if e := fan.Close(); err == nil {
			err = e
		}
		if err != nil {
			item.end("failed")
			return err
		}
		return emit(item)
	})
}

// model walks the items through the flow one after the other and says what
// must arrive and what must fail, whatever the scheduling.
func (f flow) model() (arrived, failed []int) {
	level := make([]int, 0, f.items)
	for id := range f.items {
		level = append(level, id)
	}
	pass := func(ids []int, places ...string) (passed []int) {
		for _, id := range ids {
			if slices.ContainsFunc(places, func(p string) bool { return f.fail(p, id) != nil }) {
				failed = append(failed, id)
			} else {
				passed = append(passed, id)
			}
		}
		return passed
	}
	for i, kind := range f.stages {
		if kind != "stream" {
			level = pass(level, fmt.Sprint(i, " ", kind))
		} else if f.blocks > 0 {
			at := func(place string) string { return fmt.Sprint(i, " ", place) }
			level = pass(level, at("produce"), at("work"), at("consume"), at("fan a"), at("fan b"))
		}
		if kind == "twice" {
			var twice []int
			for _, id := range level {
				twice = append(twice, 2*id, 2*id+1)
			}
			level = twice
		}
	}
	arrived = pass(level, "sink")
	slices.Sort(arrived)
	slices.Sort(failed)
	return arrived, failed
}
