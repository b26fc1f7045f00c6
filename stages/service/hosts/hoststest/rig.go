package hoststest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

// A rig is a test with its links.
type rig struct {
	t     *testing.T
	ctx   context.Context
	b     Broker
	lease time.Duration
	links []hosts.Link
}

func (r *rig) link() hosts.Link {
	l := r.b.Link()
	r.links = append(r.links, l)
	return l
}

// leave closes a link, and kill kills it.
func (r *rig) leave(l hosts.Link) {
	r.links = slices.DeleteFunc(r.links, func(o hosts.Link) bool { return o == l })
	r.ok(l.Close())
}

func (r *rig) kill(l hosts.Link) {
	r.links = slices.DeleteFunc(r.links, func(o hosts.Link) bool { return o == l })
	r.b.Kill(l)
}

func (r *rig) close() {
	for _, l := range r.links {
		if err := l.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// lead is a link that leads.
func (r *rig) lead() hosts.Link {
	r.t.Helper()
	l := r.link()
	r.ok(l.Lead(r.ctx, r.lease))
	return l
}

// take takes an item, which must be that one.
func (r *rig) take(l hosts.Link, id string, try int) pipeline.Lease {
	r.t.Helper()
	got, err := l.Take(r.ctx)
	r.ok(err)
	if got.ID() != id || got.Try() != try || string(got.Body()) != "body of "+id || got.Term() != r.lease {
		r.t.Fatalf("%q, try %d, body %q, for %v, was handed out; want %q, try %d, for %v",
			got.ID(), got.Try(), got.Body(), got.Term(), id, try, r.lease)
	}
	return got
}

func (r *rig) offer(l hosts.Link, ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.ok(l.Offer(r.ctx, id, []byte("body of "+id)))
	}
}

// kept waits until a queue keeps that: what it says of what others did may be late.
func (r *rig) kept(l hosts.Link, want hosts.Kept) {
	r.t.Helper()
	for until := time.Now().Add(10 * r.lease); ; time.Sleep(r.lease / 50) {
		have, err := l.Kept(r.ctx)
		r.ok(err)
		if have == want {
			return
		}
		if time.Now().After(until) {
			r.t.Fatalf("%+v is kept, not %+v", have, want)
		}
	}
}

// until calls a method that passes things on, and ends it once n were.
func until[T any](r *rig, n int, pass func(context.Context, func(T) error) error, fails func(T) bool) (got []T) {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(r.ctx)
	enough := errors.New("enough")
	err := pass(ctx, func(v T) error {
		if fails != nil && fails(v) {
			return errors.New("not now")
		}
		if got = append(got, v); len(got) == n {
			cancel(enough)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		r.t.Fatalf("it ended after %d with %v", len(got), err)
	}
	return got
}
