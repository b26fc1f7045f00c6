package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A mark is the place of an answer in the stream. The time tells answers apart if a broker that does not
// sync lost some, and gave their numbers again.
type mark struct {
	seq  uint64
	time time.Time
}

// Answer is hosts.Link's. The broker drops what comes twice because its word was lost.
func (l *Link) Answer(ctx context.Context, body []byte) error {
	if err := l.fits("an answer", len(body)); err != nil {
		return err
	}
	id := nuid.Next()
	return l.try(ctx, "giving an answer to "+l.o.broker(), func(ctx context.Context) error {
		_, err := l.js.Publish(ctx, l.subject("answer"), body, jetstream.WithMsgID(id))
		return l.unkept(err)
	})
}

// Answers is hosts.Link's.
func (l *Link) Answers(ctx context.Context, fn func(body []byte) error) error {
	defer l.answers.leave()
	for {
		m, err := l.answers.next(ctx)
		if errors.Is(err, errAbsent) {
			err = l.regain(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			continue
		}
		at := mark{meta.Sequence.Stream, meta.Timestamp}
		if at.seq > l.passed.seq || at.time.After(l.passed.time) {
			if err := l.hold(ctx, m, func() error { return fn(m.Data) }); err != nil {
				_ = l.nc.Publish(m.Reply, []byte("-NAK"))
				return err
			}
			l.passed = at
		}
		_ = l.nc.Publish(m.Reply, []byte("+ACK")) // if it is lost, the mark tells
	}
}

// hold calls pass with fn, and lets the broker wait meanwhile.
func (l *Link) hold(ctx context.Context, m *nats.Msg, fn func() error) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(l.o.quick.answer / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = l.nc.Publish(m.Reply, []byte("+WPI"))
			case <-stop:
				return
			}
		}
	}()
	return l.pass(ctx, fn)
}

// pass calls fn until it returns nil, or ctx is done.
func (l *Link) pass(ctx context.Context, fn func() error) error {
	for fn() != nil {
		select {
		case <-time.After(min(time.Second, l.o.quick.retry)):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.life.Done():
			return context.Cause(l.life)
		}
	}
	return nil
}
