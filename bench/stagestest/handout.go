package stagestest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/verify"
)

// A Crew are the hosts of a run on many: a queue in memory, a coordinator, and workers. Each worker has a
// cache path of its own.
type Crew struct {
	*Rig
	Queue   *hoststest.Queue
	Workers int           // that join when the run begins
	Lease   time.Duration // of an item; 0: a minute
	// Change is applied to the means of the i-th worker; may be nil.
	Change func(i int, m *job.Means)
	// Began is called with the handle and the link of the i-th worker; may be nil.
	Began func(i int, h *job.Handle, link *hoststest.Link)

	// Worked are what the workers reported, once the run has ended.
	Worked []*Outcome
	Errs   []error // of their starts

	joined sync.WaitGroup
}

// NewCrew makes a crew over a new queue.
func (r *Rig) NewCrew(workers int) *Crew {
	return &Crew{Rig: r, Queue: hoststest.New(), Workers: workers}
}

// options are those of the coordinator.
func (c *Crew) options(link *hoststest.Link) *hosts.Options {
	if c.Lease == 0 {
		c.Lease = time.Minute
	}
	return &hosts.Options{Link: link, Lease: c.Lease, Host: "boss", Firn: "test"}
}

// run starts the coordinator by lead, and lets workers join that work does the work of.
func (c *Crew) run(o *Outcome, lead func(h *hosts.Options) (*job.Handle, error), work func(m *hosts.Member, means job.Means) (*job.Handle, error)) {
	c.T.Helper()
	boss := c.Queue.Link()
	h, err := lead(c.options(boss))
	c.Must(err)
	c.Worked, c.Errs = make([]*Outcome, c.Workers), make([]error, c.Workers)
	for i := range c.Workers {
		c.joined.Go(func() { c.Errs[i] = c.work(i, work) })
	}
	o.Summary = h.Wait()
	c.joined.Wait()
	c.Must(boss.Close())
	c.CheckNothingHeld(o)
	for i, err := range c.Errs {
		if err != nil {
			c.T.Logf("worker %d: %v", i, err)
		}
	}
}

func (c *Crew) work(i int, work func(m *hosts.Member, means job.Means) (*job.Handle, error)) error {
	link := c.Queue.Link()
	defer link.Close()
	o := new(Outcome)
	c.Worked[i] = o
	means := c.means(c.Keyfile, o)
	means.Cache = c.T.TempDir()
	m, err := hosts.Join(context.Background(), hosts.JoinOptions{Link: link, Keys: means.Keys, Hello: hosts.Hello{Host: fmt.Sprint("host", i), Firn: "test"}, Room: 4, Wait: 30 * time.Second})
	if err != nil {
		return err
	}
	if c.Change != nil {
		c.Change(i, &means)
	}
	h, err := work(m, means)
	if err != nil {
		m.Leave()
		return err
	}
	if c.Began != nil {
		c.Began(i, h, link)
	}
	o.Summary = h.Wait()
	if o.MemoryUsed != 0 || o.SpoolUsed != 0 {
		c.T.Errorf("worker %d ended with %d bytes of memory and %d of spool not given back", i, o.MemoryUsed, o.SpoolUsed)
	}
	return o.Err
}

// RestoreInto is a restore by the crew, with options changed on all hosts.
func (c *Crew) RestoreInto(target string, change ...func(*restore.Options)) *Outcome {
	c.T.Helper()
	o := new(Outcome)
	options := func(means job.Means) (restore.Options, error) {
		root, err := os.OpenRoot(target)
		b := restore.Options{Means: means, Target: root, Owners: true, Workers: workers()}
		for _, f := range change {
			f(&b)
		}
		return b, err
	}
	c.run(o, func(h *hosts.Options) (*job.Handle, error) {
		b, err := options(c.means(c.Keyfile, o))
		c.Must(err)
		b.Hosts = h
		return restore.Start(c.T.Context(), b)
	}, func(m *hosts.Member, means job.Means) (*job.Handle, error) {
		b, err := options(means)
		if err != nil {
			return nil, err
		}
		return restore.Work(context.Background(), m, b)
	})
	return o
}

// Restore is RestoreInto a new target.
func (c *Crew) Restore(change ...func(*restore.Options)) (target string, o *Outcome) {
	c.T.Helper()
	target = c.T.TempDir()
	return target, c.RestoreInto(target, change...)
}

// Verify is a verification by the crew, at the level ReadData, with options changed on all hosts.
func (c *Crew) Verify(change ...func(*verify.Options)) *Outcome {
	c.T.Helper()
	o := new(Outcome)
	options := func(means job.Means) verify.Options {
		v := verify.Options{Means: means, Level: verify.ReadData, Workers: workers()}
		for _, f := range change {
			f(&v)
		}
		return v
	}
	c.run(o, func(h *hosts.Options) (*job.Handle, error) {
		v := options(c.means(c.Keyfile, o))
		v.Hosts = h
		return verify.Start(c.T.Context(), v)
	}, func(m *hosts.Member, means job.Means) (*job.Handle, error) {
		return verify.Work(context.Background(), m, options(means))
	})
	return o
}
