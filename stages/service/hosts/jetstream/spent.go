package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"firn/stages/service/hosts"
)

func (l *Link) exceededSubject() string {
	return "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + l.itemsName() + "." + workers
}

// maxHints bounds what is kept of what the broker is said to tell.
const maxHints = 1024

// hint keeps which item a message names, and nothing else: anybody may have sent it, and many large ones.
func (l *Link) hint(m *nats.Msg) {
	var e struct {
		Seq uint64 `json:"stream_seq"`
	}
	if json.Unmarshal(m.Data, &e) != nil {
		return
	}
	select {
	case l.exceeded <- e.Seq:
	default:
	}
}

// Spent is hosts.Link's. The broker finds that an item was handed out too often when somebody asks for
// one, and tells it once. That may be lost, and anybody may have said it: so it is a hint. The broker is
// asked, and its stream is looked at, and what two looks find counts.
func (l *Link) Spent(ctx context.Context, fn func(id string, body []byte) error) error {
	tick := time.NewTicker(l.o.quick.look)
	defer tick.Stop()
	var suspects []uint64 // what the last look found: it may have been acknowledged a moment before
	hints := map[uint64]bool{}
	for {
		select {
		case seq := <-l.exceeded:
			if len(hints) < maxHints {
				hints[seq] = true
			}
		case <-tick.C:
			found, err := l.look(ctx, hints)
			if err != nil {
				return err
			}
			for _, seq := range found {
				if !slices.Contains(suspects, seq) {
					continue
				}
				if err := l.spend(ctx, seq, fn); err != nil {
					return err
				}
				delete(hints, seq)
			}
			suspects = found
		case <-l.life.Done():
			return context.Cause(l.life)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// look finds items that nobody will get, some at a time: those at or below the floor of what was
// acknowledged, and still there. Above it, where others are held, those of which there is a hint, if the
// broker keeps as many of those that it has handed out, and does not wait for.
func (l *Link) look(ctx context.Context, hints map[uint64]bool) (found []uint64, err error) {
	err = l.try(ctx, "looking through the items at "+l.o.broker(), func(ctx context.Context) error {
		found = nil
		s, err := l.mine(ctx)
		if err != nil {
			return err
		}
		c, err := s.Consumer(ctx, workers)
		if err != nil {
			return err
		}
		state, info := s.CachedInfo().State, c.CachedInfo()
		for range min(info.NumRedelivered, info.NumAckPending, 16) {
			if err := l.probe(ctx); err != nil {
				return err
			}
		}
		floor := info.AckFloor.Stream
		for seq := state.FirstSeq; state.Msgs > 0 && seq <= floor && len(found) < 100; seq++ {
			m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(l.subject("item.*"))) // or the next
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				break
			}
			if err != nil {
				return err
			}
			if seq = m.Sequence; seq <= floor {
				found = append(found, seq)
			}
		}
		more := int64(state.Msgs) - int64(info.NumPending) - int64(info.NumAckPending) - int64(len(found))
		maps.DeleteFunc(hints, func(seq uint64, _ bool) bool { return seq <= floor || seq > info.Delivered.Stream })
		if int64(len(hints)) <= more { // else some are not true
			found = slices.AppendSeq(found, maps.Keys(hints))
		}
		return nil
	})
	return found, err
}

// probe asks for an item of one byte. There is none: the broker tells of what it finds spent, and keeps
// the item that it would have handed out.
func (l *Link) probe(ctx context.Context) error {
	_, err := l.nc.RequestWithContext(ctx, nextSubject(l.itemsName(), workers), []byte(`{"batch":1,"no_wait":true,"max_bytes":1}`))
	return err
}

// spend passes on an item, unless it is gone, and deletes it.
func (l *Link) spend(ctx context.Context, seq uint64, fn func(id string, body []byte) error) error {
	passed := false
	return l.try(ctx, "taking an item that nobody ended from "+l.o.broker(), func(brief context.Context) error {
		s, err := l.mine(brief)
		if err != nil {
			return err
		}
		m, err := s.GetMsg(brief, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if i, ok := l.open(m.Subject, m.Data); ok && !passed {
			if err := l.pass(ctx, func() error { return fn(i.id, i.body) }); err != nil {
				return err
			}
			passed = true
		}
		// What was passed on is deleted, though it took long, or ctx is done now.
		brief, cancel := context.WithTimeout(context.WithoutCancel(brief), l.o.quick.call)
		defer cancel()
		return remove(brief, s, seq)
	})
}

// Kept is hosts.Link's.
func (l *Link) Kept(ctx context.Context) (k hosts.Kept, err error) {
	err = l.try(ctx, "asking "+l.o.broker()+" what it keeps", func(ctx context.Context) error {
		k = hosts.Kept{}
		items, err := l.js.Stream(ctx, l.itemsName())
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		kept := int64(items.CachedInfo().State.Msgs)
		c, err := items.Consumer(ctx, workers)
		if err == nil {
			k.Held = min(int64(c.CachedInfo().NumAckPending), kept)
		} else if !absent(err) {
			return err
		}
		k.Waiting = kept - k.Held
		answers, err := l.js.Stream(ctx, l.answersName())
		if err == nil {
			k.Answers = int64(answers.CachedInfo().State.Msgs)
		} else if !absent(err) {
			return err
		}
		return nil
	})
	return k, err
}
