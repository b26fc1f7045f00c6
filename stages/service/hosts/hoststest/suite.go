package hoststest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/stages/service/hosts"
)

// A Broker is a queue that TestLink looks at.
type Broker struct {
	Link func() hosts.Link // of another process; whoever asks closes or kills it
	Kill func(hosts.Link)  // ends a link as kill -9 ends a process
}

// TestLink is what each driver of hosts.Link must pass. run calls a test with a new queue, in a bubble
// of testing/synctest if time is virtual. lease is the shortest that the driver can tell apart from
// a delay of the machine.
func TestLink(t *testing.T, lease time.Duration, run func(*testing.T, func(*testing.T, Broker))) {
	for _, c := range []struct {
		name string
		test func(*rig)
	}{
		{"Items", testItems},
		{"Lease", testLease},
		{"Renew", testRenew},
		{"Return", testReturn},
		{"LateDone", testLateDone},
		{"Spent", testSpent},
		{"Withdraw", testWithdraw},
		{"Cancel", testCancel},
		{"Answers", testAnswers},
		{"Lead", testLead},
		{"Tell", testTell},
		{"Ask", testAsk},
		{"Many", testMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T, b Broker) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute+20*lease)
				defer cancel()
				r := &rig{t: t, ctx: ctx, b: b, lease: lease}
				defer r.close()
				c.test(r)
			})
		})
	}
}

// testItems: each id is kept once, and handed out once, in the order in which they were offered.
func testItems(r *rig) {
	boss, worker := r.lead(), r.link()
	ids := []string{"a", "", "with blank", "a.b.*.>", "line\nbreak\r\n", "größe", strings.Repeat("long/", 500), "\xff\x00"}
	r.offer(boss, ids...)
	r.ok(boss.Offer(r.ctx, "a", []byte("another body")))
	r.kept(worker, hosts.Kept{Waiting: int64(len(ids))})
	for i, id := range ids {
		got := r.take(worker, id, 1)
		r.ok(boss.Offer(r.ctx, id, []byte("it is held")))
		r.kept(boss, hosts.Kept{Waiting: int64(len(ids) - i - 1), Held: 1})
		r.ok(got.Done(r.ctx))
	}
	r.kept(boss, hosts.Kept{})
	r.offer(boss, "a") // it is over: so this is another one
	r.ok(r.take(worker, "a", 1).Done(r.ctx))
	big := bytes.Repeat([]byte{0, 1, 0xff}, 200_000)
	r.ok(boss.Offer(r.ctx, "big", big))
	got, err := worker.Take(r.ctx)
	r.ok(err)
	if got.ID() != "big" || !bytes.Equal(got.Body(), big) {
		r.t.Errorf("%q has another body", got.ID())
	}
	r.ok(got.Done(r.ctx))
}

// testLease: what is not ended in time is handed out again, to whoever waits.
func testLease(r *rig) {
	boss, dead, other := r.lead(), r.link(), r.link()
	r.offer(boss, "b", "a")
	done := r.take(other, "b", 1)
	start := time.Now()
	r.take(dead, "a", 1)
	r.kill(dead)
	r.ok(done.Done(r.ctx))
	again := r.take(other, "a", 2)
	if took := time.Since(start); took < r.lease*9/10 {
		r.t.Errorf("a lease of %v ended after %v", r.lease, took)
	}
	r.ok(again.Done(r.ctx))
	r.kept(boss, hosts.Kept{})
}

// testRenew: what is renewed is not handed out.
func testRenew(r *rig) {
	boss, worker, other := r.lead(), r.link(), r.link()
	r.offer(boss, "a")
	held := r.take(worker, "a", 1)
	second := make(chan string, 1)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var waits sync.WaitGroup
	waits.Go(func() {
		if got, err := other.Take(ctx); err == nil {
			second <- fmt.Sprintf("%s, try %d", got.ID(), got.Try())
			if err := got.Done(ctx); err != nil {
				r.t.Error(err)
			}
		}
	})
	late := false // this machine was too slow to judge
	for start, last := time.Now(), time.Now(); time.Since(start) < 3*r.lease && !late; {
		r.ok(held.Renew(r.ctx))
		late = time.Since(last) > r.lease*3/4
		last = time.Now()
		select {
		case got := <-second:
			if !late {
				r.t.Fatalf("a renewed item was handed out: %s", got)
			}
		case <-time.After(r.lease / 5):
		}
	}
	if late {
		cancel()
		waits.Wait()
		r.t.Skip("this machine is too slow for such a lease")
	}
	if got := <-second; got != "a, try 2" { // now nobody renews it
		r.t.Errorf("%s was handed out", got)
	}
	waits.Wait()
	r.kept(boss, hosts.Kept{})
}

// testReturn: what is handed back is handed out again, after a time, or at once.
func testReturn(r *rig) {
	r.lease *= 20 // none is over here
	const after = time.Second / 2
	boss, worker := r.lead(), r.link()
	r.offer(boss, "a", "b")
	first, second := r.take(worker, "a", 1), r.take(worker, "b", 1)
	start := time.Now()
	r.ok(first.Return(r.ctx, after))
	r.ok(second.Done(r.ctx))
	again := r.take(worker, "a", 2)
	if took := time.Since(start); took < after {
		r.t.Errorf("it came again after %v, not %v", took, after)
	}
	r.ok(again.Return(r.ctx, 0))
	r.ok(r.take(worker, "a", 3).Done(r.ctx))
	r.kept(boss, hosts.Kept{})
}

// testLateDone: who is late ends the item all the same.
func testLateDone(r *rig) {
	boss, slow, other := r.lead(), r.link(), r.link()
	r.offer(boss, "a")
	held := r.take(slow, "a", 1)
	again := r.take(other, "a", 2)
	r.ok(held.Done(r.ctx))
	r.kept(boss, hosts.Kept{})
	for _, end := range []func() error{
		func() error { return again.Renew(r.ctx) },
		func() error { return again.Done(r.ctx) },
		func() error { return again.Return(r.ctx, 0) },
		func() error { return held.Done(r.ctx) },
	} {
		r.ok(end())
	}
	r.offer(boss, "b")
	r.ok(r.take(other, "b", 1).Done(r.ctx))
}

// testSpent: what was handed out too often is passed on, however its leases ended, and nothing else is.
func testSpent(r *rig) {
	boss, worker := r.lead(), r.link()
	r.offer(boss, "kept")
	kept := r.take(worker, "kept", 1) // it lies below what is spent
	ctx, cancel := context.WithCancel(r.ctx)
	var renews sync.WaitGroup
	renews.Go(func() {
		for ctx.Err() == nil {
			_ = kept.Renew(ctx)
			select {
			case <-time.After(r.lease / 5):
			case <-ctx.Done():
			}
		}
	})
	defer renews.Wait()
	defer cancel()
	r.offer(boss, "returned")
	for try := range hosts.MaxTries {
		r.ok(r.take(worker, "returned", try+1).Return(r.ctx, 0))
	}
	r.offer(boss, "expired")
	for try := range hosts.MaxTries {
		r.take(worker, "expired", try+1)
	}
	refused := 0
	got := until(r, 2, func(ctx context.Context, fn func(string) error) error {
		return boss.Spent(ctx, func(id string, body []byte) error {
			if string(body) != "body of "+id {
				r.t.Errorf("%q has the body %q", id, body)
			}
			return fn(id)
		})
	}, func(string) bool { refused++; return refused == 1 })
	slices.Sort(got)
	if !slices.Equal(got, []string{"expired", "returned"}) {
		r.t.Errorf("%q are spent", got)
	}
	r.kept(boss, hosts.Kept{Held: 1})
	r.ok(kept.Done(r.ctx))
	r.offer(boss, "returned") // it may be offered again
	r.ok(r.take(worker, "returned", 1).Done(r.ctx))
	r.kept(boss, hosts.Kept{})
}

// testWithdraw: what nobody holds is dropped.
func testWithdraw(r *rig) {
	boss, worker := r.lead(), r.link()
	r.ok(boss.Withdraw(r.ctx))
	for i := range 300 {
		r.offer(boss, fmt.Sprint(i))
	}
	held := r.take(worker, "0", 1)
	r.ok(boss.Withdraw(r.ctx))
	r.kept(boss, hosts.Kept{Held: 1})
	r.ok(held.Done(r.ctx))
	r.offer(boss, "7")
	r.ok(r.take(worker, "7", 1).Done(r.ctx))
	r.kept(boss, hosts.Kept{})
}

// testCancel: who does not wait any more gets nothing, and so holds nothing.
func testCancel(r *rig) {
	r.lease *= 20 // what comes late has waited for the end of one
	boss, worker, other := r.lead(), r.link(), r.link()
	why := errors.New("why")
	for i := range 20 {
		ctx, cancel := context.WithCancelCause(r.ctx)
		taken := make(chan error, 1)
		go func() {
			got, err := worker.Take(ctx)
			if err == nil { // it was there first
				err = got.Done(r.ctx)
			}
			taken <- err
		}()
		offered := make(chan error, 1)
		id := fmt.Sprint(i)
		go func() { offered <- boss.Offer(r.ctx, id, []byte("body of "+id)) }()
		if i%2 == 0 {
			r.ok(<-offered)
			offered <- nil
		}
		cancel(why)
		r.ok(<-offered)
		start := time.Now()
		switch err := <-taken; {
		case errors.Is(err, why):
			got, err := other.Take(r.ctx)
			r.ok(err)
			if took := time.Since(start); took > r.lease*9/10 {
				r.t.Errorf("%q came %v after the first did not wait any more, try %d", got.ID(), took, got.Try())
			}
			r.ok(got.Done(r.ctx))
		case err != nil:
			r.t.Fatal(err)
		}
	}
	r.kept(boss, hosts.Kept{})
}
