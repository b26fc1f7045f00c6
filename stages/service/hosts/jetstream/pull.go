package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// errAbsent: the consumer may be gone, or another one; who pulls looks whether it is.
var errAbsent = errors.New("the consumer does not answer")

// A pull gets the messages of a consumer, as many as are asked for and no more: what would lie here
// unseen had a lease that runs. It is used by one goroutine at a time.
type pull struct {
	l        *Link
	stream   string
	consumer string
	batch    int // messages that are asked for at once

	sub  *nats.Subscription
	got  chan *nats.Msg
	left int // of what was asked for, and has not come; 0: nothing is asked for
}

// unread is how many messages may lie here: one that is under way, what the broker says of a request, and
// no more, as anybody may send large ones. What finds no room comes again when its lease ends.
const unread = 16

// next waits for a message. After an error, the next call goes on. There is no subscription after
// errAbsent, and before the first call.
func (p *pull) next(ctx context.Context) (*nats.Msg, error) {
	for {
		again := p.l.wake()
		if err := p.ask(); err != nil {
			if p.l.life.Err() != nil {
				return nil, context.Cause(p.l.life)
			}
			select {
			case <-again:
			case <-time.After(p.l.o.quick.retry):
			case <-p.l.life.Done():
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			continue
		}
		select {
		case m := <-p.got:
			switch status := m.Header.Get("Status"); {
			case status == "" || len(m.Data) > 0:
				p.left--
				return m, nil
			case status == "100": // a sign of life
			case status == "404", status == "408":
				p.left = 0
			default:
				p.leave()
				return nil, errAbsent
			}
		case <-again: // the broker may have what was asked for, or not
			p.leave()
			return nil, errAbsent
		// The broker says when it forgets what was asked for; if not, it does not know of it.
		case <-time.After(p.l.o.quick.pull + p.l.o.quick.call):
			p.leave()
			return nil, errAbsent
		case <-p.l.life.Done():
			return nil, context.Cause(p.l.life)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// ask asks for messages, unless it has.
func (p *pull) ask() error {
	if p.left > 0 {
		return nil
	}
	if p.sub == nil {
		p.got = make(chan *nats.Msg, unread)
		sub, err := p.l.nc.ChanSubscribe(p.l.nc.NewInbox(), p.got)
		if err != nil {
			return err
		}
		p.sub = sub
	}
	request, err := json.Marshal(map[string]any{"batch": p.batch, "expires": p.l.o.quick.pull})
	if err != nil {
		return err
	}
	if err := p.l.nc.PublishRequest(nextSubject(p.stream, p.consumer), p.sub.Subject, request); err != nil {
		return err
	}
	p.left = p.batch
	return nil
}

// nextSubject takes requests for messages.
func nextSubject(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// leave takes back what was asked for, and hands back what came for nobody.
func (p *pull) leave() {
	if p.sub == nil {
		return
	}
	sub := p.sub
	p.sub, p.left = nil, 0
	// After the flush, the broker sends nothing more, and all that it had sent is here.
	if sub.Drain() == nil {
		_ = p.l.nc.FlushTimeout(p.l.o.quick.call)
	}
	for {
		select {
		case m := <-p.got:
			if m.Header.Get("Status") == "" {
				_ = p.l.nc.Publish(m.Reply, []byte("-NAK"))
			}
		default:
			return
		}
	}
}
