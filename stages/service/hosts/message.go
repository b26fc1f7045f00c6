package hosts

import (
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// What messages say, as JSON. All hosts of a run have the same version of firn.

// itemSaid goes with the body of an item.
type itemSaid struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	Second int64  `json:"second,omitempty"`
	Lease  int64  `json:"lease"` // nanoseconds: what carries it says it too, but anybody may have written that
	Round  int    `json:"round,omitempty"`
}

// outcome says how a worker ended an item, or that it did not.
type outcome string

const (
	outcomeDone    outcome = "done"
	outcomeFailed  outcome = "failed"
	outcomeGaveUp  outcome = "gave up"
	outcomeHanded  outcome = "handed back"
	outcomeRemarks outcome = "remarks" // a note: the item is not ended
)

// answerSaid goes with the body of an answer or a note.
type answerSaid struct {
	ID      string       `json:"id"`
	Member  string       `json:"member"`
	Host    string       `json:"host"`
	Round   int          `json:"round,omitempty"`
	Try     int          `json:"try"`
	Outcome outcome      `json:"outcome"`
	Why     string       `json:"why,omitempty"`
	Moved   report.Moved `json:"moved"`
}

// toldSaid is what a worker says of itself. It may be lost.
type toldSaid struct {
	Member string    `json:"member"`
	Host   string    `json:"host"`
	Number int64     `json:"number"`         // grows with each: what comes late is old
	Took   *held     `json:"took,omitempty"` // an item that it has just taken
	State  *presence `json:"state,omitempty"`
	Left   bool      `json:"left,omitempty"`
	Why    string    `json:"why,omitempty"` // it left: the error of its own that it ended with; "": none
}

// held is an item that a worker holds.
type held struct {
	Slot  string       `json:"slot"`
	Round int          `json:"round,omitempty"`
	Try   int          `json:"try"`
	Moved report.Moved `json:"moved"`
}

// presence is how a worker gets on.
type presence struct {
	Ready    bool                `json:"ready,omitempty"` // it has passed its own checks
	Held     []held              `json:"held,omitempty"`
	Room     int                 `json:"room"` // items that it can hold
	Stages   []pipeline.Counters `json:"stages,omitempty"`
	Sent     int64               `json:"sent,omitempty"`
	Received int64               `json:"received,omitempty"`
	Memory   int64               `json:"memory,omitempty"`
	MemoryOf int64               `json:"memoryOf,omitempty"`
	Spool    int64               `json:"spool,omitempty"`
	SpoolOf  int64               `json:"spoolOf,omitempty"`
	Forged   int64               `json:"forged,omitempty"` // messages that did not open
	Need     time.Duration       `json:"need"`             // for what it holds, at least; -1: nothing is known
	Limit    string              `json:"limit,omitempty"`  // the stage that has the most to do of that
}

// runSaid is what a coordinator announces.
type runSaid struct {
	Operation string `json:"operation"`
	Number    int64  `json:"number"` // grows with each: what was announced before says nothing new
	Over      bool   `json:"over,omitempty"`
	Why       string `json:"why,omitempty"` // it is over early; "": it is not
	// Left is how long all workers need, at least, for what none of them has, in nanoseconds; -1: that is
	// not known.
	Left int64 `json:"left"`
}

// helloSaid asks to work.
type helloSaid struct {
	Hello
	Member string `json:"member"`
}

// welcomeSaid replies. The settings are its body.
type welcomeSaid struct {
	Operation string `json:"operation"`
	Refused   string `json:"refused,omitempty"` // why; "": it is welcome
}

// aliveSaid asks whether a run goes on, and yesSaid replies.
type aliveSaid struct {
	Slot  string `json:"slot,omitempty"` // of an item that is asked for, too
	Round int    `json:"round,omitempty"`
	Try   int    `json:"try,omitempty"` // by which it has it; 0: nobody has taken it yet
}

type yesSaid struct {
	Over  bool `json:"over,omitempty"`  // nobody need do what is in the slot
	Taken bool `json:"taken,omitempty"` // another worker has taken it since
}

// Bounds of what a coordinator keeps, whatever is said to it.
const (
	maxHosts    = 4096    // members, gone ones too
	maxWarned   = 1024    // hosts that a warning names
	maxOthers   = 4       // key ids of other key files that a warning names
	maxRoom     = 4096    // items that a worker says it can hold
	maxHeld     = maxRoom // items in a presence
	maxWindow   = 100_000 // items that are offered and not answered
	maxNotes    = 1 << 16 // of an item: a restore says in them what is to be done to its directories
	maxTries    = 16      // that are kept of an item
	maxTroubled = 200     // items that Status names
	maxWhy      = 2 << 10 // bytes of a reason
	maxBefore   = 8 << 10 // bytes of an answer that does not count
	maxStages   = 64      // of a worker
)
