package jetstream

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"firn/stages/service/hosts"
)

// Tell is hosts.Link's.
func (l *Link) Tell(body []byte) error { return l.say("tell", body) }

// Announce is hosts.Link's.
func (l *Link) Announce(body []byte) error { return l.say("announce", body) }

// Heard is hosts.Link's.
func (l *Link) Heard(fn func(body []byte)) error {
	return l.hear(l.subject("tell"), func(m *nats.Msg) { fn(m.Data) })
}

// Announced is hosts.Link's.
func (l *Link) Announced(fn func(body []byte)) error {
	return l.hear(l.subject("announce"), func(m *nats.Msg) { fn(m.Data) })
}

// say sends what may be lost: it is while there is no connection.
func (l *Link) say(kind string, body []byte) error {
	if err := l.nc.Publish(l.subject(kind), body); l.life.Err() != nil {
		return context.Cause(l.life)
	} else if err != nil && !errors.Is(err, nats.ErrReconnectBufExceeded) {
		return l.verdict(err)
	}
	return nil
}

// hear calls fn with what is said, in place of what was called before.
func (l *Link) hear(subject string, fn func(m *nats.Msg)) error {
	sub, err := l.nc.Subscribe(subject, fn)
	if err != nil {
		return l.verdict(err)
	}
	l.mu.Lock()
	before := l.hearing[subject]
	l.hearing[subject] = sub
	l.mu.Unlock()
	if before != nil {
		_ = before.Unsubscribe()
	}
	return sub.SetPendingLimits(1<<14, 32<<20) // more is lost
}

// Ask is hosts.Link's.
func (l *Link) Ask(ctx context.Context, body []byte) (reply []byte, err error) {
	nobody := false
	err = l.try(ctx, "asking the coordinator through "+l.o.broker(), func(ctx context.Context) error {
		m, err := l.nc.RequestWithContext(ctx, l.subject("ask"), body)
		switch {
		case err == nil:
			reply = m.Data
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded) && l.nc.IsConnected():
			nobody = true
			return nil
		}
		return err
	})
	if err == nil && nobody {
		return nil, hosts.ErrNobody
	}
	return reply, err
}

// Serve is hosts.Link's.
func (l *Link) Serve(fn func(body []byte) []byte) error {
	return l.hear(l.subject("ask"), func(m *nats.Msg) {
		if reply := fn(m.Data); reply != nil {
			_ = m.Respond(reply)
		}
	})
}
