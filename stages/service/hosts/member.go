package hosts

import (
	"context"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
)

// JoinOptions are those of a worker.
type JoinOptions struct {
	Link   Link
	Keys   *encryption.Keys
	Hello  Hello
	Wait   time.Duration // how long it waits for a coordinator that does not answer
	Report report.Reporter
}

// A Member is a worker of a run. Make one with Join. It is a pipeline.Taking of items that are opened
// and verified; its leases are *Work.
type Member struct{}

// Join asks the coordinator for work, and waits for one to answer. A *RefusedError says why the worker
// must not work.
func Join(ctx context.Context, o JoinOptions) (*Member, error) { panic("being built") }

// A RefusedError is a coordinator's answer to a worker that does not fit, with what differs.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// Operation is what the run does.
func (m *Member) Operation() string { return "" }

// Run is its id.
func (m *Member) Run() string { return "" }

// Settings sets v to the settings of the run.
func (m *Member) Settings(v any) error { return nil }

// Keys are those of the run: with the salt that the coordinator's have, so that all key ids are one.
func (m *Member) Keys() *encryption.Keys { return nil }

// Context is done when the run is over for this worker, for example because another one has begun; its
// cause is ErrOver or ErrOtherRun then.
func (m *Member) Context() context.Context { return nil }

// Watch says what the worker tells of itself every few seconds: its progress, without its paths, which
// the works in hand have.
func (m *Member) Watch(progress func() report.Progress) {}

// Take waits for an item; see pipeline.Taking.
func (m *Member) Take(ctx context.Context) (pipeline.Lease, error) { panic("being built") }

// Leave says goodbye, once all is answered.
func (m *Member) Leave() {}

// A Work is an item that the worker holds. Its lease is renewed as long as the work makes progress, or
// waits while others of the worker do. One of Answer, Fail, GiveUp and HandBack ends it; what comes
// after the first does nothing.
type Work struct{}

// Item is what was offered.
func (w *Work) Item() Item { return Item{} }

// Follow sets what tells of the progress of the work: nil until it is begun.
func (w *Work) Follow(t *report.Task) {}

// Note tells the coordinator something of the item, and returns once that is kept.
func (w *Work) Note(ctx context.Context, body []byte) error { return nil }

// Answer ends the work well: it returns once the answer is kept, and the lease is over.
func (w *Work) Answer(ctx context.Context, body []byte) error { return nil }

// Fail ends the work for all hosts: no other will do better.
func (w *Work) Fail(ctx context.Context, why error) error { return nil }

// GiveUp hands the work to another host, which may do better. After MaxTries it fails.
func (w *Work) GiveUp(ctx context.Context, why error) error { return nil }

// HandBack hands back what was not begun, or not ended because this worker leaves. It is no try.
func (w *Work) HandBack() {}
