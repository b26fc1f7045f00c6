package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
)

// told keeps what a link tells.
type told struct {
	mu          sync.Mutex
	notices     []string
	lost, again int
}

func (n *told) options(o jetstream.Options) jetstream.Options {
	o.Notice = func(text string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.notices = append(n.notices, text)
	}
	o.Lost = func(error) { n.mu.Lock(); n.lost++; n.mu.Unlock() }
	o.Again = func() { n.mu.Lock(); n.again++; n.mu.Unlock() }
	return o
}

// has waits for a notice with a text.
func (n *told) has(t *testing.T, text string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		n.mu.Lock()
		all := strings.Join(n.notices, "\n")
		n.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the user was not told of %q, but of:\n%s", text, all)
		}
	}
}

// TestBrokerKilled: what a broker acknowledged is there after kill -9, and all go on by themselves.
func TestBrokerKilled(t *testing.T) {
	s := harness.NATS(t)
	var n told
	o := n.options(options(s.URL))
	boss, worker := link(t, o), link(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, boss.Lead(ctx, 30*lease))
	const items = 300
	offered := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(offered)
		for i := range items {
			check(t, boss.Offer(ctx, fmt.Sprint(i), nil))
		}
	})
	taking, stop := context.WithCancel(ctx)
	done := make(chan string, 2*items)
	for range 3 {
		all.Go(func() {
			for {
				got, err := worker.Take(taking)
				if err != nil {
					return
				}
				if err := errors.Join(worker.Answer(ctx, []byte(got.ID())), got.Done(ctx)); err != nil {
					t.Error(err)
				}
				done <- got.ID()
			}
		})
	}
	answers := map[string]int{}
	var hears sync.WaitGroup
	hearing, deaf := context.WithCancel(ctx)
	hears.Go(func() {
		_ = boss.Answers(hearing, func(body []byte) error {
			if answers[string(body)]++; len(answers) == items {
				stop()
			}
			return nil
		})
	})
	for range 3 {
		for range 20 { // some way into the work
			<-done
		}
		s.Kill()
		check(t, s.Restart(ctx))
	}
	all.Wait()
	hears.Go(func() {
		for ctx.Err() == nil {
			if k, err := boss.Kept(ctx); err != nil || k == (hosts.Kept{}) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		deaf()
	})
	hears.Wait()
	if len(answers) != items || ctx.Err() != nil {
		k, err := boss.Kept(t.Context())
		t.Errorf("%d of %d items were answered; %+v is kept, %v", len(answers), items, k, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost == 0 || n.lost != n.again || n.lost > 6 {
		t.Errorf("the user was told of %d lost connections, and of %d that were there again", n.lost, n.again)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestDeposed: a coordinator that was not to be seen for too long does nothing for the run of another.
func TestDeposed(t *testing.T) {
	s := harness.NATS(t)
	o := options(s.URL)
	first, second := link(t, o), link(t, o)
	check(t, first.Lead(t.Context(), lease))
	// It does not listen, as a process that is stopped.
	check(t, second.Lead(t.Context(), lease))
	err := first.Answers(t.Context(), func([]byte) error { return nil })
	if !errors.Is(err, hosts.ErrLed) || !pipeline.IsFatal(err) {
		t.Errorf("answers: %v", err)
	}
	for name, err := range map[string]error{
		"offer": first.Offer(t.Context(), "a", nil), "withdraw": first.Withdraw(t.Context()),
		"spent": first.Spent(t.Context(), func(string, []byte) error { return nil }),
	} {
		if !errors.Is(err, hosts.ErrLed) || !pipeline.IsFatal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, err := second.Kept(t.Context()); k != (hosts.Kept{}) || err != nil {
		t.Errorf("%+v is kept, %v", k, err)
	}
}

// TestStreamsLost: a broker that comes back without its disk, or somebody who deletes a stream, takes
// nothing but what was offered and answered, and what is said late of it is of nothing that follows.
func TestStreamsLost(t *testing.T) {
	for name, lost := range map[string][]string{"items": {"items"}, "answers": {"answers"}, "both": {"items", "answers"}} {
		t.Run(name, func(t *testing.T) {
			s := harness.NATS(t)
			o := options(s.URL)
			boss, worker := link(t, o), link(t, o)
			check(t, boss.Lead(t.Context(), 30*lease))
			check(t, boss.Offer(t.Context(), "a", nil))
			late, err := worker.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			raw := connect(t, s.URL)
			for _, stream := range lost {
				check(t, raw.DeleteStream(t.Context(), "FIRN_"+o.Name+"_"+stream))
			}
			check(t, boss.Offer(t.Context(), "b", nil))
			got, err := worker.Take(t.Context())
			if err != nil || got.ID() != "b" {
				t.Fatal(got, err)
			}
			check(t, late.Done(t.Context()))
			if k, err := boss.Kept(t.Context()); k != (hosts.Kept{Held: 1}) || err != nil {
				t.Errorf("%+v is kept, %v", k, err)
			}
			var hears sync.WaitGroup
			hearing, deaf := context.WithCancel(t.Context())
			hears.Go(func() {
				_ = boss.Answers(hearing, func(body []byte) error {
					if string(body) == "done" {
						deaf()
					}
					return nil
				})
			})
			check(t, worker.Answer(t.Context(), []byte("done")))
			check(t, got.Done(t.Context()))
			hears.Wait()
			if hearing.Err() == nil {
				t.Error("the answer did not come")
			}
			deaf()
			if k, err := boss.Kept(t.Context()); k != (hosts.Kept{}) || err != nil {
				t.Errorf("%+v is kept, %v", k, err)
			}
		})
	}
}

// TestStreamsLostBeforeLead: a coordinator that waits for another one to end leads, though the broker
// came back without its disk.
func TestStreamsLostBeforeLead(t *testing.T) {
	s := harness.NATS(t)
	var n told
	o := options(s.URL)
	first, second := link(t, o), link(t, n.options(o))
	check(t, first.Lead(t.Context(), lease))
	first.Kill()
	led := make(chan error)
	go func() { led <- second.Lead(t.Context(), lease) }()
	n.has(t, "another coordinator uses the queue")
	raw := connect(t, s.URL)
	for _, stream := range []string{"items", "answers"} {
		check(t, raw.DeleteStream(t.Context(), "FIRN_"+o.Name+"_"+stream))
	}
	check(t, <-led)
	check(t, second.Offer(t.Context(), "a", nil))
}

// TestBrokerFull: a broker without room is asked again, and the user knows.
func TestBrokerFull(t *testing.T) {
	s := harness.NATS(t, func(c *harness.NATSConfig) { c.MaxStore = 1 << 20 })
	var n told
	o := n.options(options(s.URL))
	boss, worker := link(t, o), link(t, o)
	check(t, boss.Lead(t.Context(), 30*lease))
	body := make([]byte, 300_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var offers sync.WaitGroup
	offers.Go(func() {
		for i := range 10 {
			check(t, boss.Offer(ctx, fmt.Sprint(i), body))
		}
	})
	n.has(t, "its disk or its limit of storage is full; trying again")
	for range 10 {
		got, err := worker.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		check(t, got.Done(ctx))
	}
	offers.Wait()
	n.has(t, "works again")
}

// TestLargeMessage: what no broker takes is said at once.
func TestLargeMessage(t *testing.T) {
	s := harness.NATS(t)
	boss := link(t, options(s.URL))
	check(t, boss.Lead(t.Context(), lease))
	for _, err := range []error{boss.Offer(t.Context(), "a", make([]byte, 1<<20)), boss.Answer(t.Context(), make([]byte, 1<<20))} {
		if !pipeline.IsFatal(err) || !strings.Contains(fmt.Sprint(err), "takes messages of up to 1048576 bytes (max_payload)") {
			t.Error(err)
		}
	}
}

// TestForeignMessage: what others write where items are is nobody's item.
func TestForeignMessage(t *testing.T) {
	s := harness.NATS(t)
	var n told
	o := n.options(options(s.URL))
	boss, worker := link(t, o), link(t, o)
	check(t, boss.Lead(t.Context(), 30*lease))
	raw := connect(t, s.URL)
	for _, data := range []string{"", "nonsense", "\x00\x00", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01\x01a"} {
		if _, err := raw.Publish(t.Context(), fmt.Sprintf("firn.%s.item.a%x", o.Name, data), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	check(t, boss.Offer(t.Context(), "a", nil))
	got, err := worker.Take(t.Context())
	if err != nil || got.ID() != "a" {
		t.Fatal(got, err)
	}
	check(t, got.Done(t.Context()))
	n.has(t, "that is no item: dropped")
	n.mu.Lock()
	defer n.mu.Unlock()
	if said := strings.Count(strings.Join(n.notices, "\n"), "no item"); said != 1 {
		t.Errorf("it was told %d times", said)
	}
}

// TestForgedAdvisory: an item is not spent because somebody says so: the broker's numbers must agree.
func TestForgedAdvisory(t *testing.T) {
	s := harness.NATS(t)
	o := options(s.URL)
	boss, worker := link(t, o), link(t, o)
	check(t, boss.Lead(t.Context(), 30*lease))
	take := func(id string) pipeline.Lease {
		t.Helper()
		got, err := worker.Take(t.Context())
		if err != nil || got.ID() != id {
			t.Fatal(got, err)
		}
		return got
	}
	found := func(want []uint64, hints ...uint64) {
		t.Helper()
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // it tells late
			got, err := boss.Look(t.Context(), hints...)
			if slices.Equal(got, want) && err == nil {
				return
			}
			if want == nil || time.Now().After(until) {
				t.Fatalf("%v are spent, not %v; %v", got, want, err)
			}
		}
	}
	for _, id := range []string{"held", "spent"} {
		check(t, boss.Offer(t.Context(), id, nil))
	}
	stream, err := connect(t, s.URL).Stream(t.Context(), "FIRN_"+o.Name+"_items")
	if err != nil {
		t.Fatal(err)
	}
	first := stream.CachedInfo().State.FirstSeq
	held := take("held")
	found(nil, first, first+1)
	for range hosts.MaxTries {
		check(t, take("spent").Return(t.Context(), 0))
	}
	check(t, boss.Offer(t.Context(), "waiting", nil))
	found([]uint64{first + 1}, first+1, first+2) // what nobody had is no hint
	found(nil, first, first+1)
	check(t, held.Done(t.Context()))
	found([]uint64{first + 1}) // it is at the floor now
}
