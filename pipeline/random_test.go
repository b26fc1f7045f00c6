package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// The ways in which a random flow is ended.
const (
	untouched = iota
	fatal
	cancelled
	softly
	softlyThenCancelled
	endings
)

// A trial is a random flow, with a model of what must come of it.
type trial struct {
	flow
	seed   uint64
	ending int
	after  time.Duration // when the run is stopped or cancelled
	fatal  string        // place and id of the fatal fault
}

var errOfOneItem, errOfTheRun, errSignal = errors.New("this item"), errors.New("the run"), errors.New("signal")

// newTrial draws everything from the seed: topology, workers, windows, budget,
// which items fail where and how long each takes. variant changes only what
// must not matter: workers, windows, budget, times.
func newTrial(seed uint64, variant uint64) trial {
	rng := rand.New(rand.NewPCG(seed, 0))
	kinds := []string{"map", "twice", "batch", "stream"}
	c := trial{seed: seed, ending: rng.IntN(endings)}
	c.items, c.intake, c.blocks = rng.IntN(30), -1, rng.IntN(6)
	for range rng.IntN(5) {
		c.stages = append(c.stages, kinds[rng.IntN(len(kinds))])
	}
	if n := len(c.stages); n > 0 && rng.IntN(2) == 0 {
		c.intake = rng.IntN(n)
	}
	failing := rng.Uint64N(12) // in a hundred
	c.fatal = fmt.Sprint(c.place(rng), rng.IntN(30))
	c.fail = func(where string, id int) error {
		switch {
		case c.ending == fatal && fmt.Sprint(where, id) == c.fatal:
			return pipeline.Fatal(errOfTheRun)
		case where != "source" && chance(seed, where, id)%100 < failing:
			return errOfOneItem
		}
		return nil
	}

	other := rand.New(rand.NewPCG(seed, 1+variant))
	workers := make([]int, len(c.stages)+1)
	for i := range workers {
		workers[i] = 1 + other.IntN(5)
	}
	c.workers = func(i int) int { return workers[i] }
	c.window, c.budget = 1+other.IntN(5), 1+other.Int64N(8)
	c.after = time.Duration(other.IntN(60)) * time.Millisecond / 2
	slow := other.Uint64N(4)
	c.nap = func(where string, id int) {
		if ms := chance(seed+variant, where, id) % (slow + 1); ms > 0 {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
	}
	return c
}

// place draws one of the places in which the flow can fail.
func (c trial) place(rng *rand.Rand) string {
	all := []string{"source", "sink"}
	for i, kind := range c.stages {
		if kind != "stream" {
			all = append(all, fmt.Sprint(i, " ", kind))
			continue
		}
		for _, p := range []string{"produce", "work", "consume", "fan a", "fan b"} {
			all = append(all, fmt.Sprint(i, " ", p))
		}
	}
	return all[rng.IntN(len(all))]
}

// chance is a number that depends on its arguments alone.
func chance(seed uint64, where string, id int) uint64 {
	h := rand.NewPCG(seed, uint64(id))
	for _, c := range []byte(where) {
		h = rand.NewPCG(h.Uint64(), uint64(c))
	}
	return h.Uint64()
}

func (c trial) String() string {
	return fmt.Sprintf("seed %d: %d items through %v, ending %d after %v, fatal at %q, intake %d, window %d, %d blocks, budget %d",
		c.seed, c.items, c.stages, c.ending, c.after, c.fatal, c.intake, c.window, c.blocks, c.budget)
}

// run ends the flow as the trial says and compares what came of it with the
// model. It returns what Wait returned.
func (c trial) run(t *testing.T) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r := c.start(ctx)
	switch c.ending {
	case cancelled:
		time.Sleep(c.after)
		cancel(errSignal)
	case softly, softlyThenCancelled:
		time.Sleep(c.after)
		r.Stop()
		if c.ending == softlyThenCancelled {
			time.Sleep(c.after / 4)
			cancel(errSignal)
		}
	}
	err := r.Wait()
	settled(t, r)
	arrived, failed := c.model()
	gotArrived, gotFailed := r.book.as("arrived"), r.book.as("failed")
	if !within(gotArrived, arrived) || err == nil && !slices.Equal(gotArrived, arrived) {
		t.Errorf("Wait: %v; arrived %v of %v", err, gotArrived, arrived)
	}
	if err == nil && !slices.Equal(gotFailed, failed) {
		t.Errorf("failed %v, want %v", gotFailed, failed)
	}
	c.judge(t, r, err)
	return err
}

// judge says whether the run may have ended with err, and whether what was
// thrown away fits it.
func (c trial) judge(t *testing.T, r *running, err error) {
	var allowed []error
	switch c.ending {
	case untouched:
		allowed = []error{nil}
	case fatal:
		allowed = []error{nil, errOfTheRun} // nil if the item never got there: judged by what arrived
	case cancelled:
		allowed = []error{nil, errSignal}
	case softly:
		allowed = []error{nil, pipeline.ErrStopped}
	case softlyThenCancelled:
		allowed = []error{nil, pipeline.ErrStopped, errSignal}
	}
	if !slices.ContainsFunc(allowed, func(e error) bool { return errors.Is(err, e) }) {
		t.Errorf("Wait: %v, allowed %v", err, allowed)
	}
	for _, fault := range r.failed() {
		if !errors.Is(fault, errOfOneItem) {
			t.Errorf("fault %v", fault)
		}
	}
	// Without a cancel every failure is told, and only a soft stop throws
	// items away; a failed stream throws away the blocks of its own item.
	if err != nil && err != pipeline.ErrStopped {
		return
	}
	if told, failed := len(r.failed()), len(r.book.as("failed")); told != failed {
		t.Errorf("%d items failed, %d faults told", failed, told)
	}
	for how, ids := range r.book.ended {
		if strings.HasPrefix(how, "dropped") && !(how == stopped && err == pipeline.ErrStopped) && how != "dropped: "+errOfOneItem.Error() {
			t.Errorf("Wait: %v, but %s: %v", err, how, ids)
		}
	}
}

// within reports whether the sorted part is a sub-multiset of the sorted all.
func within(part, all []int) bool {
	for _, id := range part {
		i, ok := slices.BinarySearch(all, id)
		if !ok {
			return false
		}
		all = slices.Delete(slices.Clone(all), i, i+1)
	}
	return true
}

// Random flows, each with several numbers of workers, windows, budgets and
// times: what arrives and what fails does not depend on them, every item and
// block ends once, and no ending passes for another.
func TestRandomFlows(t *testing.T) {
	const first, trials, variants = 20261123, 250, 3
	seen := map[string]int{}
	for seed := uint64(first); seed < first+trials; seed++ {
		for variant := range uint64(variants) {
			c := newTrial(seed, variant)
			synctest.Test(t, func(t *testing.T) {
				seen[fmt.Sprint(c.ending, " ", c.run(t))]++
			})
			if t.Failed() {
				t.Fatalf("variant %d of %v", variant, c)
			}
		}
	}
	t.Logf("seeds %d to %d; endings: %v", first, first+trials-1, seen)
	for _, want := range []error{nil, errOfTheRun, errSignal, pipeline.ErrStopped} {
		found := false
		for how := range seen {
			found = found || strings.HasSuffix(how, fmt.Sprint(want))
		}
		if !found {
			t.Errorf("no run ended with %v: the trials are not what they should be", want)
		}
	}
}
