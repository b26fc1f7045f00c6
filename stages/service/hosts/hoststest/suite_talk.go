package hoststest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"firn/stages/service/hosts"
)

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
