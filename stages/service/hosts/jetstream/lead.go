package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

// leading is what a coordinator has.
type leading struct {
	id    string // of its consumer; "" until it leads
	lease time.Duration
}

// leaderKey is where a stream says who led last.
const leaderKey = "firn-leader"

// Lead is hosts.Link's.
func (l *Link) Lead(ctx context.Context, lease time.Duration) error {
	l.leading = leading{nuid.Next(), lease}
	for {
		err := l.lead(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errVanished) {
			return err
		}
	}
	l.exceeded = make(chan uint64, maxHints) // more is lost
	if err := l.hear(l.exceededSubject(), l.hint); err != nil {
		return err
	}
	l.answers = &pull{l: l, stream: l.answersName(), consumer: l.leading.id, batch: 256}
	return nil
}

// errVanished: a stream is gone that was there a moment ago. A broker came back without its disk, for
// example, while a coordinator waited for another one to end.
var errVanished = errors.New("the stream is gone")

func vanished(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return pipeline.Fatal(errVanished)
	}
	return err
}

// lead makes what is missing, and takes it.
func (l *Link) lead(ctx context.Context) error {
	for _, s := range l.streams() {
		if _, err := l.ensure(ctx, s); err != nil {
			return err
		}
	}
	if err := l.claim(ctx); err != nil {
		return err
	}
	if err := l.try(ctx, "clearing the queue at "+l.o.broker(), func(ctx context.Context) error { return vanished(l.clear(ctx)) }); err != nil {
		return err
	}
	return l.try(ctx, "making the consumer of items at "+l.o.broker(), func(ctx context.Context) error { return vanished(l.serveWorkers(ctx)) })
}

// claim makes the one consumer of answers. It waits as long as the broker may keep that of a coordinator
// that is gone.
func (l *Link) claim(ctx context.Context) error {
	t := l.o.quick
	wait := t.abandoned + max(t.answer, t.pull) + t.call/2
	until := time.Now().Add(wait)
	doing := "leading the queue " + l.o.Name
	for told := false; ; told = true {
		led := false
		err := l.try(ctx, doing, func(ctx context.Context) error {
			err := l.makeAnswers(ctx)
			if led = coded(err, codeLed); led {
				return nil
			}
			return vanished(err)
		})
		switch {
		case err != nil || !led:
			return err
		case time.Now().After(until):
			return fatal("%s: %w", doing, hosts.ErrLed)
		case !told && l.o.Notice != nil:
			l.o.Notice(fmt.Sprintf("another coordinator uses the queue %s, or was killed a moment ago: waiting up to %v for it to end",
				l.o.Name, wait.Round(time.Second)))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.life.Done(): // the next try says why
		case <-time.After(t.abandoned / 20):
		}
	}
}

// makeAnswers makes the coordinator's consumer; it is no error if it is there. One answer is under way
// at a time, so that none overtakes another.
func (l *Link) makeAnswers(ctx context.Context) error {
	_, err := l.js.CreateConsumer(ctx, l.answersName(), jetstream.ConsumerConfig{
		Durable: l.leading.id, AckPolicy: jetstream.AckExplicitPolicy, AckWait: l.o.quick.answer, MaxAckPending: 1,
		InactiveThreshold: l.o.quick.abandoned,
	})
	return err
}

// clear drops what an earlier run left, and says who leads.
func (l *Link) clear(ctx context.Context) error {
	if err := l.js.DeleteConsumer(ctx, l.itemsName(), workers); err != nil && !absent(err) {
		return err
	}
	for _, name := range []string{l.itemsName(), l.answersName()} {
		s, err := l.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		if name == l.itemsName() {
			c := s.CachedInfo().Config
			c.Metadata = maps.Clone(c.Metadata)
			if c.Metadata == nil {
				c.Metadata = map[string]string{}
			}
			c.Metadata[leaderKey] = l.leading.id
			if _, err := l.js.UpdateStream(ctx, c); err != nil {
				return err
			}
		}
		if err := s.Purge(ctx); err != nil {
			return err
		}
	}
	return nil
}

// serveWorkers makes the consumer that workers pull from.
func (l *Link) serveWorkers(ctx context.Context) error {
	_, err := l.js.CreateConsumer(ctx, l.itemsName(), jetstream.ConsumerConfig{
		Durable: workers, AckPolicy: jetstream.AckExplicitPolicy, AckWait: l.leading.lease, MaxDeliver: hosts.MaxTries,
		MaxAckPending: 1 << 16, MaxWaiting: 1 << 12,
	})
	if coded(err, codeLed) {
		return fatal("the stream %s has another consumer: choose another name for the queue, or delete that consumer", l.itemsName())
	}
	return err
}

// regain makes the coordinator's consumer again if the broker dropped it, because this process was not
// to be seen for too long. If another one led since then, nothing of this run is left.
func (l *Link) regain(ctx context.Context) error {
	return l.try(ctx, "leading the queue "+l.o.Name, func(ctx context.Context) error {
		if _, err := l.mine(ctx); err != nil {
			return err
		}
		err := l.makeAnswers(ctx)
		if absent(err) {
			_, err = l.remake(ctx)
		}
		return l.overtaken(err)
	})
}

// mine is the stream of the items, which must still be this coordinator's.
func (l *Link) mine(ctx context.Context) (jetstream.Stream, error) {
	l.mu.Lock()
	l.doubted = false // it is again if the connection is lost from now on
	l.mu.Unlock()
	s, err := l.js.Stream(ctx, l.itemsName())
	if absent(err) {
		s, err = l.remake(ctx)
	}
	switch {
	case err == nil && s.CachedInfo().Config.Metadata[leaderKey] != l.leading.id:
		return nil, l.overtaken(hosts.ErrLed)
	case err != nil:
		l.doubt()
	}
	return s, err
}

// remake makes the streams again that the broker lost with its disk, or that somebody deleted. What was
// in them is offered again: the coordinator sees that too little is kept.
func (l *Link) remake(ctx context.Context) (jetstream.Stream, error) {
	l.remaking.Lock()
	defer l.remaking.Unlock()
	for _, want := range l.streams() {
		want.Metadata = map[string]string{leaderKey: l.leading.id}
		switch _, err := l.create(ctx, want); {
		case err == nil:
			defer l.made.Add(1) // it can be offered to then
		case !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
			return nil, err
		}
	}
	s, err := l.js.Stream(ctx, l.itemsName())
	if err != nil || s.CachedInfo().Config.Metadata[leaderKey] != l.leading.id { // another one made it
		return s, err
	}
	if err := l.makeAnswers(ctx); err != nil {
		return nil, l.overtaken(err)
	}
	return s, l.serveWorkers(ctx)
}

// Made is hosts.Link's.
func (l *Link) Made() int { return int(l.made.Load()) }

// overtaken ends all that this link does if another coordinator leads: what it would say now would be
// for the run of that one.
func (l *Link) overtaken(err error) error {
	if !errors.Is(err, hosts.ErrLed) && !coded(err, codeLed) {
		return err
	}
	err = fatal("this process was cut off for too long: %w", hosts.ErrLed)
	l.end(err)
	return err
}

// sure fails if another coordinator leads, since the connection was lost.
func (l *Link) sure(ctx context.Context) error {
	l.mu.Lock()
	doubted := l.doubted
	l.mu.Unlock()
	if !doubted {
		return nil
	}
	_, err := l.mine(ctx)
	return err
}

func (l *Link) doubt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubted = true
}

// abdicate lets others lead at once.
func (l *Link) abdicate() {
	if l.leading.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(l.life, l.o.quick.call)
	defer cancel()
	_ = l.js.DeleteConsumer(ctx, l.answersName(), l.leading.id) // else it goes by itself
}
