package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"firn/pipeline"
)

// itemSubject is the one of an id: what is kept under it is kept once.
func (l *Link) itemSubject(id string) string {
	sum := sha256.Sum256([]byte(id))
	return l.subject("item." + hex.EncodeToString(sum[:]))
}

// An item is what a message holds: the term of its leases and the length of its id, as varints, the id,
// and the body.
type item struct {
	id   string
	body []byte
	term time.Duration
}

func (i item) bytes() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(i.id)+len(i.body)), uint64(i.term))
	b = binary.AppendUvarint(b, uint64(len(i.id)))
	return append(append(b, i.id...), i.body...)
}

// open is the opposite of bytes. It fails for what is not an item of that subject.
func (l *Link) open(subject string, data []byte) (i item, ok bool) {
	term, used := binary.Uvarint(data)
	if used <= 0 || term > uint64(maxLease) {
		return i, false
	}
	data = data[used:]
	n, used := binary.Uvarint(data)
	if used <= 0 || n > uint64(len(data)-used) {
		return i, false
	}
	i = item{string(data[used : used+int(n)]), data[used+int(n):], time.Duration(term)}
	return i, l.itemSubject(i.id) == subject
}

// maxLease bounds what is read.
const maxLease = 1000 * time.Hour

// fits says whether the broker takes a message of a size.
func (l *Link) fits(what string, size int) error {
	const header = 256
	if most := l.nc.MaxPayload(); most > 0 && int64(size+header) > most {
		return fatal("%s takes messages of up to %d bytes (max_payload), and %s has %d", l.o.broker(), most, what, size)
	}
	return nil
}

// Offer is hosts.Link's.
func (l *Link) Offer(ctx context.Context, id string, body []byte) error {
	subject, data := l.itemSubject(id), item{id, body, l.leading.lease}.bytes()
	if err := l.fits("an item", len(data)); err != nil {
		return err
	}
	return l.try(ctx, "giving an item to "+l.o.broker(), func(ctx context.Context) error {
		if err := l.sure(ctx); err != nil {
			return err
		}
		_, err := l.js.Publish(ctx, subject, data)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, jetstream.ErrNoStreamResponse):
			if _, gone := l.mine(ctx); gone != nil {
				return gone
			}
			return err
		}
		// The broker has one code for all that keeps it from storing: is it that the id is kept?
		var api *jetstream.APIError
		if errors.As(err, &api) {
			if s, err := l.js.Stream(ctx, l.itemsName()); err == nil {
				if _, err := s.GetLastMsgForSubject(ctx, subject); err == nil {
					return nil
				}
			}
		}
		return l.unkept(err)
	})
}

// Withdraw is hosts.Link's. It takes what is handed out, and ends it.
func (l *Link) Withdraw(ctx context.Context) error {
	return l.try(ctx, "taking back items from "+l.o.broker(), func(ctx context.Context) error {
		if err := l.sure(ctx); err != nil {
			return err
		}
		c, err := l.js.Consumer(ctx, l.itemsName(), workers)
		for err == nil {
			var batch jetstream.MessageBatch
			if batch, err = c.FetchNoWait(256); err != nil {
				break
			}
			var last jetstream.Msg
			for m := range batch.Messages() {
				if last != nil {
					_ = last.Ack()
				}
				last = m
			}
			if err = batch.Error(); last == nil {
				break
			}
			err = errors.Join(err, last.DoubleAck(ctx))
		}
		return err
	})
}

// Take is hosts.Link's.
func (l *Link) Take(ctx context.Context) (pipeline.Lease, error) {
	select {
	case l.taking <- struct{}{}:
		defer func() { <-l.taking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.life.Done():
		return nil, context.Cause(l.life)
	}
	for {
		if l.items.sub == nil {
			if err := l.await(ctx); err != nil {
				return nil, err
			}
		}
		m, err := l.items.next(ctx)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			l.items.leave()
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			continue // it is no message of a consumer, and so nobody's item
		}
		if i, ok := l.open(m.Subject, m.Data); ok {
			return &lease{item: i, l: l, m: m, try: int(meta.NumDelivered), seq: meta.Sequence.Stream}, nil
		}
		_ = l.nc.Publish(m.Reply, []byte("+TERM it is no item"))
		if !l.foreign && l.o.Notice != nil { // once: who writes one may write many
			l.foreign = true
			l.o.Notice(l.o.broker() + " had a message that is no item: dropped, and so are more like it")
		}
	}
}

// await waits until there is a consumer of items.
func (l *Link) await(ctx context.Context) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, l.o.quick.retry) {
		there := false
		err := l.try(ctx, "asking "+l.o.broker()+" for items", func(ctx context.Context) error {
			_, err := l.js.Consumer(ctx, l.itemsName(), workers)
			if there = err == nil; absent(err) {
				return nil
			}
			return err
		})
		if there || err != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-l.life.Done():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A lease is an item that the broker waits for.
type lease struct {
	item
	l   *Link
	m   *nats.Msg
	try int
	seq uint64 // in the stream
}

func (h *lease) ID() string          { return h.id }
func (h *lease) Body() []byte        { return h.body }
func (h *lease) Try() int            { return h.try }
func (h *lease) Term() time.Duration { return h.term }

// Renew is pipeline.Lease's. It waits for the broker, which does not say whether the lease was over.
func (h *lease) Renew(ctx context.Context) error { return h.say(ctx, "renewing a lease", "+WPI") }

// Return is pipeline.Lease's.
func (h *lease) Return(ctx context.Context, after time.Duration) error {
	// Without a time, an item that was handed out often enough is seen only when somebody wants one.
	after = max(after, time.Millisecond)
	return h.say(ctx, "handing back an item", `-NAK {"delay": `+strconv.FormatInt(int64(after), 10)+`}`)
}

// say tells the broker, and waits for its word. Nobody is there to tell if another run began.
func (h *lease) say(ctx context.Context, doing, what string) error {
	l := h.l
	return l.try(ctx, doing+" at "+l.o.broker(), func(ctx context.Context) error {
		_, err := l.nc.RequestWithContext(ctx, h.m.Reply, []byte(what))
		if errors.Is(err, nats.ErrNoResponders) {
			if _, gone := l.js.Consumer(ctx, l.itemsName(), workers); absent(gone) {
				return nil
			}
		}
		return err
	})
}

// Done is pipeline.Lease's. A broker that was killed may have forgotten that it handed out the item, and
// does not answer then: the item is deleted.
func (h *lease) Done(ctx context.Context) error {
	l := h.l
	return l.try(ctx, "ending an item at "+l.o.broker(), func(ctx context.Context) error {
		brief, cancel := context.WithTimeout(ctx, l.o.quick.call/2)
		defer cancel()
		_, err := l.nc.RequestWithContext(brief, h.m.Reply, []byte("+ACK"))
		if err == nil {
			return nil
		}
		s, err := l.js.Stream(ctx, l.itemsName())
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		m, err := s.GetMsg(ctx, h.seq)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		case m.Subject != h.m.Subject:
			return nil
		}
		return remove(ctx, s, h.seq)
	})
}
