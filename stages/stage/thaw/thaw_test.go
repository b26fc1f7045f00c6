package thaw_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

func TestOf(t *testing.T) {
	until := time.Now()
	for want, states := range map[thaw.State][]store.RestoreState{
		thaw.NotCold: {{}, {Ongoing: true}}, // a class that needs no thaw
		thaw.Cold:    {{Cold: true}, {Cold: true, Archive: "ARCHIVE_ACCESS"}},
		thaw.Ongoing: {{Cold: true, Ongoing: true}},
		thaw.Thawed:  {{Until: until}},
	} {
		for _, s := range states {
			if got := thaw.Of(store.Object{Restore: s}); got != want {
				t.Errorf("%+v: %v, want %v", s, got, want)
			}
		}
	}
}

// Every state, under every tier, met for the first time and again.
func TestNext(t *testing.T) {
	for _, tt := range []struct {
		state thaw.State
		seen  bool
		none  thaw.Step // without a tier
		bulk  thaw.Step
		fast  thaw.Step // standard and expedited
	}{
		{thaw.NotCold, false, thaw.Read, thaw.Read, thaw.Read},
		{thaw.NotCold, true, thaw.Read, thaw.Read, thaw.Read},
		{thaw.Thawed, false, thaw.Read, thaw.Read, thaw.Read},
		{thaw.Thawed, true, thaw.Read, thaw.Read, thaw.Read},
		{thaw.Cold, false, thaw.Leave, thaw.Ask, thaw.Ask},
		{thaw.Cold, true, thaw.Leave, thaw.Ask, thaw.Ask}, // its copy has expired, or there was no capacity
		{thaw.Requested, false, thaw.Wait, thaw.Wait, thaw.Wait},
		{thaw.Requested, true, thaw.Wait, thaw.Wait, thaw.Wait},
		{thaw.Ongoing, false, thaw.Wait, thaw.Wait, thaw.Ask}, // to make it faster
		{thaw.Ongoing, true, thaw.Wait, thaw.Wait, thaw.Wait},
	} {
		for tier, want := range map[store.Tier]thaw.Step{"": tt.none, store.TierBulk: tt.bulk, store.TierStandard: tt.fast, store.TierExpedited: tt.fast} {
			if got := thaw.Next(tt.state, tier, tt.seen); got != want {
				t.Errorf("%v, tier %q, seen %v: %v, want %v", tt.state, tier, tt.seen, got, want)
			}
		}
	}
}

func TestAfter(t *testing.T) {
	for result, want := range map[store.ThawResult]thaw.State{
		store.ThawNotCold: thaw.NotCold, store.ThawRequested: thaw.Requested, store.ThawOngoing: thaw.Ongoing, store.ThawDone: thaw.Thawed,
	} {
		if got := thaw.After(result); got != want {
			t.Errorf("%v: %v, want %v", result, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	other := errors.New("refused")
	gone := fmt.Errorf("looking: %w", store.ErrNotFound)
	full := fmt.Errorf("asking: %w", store.ErrThawCapacity)
	for _, tt := range []struct {
		state thaw.State
		err   error
		fault bool
	}{
		{thaw.Cold, full, false},
		{thaw.Ongoing, full, false},
		{thaw.Cold, other, true},
		{thaw.Ongoing, other, false}, // it thaws on, no faster than before
		{thaw.Cold, gone, true},
		{thaw.Ongoing, gone, true},
		{thaw.Ongoing, pipeline.Fatal(other), true},
	} {
		state, err := thaw.Refused(tt.state, tt.err)
		if state != tt.state || (err != nil) != tt.fault {
			t.Errorf("%v, %v: %v, %v", tt.state, tt.err, state, err)
		}
	}
}

// TestNames: a value that is not defined has a text, and does not panic.
func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"not cold": thaw.NotCold.String(), "thawed": thaw.Thawed.String(), "state 5": thaw.State(5).String(), "state -1": thaw.State(-1).String(),
		"read": thaw.Read.String(), "leave": thaw.Leave.String(), "step 4": thaw.Step(4).String(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
