package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
	"firn/stages/service/hosts/jetstream/embedded"
)

// BenchmarkItem is what the queue costs for an item, from its offer to its answer and the end of its
// lease: processor time of the broker, which syncs, of the coordinator and of the workers.
func BenchmarkItem(b *testing.B) {
	b.Run("broker", func(b *testing.B) {
		s := harness.NATS(b)
		start := s.CPU()
		items(b, jetstream.Options{URLs: []string{s.URL}, Name: "bench"})
		b.ReportMetric(float64((s.CPU()-start).Microseconds())/float64(b.N), "broker-µs/op")
	})
	b.Run("embedded", func(b *testing.B) {
		s, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		items(b, jetstream.Options{InProcess: s, Name: "bench"})
	})
}

// items has 4 workers with 8 items each in work, as a coordinator offers a few hundred ahead.
func items(b *testing.B, o jetstream.Options) {
	const workers, each, ahead = 4, 8, 256
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	boss := link(b, o)
	if err := boss.Lead(ctx, time.Minute); err != nil {
		b.Fatal(err)
	}
	links := make([]hosts.Link, workers)
	for i := range links {
		links[i] = link(b, o)
	}
	body := make([]byte, 600)
	window := make(chan struct{}, ahead)
	b.ResetTimer()
	start := cpu()
	var all sync.WaitGroup
	for offers := range 4 {
		all.Go(func() {
			for i := offers; i < b.N; i += 4 {
				window <- struct{}{}
				if err := boss.Offer(ctx, fmt.Sprint(i), body); err != nil {
					b.Error(err)
				}
			}
		})
	}
	taking, stop := context.WithCancel(ctx)
	for _, l := range links {
		leases := make(chan pipeline.Lease)
		all.Go(func() {
			defer close(leases)
			for {
				got, err := l.Take(taking)
				if err != nil {
					return
				}
				leases <- got
			}
		})
		for range each {
			all.Go(func() {
				for got := range leases {
					if err := errors.Join(l.Answer(ctx, body), got.Done(ctx)); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	answers := 0
	hearing, deaf := context.WithCancel(ctx)
	_ = boss.Answers(hearing, func([]byte) error {
		if answers++; answers == b.N {
			stop()
			deaf()
		}
		<-window
		return nil
	})
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "firn-µs/op")
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
