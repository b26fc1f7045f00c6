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

// A rig is a test with its links.
type rig struct {
	t     *testing.T
	ctx   context.Context
	b     Broker
	lease time.Duration
	links []hosts.Link
}

func (r *rig) link() hosts.Link {
	l := r.b.Link()
	r.links = append(r.links, l)
	return l
}

// leave closes a link, and kill kills it.
func (r *rig) leave(l hosts.Link) {
	r.links = slices.DeleteFunc(r.links, func(o hosts.Link) bool { return o == l })
	r.ok(l.Close())
}

func (r *rig) kill(l hosts.Link) {
	r.links = slices.DeleteFunc(r.links, func(o hosts.Link) bool { return o == l })
	r.b.Kill(l)
}

func (r *rig) close() {
	for _, l := range r.links {
		if err := l.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// lead is a link that leads.
func (r *rig) lead() hosts.Link {
	r.t.Helper()
	l := r.link()
	r.ok(l.Lead(r.ctx, r.lease))
	return l
}

// take takes an item, which must be that one.
func (r *rig) take(l hosts.Link, id string, try int) lent {
	r.t.Helper()
	got, err := l.Take(r.ctx)
	r.ok(err)
	if got.ID() != id || got.Try() != try || string(got.Body()) != "body of "+id || got.Term() != r.lease {
		r.t.Fatalf("%q, try %d, body %q, for %v, was handed out; want %q, try %d, for %v",
			got.ID(), got.Try(), got.Body(), got.Term(), id, try, r.lease)
	}
	return got
}

type lent interface {
	Renew(context.Context) error
	Done(context.Context) error
	Return(context.Context, time.Duration) error
}

func (r *rig) offer(l hosts.Link, ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.ok(l.Offer(r.ctx, id, []byte("body of "+id)))
	}
}

// kept waits until a queue keeps that: what it says of what others did may be late.
func (r *rig) kept(l hosts.Link, want hosts.Kept) {
	r.t.Helper()
	for until := time.Now().Add(10 * r.lease); ; time.Sleep(r.lease / 50) {
		have, err := l.Kept(r.ctx)
		r.ok(err)
		if have == want {
			return
		}
		if time.Now().After(until) {
			r.t.Fatalf("%+v is kept, not %+v", have, want)
		}
	}
}

// until calls a method that passes things on, and ends it once n were.
func until[T any](r *rig, n int, pass func(context.Context, func(T) error) error, fails func(T) bool) (got []T) {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(r.ctx)
	enough := errors.New("enough")
	err := pass(ctx, func(v T) error {
		if fails != nil && fails(v) {
			return errors.New("not now")
		}
		if got = append(got, v); len(got) == n {
			cancel(enough)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		r.t.Fatalf("it ended after %d with %v", len(got), err)
	}
	return got
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
	r.offer(boss, "a", "b")
	start := time.Now()
	r.take(dead, "a", 1)
	r.kill(dead)
	r.ok(r.take(other, "b", 1).Done(r.ctx))
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
	boss, worker := r.lead(), r.link()
	r.offer(boss, "a", "b")
	start := time.Now()
	r.ok(r.take(worker, "a", 1).Return(r.ctx, r.lease/2))
	r.ok(r.take(worker, "b", 1).Done(r.ctx))
	again := r.take(worker, "a", 2)
	if took := time.Since(start); took < r.lease/2 {
		r.t.Errorf("it came again after %v, not %v", took, r.lease/2)
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

// testAnswers: answers come in their order, one at a time, and again until they are accepted.
func testAnswers(r *rig) {
	boss, worker := r.lead(), r.link()
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprint(i))
		r.ok(worker.Answer(r.ctx, []byte(want[i])))
	}
	r.kept(worker, hosts.Kept{Answers: 40})
	answers := func(ctx context.Context, fn func(string) error) error {
		var one sync.Mutex
		return boss.Answers(ctx, func(body []byte) error {
			if !one.TryLock() {
				r.t.Error("two answers at once")
			}
			defer one.Unlock()
			return fn(string(body))
		})
	}
	refused := 0
	got := until(r, 10, answers, func(v string) bool {
		if v == "3" && refused < 2 {
			refused++
			return true
		}
		return false
	})
	if refused != 2 {
		r.t.Errorf("an answer that was refused came again %d times", refused)
	}
	got = append(got, until(r, 29, answers, nil)...)
	r.ok(worker.Answer(r.ctx, []byte("last")))
	got = append(got, until(r, 2, answers, nil)...)
	if want = append(want, "last"); !slices.Equal(got, want) {
		r.t.Errorf("the answers were %q", got)
	}
	r.kept(boss, hosts.Kept{})
}

// testLead: one leads at a time; the next drops what the one before left, and its lease is used.
func testLead(r *rig) {
	first, worker := r.lead(), r.link()
	r.offer(first, "a", "b")
	old := r.take(worker, "a", 1)
	r.ok(worker.Answer(r.ctx, []byte("of the first run")))
	second := r.link()
	ctx, cancel := context.WithCancel(r.ctx)
	var answers sync.WaitGroup
	answers.Go(func() { // one that leads listens
		_ = first.Answers(ctx, func([]byte) error { return errors.New("later") })
	})
	if err := second.Lead(r.ctx, r.lease); !errors.Is(err, hosts.ErrLed) {
		r.t.Fatalf("two lead: %v", err)
	}
	r.leave(second)
	cancel()
	answers.Wait()
	r.kept(worker, hosts.Kept{Waiting: 1, Held: 1, Answers: 1})
	r.leave(first)
	third := r.lead()
	r.kept(worker, hosts.Kept{})
	r.ok(old.Done(r.ctx)) // of a run that is over
	r.offer(third, "a")
	r.ok(old.Done(r.ctx)) // nor is it this one
	r.ok(r.take(worker, "a", 1).Done(r.ctx))
	r.kill(third)
	r.lease *= 2
	fourth := r.lead()
	r.offer(fourth, "c")
	r.ok(r.take(worker, "c", 1).Done(r.ctx))
	r.ok(worker.Answer(r.ctx, []byte("of the last run")))
	got := until(r, 1, fourth.Answers, nil)
	if string(got[0]) != "of the last run" {
		r.t.Errorf("the answer was %q", got)
	}
}

// testTell: what is told comes to the coordinator, and what is announced to all.
func testTell(r *rig) {
	boss, a, b := r.lead(), r.link(), r.link()
	heard, wrong := make(chan string, 100), make(chan string, 100)
	to := func(c chan string) func([]byte) { return func(body []byte) { c <- string(body) } }
	r.ok(boss.Heard(to(wrong)))
	r.ok(boss.Heard(to(heard)))
	announced := make(chan string, 100)
	r.ok(a.Announced(to(announced)))
	r.ok(b.Announced(to(announced)))
	expect := func(c chan string, want string, say func([]byte) error) {
		r.t.Helper()
		for { // it may be lost
			r.ok(say([]byte(want)))
			select {
			case got := <-c:
				if got != want {
					r.t.Errorf("%q was said, and not %q", got, want)
				}
				return
			case <-time.After(r.lease):
			case <-r.ctx.Done():
				r.t.Fatal("nobody hears")
			}
		}
	}
	expect(heard, "from a", a.Tell)
	expect(heard, "from b", b.Tell)
	expect(announced, "to all", boss.Announce)
	select {
	case <-announced: // the other one
	case <-time.After(10 * r.lease):
		r.t.Error("one did not hear")
	}
	select {
	case got := <-wrong:
		r.t.Errorf("who was replaced heard %q", got)
	default:
	}
}

// testAsk: the coordinator replies, or nobody does.
func testAsk(r *rig) {
	worker := r.link()
	if _, err := worker.Ask(r.ctx, nil); !errors.Is(err, hosts.ErrNobody) {
		r.t.Errorf("without a coordinator: %v", err)
	}
	boss := r.lead()
	r.ok(boss.Serve(func(body []byte) []byte { return append([]byte("re: "), body...) }))
	for {
		got, err := worker.Ask(r.ctx, []byte("what?"))
		if errors.Is(err, hosts.ErrNobody) { // that it serves may take a moment to be known
			continue
		}
		r.ok(err)
		if string(got) != "re: what?" {
			r.t.Errorf("the reply was %q", got)
		}
		break
	}
	r.leave(boss)
	for {
		_, err := worker.Ask(r.ctx, nil)
		if errors.Is(err, hosts.ErrNobody) {
			break
		}
		r.ok(err)
	}
}

// testMany: some workers, each with some goroutines, end each item once, and all answers come.
func testMany(r *rig) {
	r.lease *= 20 // none may end
	const items, workers, each = 400, 3, 4
	boss := r.lead()
	var offers, takes sync.WaitGroup
	offers.Go(func() {
		for i := range items {
			r.offer(boss, fmt.Sprint(i))
		}
	})
	ctx, cancel := context.WithCancel(r.ctx)
	for range workers {
		l := r.link()
		for range each {
			takes.Go(func() {
				for {
					got, err := l.Take(ctx)
					if err != nil {
						return
					}
					if err := errors.Join(l.Answer(r.ctx, []byte(got.ID())), got.Done(r.ctx)); err != nil {
						r.t.Error(err)
					}
				}
			})
		}
	}
	counts := map[string]int{}
	for _, body := range until(r, items, boss.Answers, nil) {
		counts[string(body)]++
	}
	offers.Wait()
	r.kept(boss, hosts.Kept{})
	cancel()
	takes.Wait()
	if len(counts) != items {
		r.t.Errorf("%d of %d items were answered", len(counts), items)
	}
}
