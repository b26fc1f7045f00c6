// Package thaw knows how objects in Glacier classes become readable: tiers, their times and prices;
// an object's state and the next step; when to look again. It is tables and arithmetic, and asks no
// store. Prices are estimates, those of us-east-1.
package thaw

import (
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/store"
)

// State is how far an object is from being readable.
type State int

// The states of a cold object, in order. A thawed one is Cold again when its days are over.
const (
	NotCold   State = iota // it can be read at once, and always could
	Cold                   // it must be thawed, and no thaw was asked for
	Requested              // this run has asked for it
	Ongoing                // a thaw was asked for before, perhaps in another tier, and is not done
	Thawed                 // it can be read until its days are over
)

func (s State) String() string {
	return nameOf("state", int(s), "not cold", "cold", "requested", "ongoing", "thawed")
}

// Of is the state of an object, as Store.Head returned it.
func Of(o store.Object) State {
	switch {
	case o.Restore.Cold && o.Restore.Ongoing:
		return Ongoing
	case o.Restore.Cold:
		return Cold
	case !o.Restore.Until.IsZero():
		return Thawed
	}
	return NotCold
}

// After is the state of an object when a thaw was asked for and the store has answered.
func After(r store.ThawResult) State {
	switch r {
	case store.ThawRequested:
		return Requested
	case store.ThawOngoing:
		return Ongoing
	case store.ThawDone:
		return Thawed
	}
	return NotCold
}

// Refused is the state of an object whose thaw was refused, and the error if that is final. A lack
// of capacity is not, nor a thaw under way that can't be made faster.
func Refused(s State, err error) (State, error) {
	switch {
	case errors.Is(err, store.ErrThawCapacity):
		return s, nil
	case s == Ongoing && !pipeline.IsFatal(err) && !errors.Is(err, store.ErrNotFound):
		return Ongoing, nil
	}
	return s, err
}

// Step is what to do about an object.
type Step int

// The steps.
const (
	Read  Step = iota // it can be read
	Ask               // ask for its thaw
	Wait              // it thaws: look again later
	Leave             // it is cold, and is not to be thawed
)

func (s Step) String() string { return nameOf("step", int(s), "read", "ask", "wait", "leave") }

// nameOf is the i-th name, or the number of a value that has none.
func nameOf(kind string, i int, names ...string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s %d", kind, i)
	}
	return names[i]
}

// Next is the step for an object in a state, to be thawed in a tier ("": ask for nothing). seen:
// this run has met it as Ongoing or Requested. A thaw under way is asked for once more, if its tier
// might be slower.
func Next(s State, tier store.Tier, seen bool) Step {
	switch s {
	case Cold:
		if tier == "" {
			return Leave
		}
		return Ask
	case Ongoing:
		if tier == "" || tier == store.TierBulk || seen { // nothing is slower than bulk
			return Wait
		}
		return Ask
	case Requested:
		return Wait
	}
	return Read
}
