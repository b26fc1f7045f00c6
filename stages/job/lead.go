package job

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"sync"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

// Lead makes this process the coordinator of an operation on many hosts. Progress tells what they do, too.
// It is called before others use the handle.
func (h *Handle) Lead(ctx context.Context, o hosts.Options) (*hosts.Coordinator, error) {
	j := h.job
	o.Keys, o.Report, o.Works, o.Totals, o.Progress, o.Stopping = j.Keys, j.Report, j.Works, j.Totals, h.Own, j.Run.Stopping()
	c, err := hosts.Lead(ctx, o)
	if err != nil {
		return nil, err
	}
	h.merge = c.Merge
	return c, nil
}

// A Lead is the coordinator's side of an operation on many hosts: it hands items out, and takes what
// becomes of them. Make one with NewLead.
type Lead[T any] struct {
	*hosts.Coordinator
	run *pipeline.Run

	mu    sync.Mutex
	items map[string]T // that were offered, and have no result
	last  int          // number in an id
	open  int          // reasons why something may still be offered
}

// NewLead returns the lead of a run that has begun. More may be offered until HandOut has handed all out.
func NewLead[T any](c *hosts.Coordinator, run *pipeline.Run) *Lead[T] {
	return &Lead[T]{Coordinator: c, run: run, items: map[string]T{}, open: 1}
}

// Hand offers an item: what a worker is told of it is body, in the form of Pack. It returns once there
// is room. The item's ID is made of it, and is another one each time.
func (l *Lead[T]) Hand(ctx context.Context, item T, offer hosts.Item, body any) (err error) {
	if offer.Body, err = Pack(body); err != nil {
		return err
	}
	l.mu.Lock()
	l.last++
	offer.ID = fmt.Sprintf("%s#%d", offer.ID, l.last)
	l.items[offer.ID] = item
	l.open++
	l.mu.Unlock()
	if err = l.Offer(ctx, offer); err != nil {
		l.take(offer.ID)
		l.release()
	}
	return err
}

// Again has an item offered again by offer, which asks for it first. It is called while its result is
// gathered. An error of offer is a fault of the item, in stage, but for pipeline.ErrStopped.
func (l *Lead[T]) Again(stage *pipeline.Stage, item T, offer func(context.Context) error) {
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
	l.run.Go(func(ctx context.Context) error {
		defer l.release()
		err := offer(ctx)
		if err == nil || errors.Is(err, pipeline.ErrStopped) {
			return err
		}
		stage.Fault(item, err)
		return nil
	})
}

// release ends one reason why something may still be offered.
func (l *Lead[T]) release() {
	l.mu.Lock()
	l.open--
	none := l.open == 0
	l.mu.Unlock()
	if none {
		l.Offered()
	}
}

// HandOut offers, with offer in the stage publish, what comes in, and gathers the results in record.
func (l *Lead[T]) HandOut(publish *pipeline.Stage, in <-chan T, offer func(context.Context, T) error, record *pipeline.Stage, fn func(ctx context.Context, item T, r hosts.Result) error) {
	pipeline.Publish(publish, in, offering[T]{l, offer})
	l.Gather(record, fn)
}

// An offering is the pipeline.Offering of what is handed out.
type offering[T any] struct {
	lead  *Lead[T]
	offer func(context.Context, T) error
}

func (o offering[T]) Offer(ctx context.Context, item T) error { return o.offer(ctx, item) }

// Offered leaves open what Again may offer.
func (o offering[T]) Offered() { o.lead.release() }

func (l *Lead[T]) take(id string) (item T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	item, ok = l.items[id]
	delete(l.items, id)
	return item, ok
}

// Gather calls fn with each item and its result, one at a time, in a goroutine of the run. An error of
// fn is a fault of the item, in stage.
func (l *Lead[T]) Gather(stage *pipeline.Stage, fn func(ctx context.Context, item T, r hosts.Result) error) {
	l.run.Go(func(ctx context.Context) error {
		return l.Results(ctx, func(ctx context.Context, r hosts.Result) error {
			item, ok := l.take(r.ID)
			if !ok {
				return nil
			}
			defer l.release()
			return stage.Busy(func() error {
				if err := fn(ctx, item, r); err != nil {
					stage.Fault(item, err)
				}
				return nil
			})
		})
	})
}

// Pack writes what hosts of one version tell each other, paths of any bytes included.
func Pack(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, fmt.Errorf("writing it for another host: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack wrote.
func Unpack(b []byte, v any) error {
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(v); err != nil {
		return fmt.Errorf("reading what another host wrote: %w", err)
	}
	return nil
}
