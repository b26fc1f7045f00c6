package hoststest

import (
	"bytes"
	"context"
	"time"

	"firn/stages/service/hosts"
)

// replyWait is how long Ask waits for a reply.
const replyWait = 2 * time.Second

// send calls the function that pick names of each other link, later. What is frozen hears nothing.
func (l *Link) send(kind Kind, body []byte, pick func(*Link) func([]byte)) error {
	if l.dead.Err() != nil {
		return errClosed
	}
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.frozen || q.sent(kind, "", body) {
		return nil
	}
	for _, to := range q.links {
		fn := pick(to)
		if fn == nil || to.frozen {
			continue
		}
		said := bytes.Clone(body)
		select {
		case to.mail <- func() { fn(said) }:
		default: // it may be lost
		}
	}
	return nil
}

// Tell is hosts.Link's.
func (l *Link) Tell(body []byte) error {
	return l.send(Told, body, func(to *Link) func([]byte) { return to.heard })
}

// Announce is hosts.Link's.
func (l *Link) Announce(body []byte) error {
	return l.send(Announced, body, func(to *Link) func([]byte) { return to.announced })
}

// Heard is hosts.Link's.
func (l *Link) Heard(fn func([]byte)) error { l.q.set(func() { l.heard = fn }); return nil }

// Announced is hosts.Link's.
func (l *Link) Announced(fn func([]byte)) error { l.q.set(func() { l.announced = fn }); return nil }

// Serve is hosts.Link's.
func (l *Link) Serve(fn func([]byte) []byte) error { l.q.set(func() { l.serve = fn }); return nil }

// Ask is hosts.Link's. It asks the link that was made last of those that serve.
func (l *Link) Ask(ctx context.Context, body []byte) ([]byte, error) {
	var to *Link
	lost := false
	err := l.do(ctx, func() {
		lost = l.q.sent(Asked, "", body)
		for _, other := range l.q.links {
			if other.serve != nil {
				to = other
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if to == nil {
		return nil, hosts.ErrNobody
	}
	brief, cancel := context.WithTimeoutCause(ctx, replyWait, hosts.ErrNobody)
	defer cancel()
	var serve func([]byte) []byte
	if err := to.wait(brief, func() bool { serve = to.serve; return !lost }); err != nil {
		if brief.Err() == nil { // it closed
			return nil, hosts.ErrNobody
		}
		return nil, err
	}
	to.replies.Lock()
	reply := serve(bytes.Clone(body))
	to.replies.Unlock()
	if reply == nil {
		return nil, hosts.ErrNobody
	}
	err = l.wait(brief, func() bool { lost = lost || l.q.sent(Replied, "", reply); return !lost })
	return bytes.Clone(reply), err
}
