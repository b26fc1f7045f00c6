package rates

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"firn/stages/service/hosts/jetstream"
	"firn/stages/service/hosts/jetstream/embedded"
	"firn/stages/stage/sample"
)

const (
	queued     = 5000 // items that go through the broker
	concurrent = 16   // of them at a time
	itemBytes  = 600  // of a message
)

// memory is where Linux has a file system in memory.
const memory = "/dev/shm"

// broker measures a broker that syncs to the disk, and one in memory where that can be had.
func (m *measuring) broker(ctx context.Context) error {
	if err := m.brokerIn(ctx, filepath.Join(m.dir, "queue"), "", "on a disk"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(memory, "firn-rates-")
	if err != nil {
		m.log("no " + memory + ": " + err.Error())
		return nil
	}
	return errors.Join(m.brokerIn(ctx, filepath.Join(dir, "queue"), InMemory, "in memory ("+memory+")"), os.RemoveAll(dir))
}

// brokerIn measures items on their way through an embedded broker that syncs what it keeps:
// offered, taken, answered, done.
func (m *measuring) brokerIn(ctx context.Context, dir, which, where string) (err error) {
	server, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	lead, err := jetstream.Connect(ctx, jetstream.Options{InProcess: server, Name: "rates"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lead.Close()) }()
	work, err := jetstream.Connect(ctx, jetstream.Options{URLs: []string{"nats://" + server.Addr()}, Name: "rates"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.Close()) }()
	if err := lead.Lead(ctx, time.Minute); err != nil {
		return err
	}
	body := make([]byte, itemBytes)
	before, start := sample.CPU(), time.Now()
	if err := each(func(n int) error { return lead.Offer(ctx, fmt.Sprint("item ", n), body) }); err != nil {
		return err
	}
	offered := time.Since(start)
	answered := make(chan error, 1)
	listening, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		var n atomic.Int64
		answered <- lead.Answers(listening, func([]byte) error {
			if n.Add(1) == queued {
				stop()
			}
			return nil
		})
	}()
	err = each(func(int) error {
		lease, err := work.Take(ctx)
		if err != nil {
			return err
		}
		return errors.Join(work.Answer(ctx, lease.Body()), lease.Done(ctx))
	})
	if err != nil {
		return err
	}
	if err := <-answered; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	took, used := time.Since(start), sample.CPU()-before
	how := fmt.Sprintf("%d items of %d bytes through an embedded broker that syncs what it keeps %s, %d at a time: offered, taken, answered, done, which is %d messages each; all parties in one process", queued, itemBytes, where, concurrent, messages)
	m.add(PerMessage+which, used.Seconds()/queued/messages, "CPU s", how)
	m.add(Messages+which, queued*messages/took.Seconds(), "a second", how+"; time")
	m.add(Offers+which, queued/offered.Seconds(), "a second", how+"; time until all were offered")
	return nil
}

// messages of an item, as in package sim.
const messages = 5

// each calls do for each item, some at a time.
func each(do func(n int) error) error {
	var next atomic.Int64
	errs := make([]error, concurrent)
	var all sync.WaitGroup
	for i := range concurrent {
		all.Go(func() {
			for n := next.Add(1); n <= queued && errs[i] == nil; n = next.Add(1) {
				errs[i] = do(int(n))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
