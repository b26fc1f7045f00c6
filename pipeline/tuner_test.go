package pipeline_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// A link carries items one after the other at a rate, each a latency later.
type link struct {
	latency time.Duration // of each item, whatever its size
	rate    float64       // bytes a second over all; 0 is no limit
	window  float64       // bytes a second of one item; 0 is no limit
	most    int           // items at once from which on it refuses; 0 is no limit
	refused *pipeline.Throttle

	mu   sync.Mutex
	free time.Time // when the link has sent what it was given
	now  int
}

// send takes as long as the link needs for an item.
func (l *link) send(size float64) {
	l.mu.Lock()
	l.now++
	if l.most > 0 && l.now > l.most {
		l.refused.Note()
	}
	start := time.Now()
	end := start
	if l.rate > 0 {
		if l.free.Before(start) {
			l.free = start
		}
		l.free = l.free.Add(time.Duration(size / l.rate * float64(time.Second)))
		end = l.free
	}
	if l.window > 0 {
		if own := start.Add(time.Duration(size / l.window * float64(time.Second))); own.After(end) {
			end = own
		}
	}
	l.mu.Unlock()
	time.Sleep(time.Until(end) + l.latency)
	l.mu.Lock()
	l.now--
	l.mu.Unlock()
}

// tuned sends items of a size over a link until the time is over, and returns the number of workers
// found each second.
func tuned(t *testing.T, l *link, size int64, every, for_ time.Duration, change func(*link, time.Duration)) (found []int) {
	synctest.Test(t, func(t *testing.T) {
		l.refused = new(pipeline.Throttle)
		ctx, stop := context.WithCancelCause(t.Context())
		r := pipeline.New(ctx, pipeline.Options{})
		in := pipeline.Source(r.Stage("make", 1), func(_ context.Context, emit func(int64) error) error {
			for {
				time.Sleep(every)
				if err := emit(size); err != nil {
					return err
				}
			}
		})
		s := r.TunedStage("send", pipeline.Tuning{First: 8, Most: 128, Throttles: []*pipeline.Throttle{nil, l.refused}})
		pipeline.Sink(s, in, func(_ context.Context, size int64) error {
			l.send(float64(size))
			s.AddOut(size)
			return nil
		})
		start := time.Now()
		for time.Since(start) < for_ {
			time.Sleep(time.Second)
			if change != nil {
				l.mu.Lock()
				change(l, time.Since(start))
				l.mu.Unlock()
			}
			c := s.Counters()
			if !c.Tuned {
				t.Error("not tuned")
			}
			// No worker that may work is without work or input for long, and no other works.
			if c.Busy+c.Starved+c.Blocked != c.Offered {
				t.Errorf("%v of worker time offered: %+v", c.Offered, c)
			}
			found = append(found, c.Workers)
		}
		stop(errOver)
		if err := r.Wait(); err != errOver {
			t.Error(err)
		}
	})
	return found
}

var errOver = fmt.Errorf("the time is over")

func TestTunerFindsTheKnee(t *testing.T) {
	const kB, MB = 1e3, 1e6
	for name, test := range map[string]struct {
		link        *link
		size        int64
		every       time.Duration // one item is made in that time
		within      int           // seconds until it is found
		least, most int
	}{
		// 128 are not enough for a round trip: the most there may be.
		"tiny items, far away": {&link{latency: 200 * time.Millisecond}, 3 * kB, 0, 5, 128, 128},
		"tiny items, near":     {&link{latency: 40 * time.Millisecond}, 3 * kB, 0, 3, 128, 128},
		// 8 MB/s a connection, and 80 MB/s in all.
		"a window for each connection": {&link{latency: 100 * time.Millisecond, rate: 80 * MB, window: 8 * MB}, 8 * MB, 0, 60, 10, 24},
		"parts fill the link":          {&link{latency: 40 * time.Millisecond, rate: 20 * MB}, 8 * MB, 0, 60, 1, 12},
		"a slow link":                  {&link{latency: 100 * time.Millisecond, rate: 1 * MB}, 8 * MB, 0, 600, 1, 12},
		// The server handles 500 requests a second: at 40 ms, 20 connections.
		"a server that computes": {&link{latency: 40 * time.Millisecond, rate: 500 * 3 * kB}, 3 * kB, 0, 10, 16, 36},
		// Only 50 items a second are made: 8 connections carry them.
		"processor bound": {&link{latency: 40 * time.Millisecond}, 3 * kB, 20 * time.Millisecond, 60, 1, 8},
	} {
		t.Run(name, func(t *testing.T) {
			found := tuned(t, test.link, test.size, test.every, time.Duration(test.within+300)*time.Second, nil)
			changes := 0
			for i, n := range found[test.within:] {
				if n < test.least || n > test.most {
					t.Fatalf("%d workers after %d s, want %d to %d: %v", n, test.within+i, test.least, test.most, found)
				}
				if n != found[max(test.within+i-1, 0)] {
					changes++
				}
			}
			if changes > 3 {
				t.Errorf("it goes up and down: %v", found)
			}
		})
	}
}

// A server that refuses from 40 requests at once on is not asked for more for long, and what it
// refuses halves the workers.
func TestTunerHalvesWhenThrottled(t *testing.T) {
	l := &link{latency: 40 * time.Millisecond, most: 40}
	found := tuned(t, l, 3000, 0, 5*time.Minute, nil)
	over := 0
	for _, n := range found {
		if n > 40 {
			over++
		}
	}
	if over > len(found)/50 || found[len(found)-1] < 10 {
		t.Errorf("%d of %d seconds with more than 40 workers: %v", over, len(found), found)
	}
}

// A link that becomes another one is noticed, and what was found before does not hold.
func TestTunerFollowsTheLink(t *testing.T) {
	const MB = 1e6
	l := &link{latency: 100 * time.Millisecond, rate: 16 * MB, window: 2 * MB}
	found := tuned(t, l, 1*MB, 0, 10*time.Minute, func(l *link, at time.Duration) {
		switch at {
		case 3 * time.Minute:
			l.rate = 100 * MB
			l.window = 4 * MB
		case 6 * time.Minute:
			l.rate = 8 * MB
		}
	})
	before, faster, slower := found[170], found[350], found[590]
	if before < 8 || before > 20 || faster < 20 || faster > 80 || slower > 20 {
		t.Errorf("%d, %d, %d workers: %v", before, faster, slower, found)
	}
}

// A tuned pool drains as any other.
func TestTunedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		pool := pipeline.NewPool(r.TunedStage("fetch", pipeline.Tuning{First: 2, Most: 64}))
		from := r.Stage("from", 1)
		next := 0
		r.Go(func(ctx context.Context) error {
			return from.Busy(func() error {
				return pipeline.Ordered(ctx, from, pool, 64,
					func(_ context.Context, emit func(int) error) error {
						for i := range 5000 {
							if err := emit(i); err != nil {
								return err
							}
						}
						return nil
					},
					func(i int) (int, error) { time.Sleep(100 * time.Millisecond); return i, nil },
					func(i int) error {
						if i != next {
							t.Errorf("%d, want %d", i, next)
						}
						next++
						return nil
					})
			})
		})
		if err := r.Wait(); err != nil || next != 5000 {
			t.Errorf("%d, %v", next, err)
		}
		if c := r.Counters()[0]; c.Workers < 60 || !c.Tuned {
			t.Errorf("%+v", c)
		}
	})
}
