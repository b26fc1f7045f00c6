package hosts

import (
	"context"
	"errors"
	"time"

	"firn/pipeline"
)

// ErrNobody: nobody answers, though the queue is there.
var ErrNobody = errors.New("no coordinator answers")

// A Link joins a coordinator and workers over one queue. All bodies are opaque to it. Its methods may
// be called from many goroutines. What a broker refuses for good (a wrong token, no JetStream, a stream
// with other settings) is an error marked by pipeline.Fatal; what may pass (a lost connection, a full
// disk) is tried again until ctx is done, and Options of the driver are told.
type Link interface {
	pipeline.Taking

	// Close ends the link. It is called once, after all else has returned.
	Close() error

	// Lead makes this link the coordinator's, and drops all items and answers that an earlier one left.
	// ErrLed: another coordinator leads. It is called once, before Offer, Withdraw, Answers and Spent,
	// which return a fatal ErrLed once another coordinator has taken the place of one that was silent.
	Lead(ctx context.Context, lease time.Duration) error
	// Offer keeps an item until it is done. It does not wait for room.
	Offer(ctx context.Context, id string, body []byte) error
	// Withdraw drops the items that nobody holds.
	Withdraw(ctx context.Context) error
	// Answers passes on what workers keep by Answer, in its order and one at a time, until ctx is done,
	// whose cause it returns. An answer for which fn returned nil is not passed on again. fn owns body.
	Answers(ctx context.Context, fn func(body []byte) error) error
	// Spent passes on the items that were handed out MaxTries times, and whose last lease is over: they
	// are kept no more. Like Answers.
	Spent(ctx context.Context, fn func(id string, body []byte) error) error

	// Answer keeps an answer for the coordinator, and returns once it is kept.
	Answer(ctx context.Context, body []byte) error

	// Tell tells the coordinator something that may be lost; Heard calls fn with it, one at a time. Here
	// and below fn takes the place of the one that was set before.
	Tell(body []byte) error
	Heard(fn func(body []byte)) error
	// Announce tells all workers something that may be lost; Announced calls fn with it, one at a time.
	Announce(body []byte) error
	Announced(fn func(body []byte)) error
	// Ask asks the coordinator, and waits for its reply. ErrNobody if there is none. Serve replies.
	Ask(ctx context.Context, body []byte) ([]byte, error)
	Serve(fn func(body []byte) []byte) error

	// Kept says what the queue keeps, also where no coordinator answers. What is passed on, and not
	// acknowledged, is kept.
	Kept(ctx context.Context) (Kept, error)
	// Made is how often the link that leads found the queue gone, with all that it kept, and made it
	// again. It does not ask.
	Made() int
}

// ErrLed: another coordinator leads the queue.
var ErrLed = errors.New("another coordinator uses this queue")

// MaxTries is how often an item is handed out at most.
const MaxTries = 5

// Kept is what a queue keeps.
type Kept struct {
	Waiting, Held int64 // items that nobody holds, and that somebody does
	Answers       int64 // that the coordinator has not taken
}
