package jetstream

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTroubles: each trouble is told once, and its end once, when all that met it are through; what was begun
// before the same worked is none.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Troubles
		var told []string
		meets := func(in *trouble, doing, why string, begun time.Time) *trouble {
			in, tell := all.meets(in, doing, why, begun)
			if tell {
				told = append(told, doing+": "+why)
			}
			return in
		}
		leaves := func(in *trouble, doing string, works bool) {
			if again := all.leaves(in, doing, works); again != "" {
				told = append(told, again+" works")
			}
		}
		old := time.Now()
		time.Sleep(time.Second)
		offer, answer, second := meets(nil, "offer", "full", old), meets(nil, "answer", "full", old), meets(nil, "answer", "full", old)
		odd := meets(nil, "look", "odd", old)
		if meets(offer, "offer", "another word for it", old) != offer {
			t.Error("it is in two troubles")
		}
		leaves(answer, "answer", true)
		leaves(nil, "ask", true)
		leaves(odd, "look", false) // nobody tries it any more
		leaves(offer, "offer", true)
		if want := []string{"offer: full", "look: odd"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		leaves(second, "answer", false) // given up; the others are through
		told = told[2:]
		if meets(nil, "answer", "late", old) != nil {
			t.Error("it was begun before another one worked")
		}
		time.Sleep(time.Second)
		leaves(meets(nil, "answer", "full", time.Now()), "answer", true)
		if want := []string{"offer works", "answer: full", "answer works"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if first, second := all.loses(), all.loses(); !first || second {
			t.Error("of two connections that are lost, the first is told")
		}
		if first, last := all.regains(), all.regains(); first || !last {
			t.Error("of two connections that are there again, the last is told")
		}
	})
}
