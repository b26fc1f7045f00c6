package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"firn/stages/format/catalogue"
)

// notes is a Memo in memory.
type notes struct{ sync.Map }

func (n *notes) Run(id string) []byte {
	value, _ := n.Load(id)
	b, _ := value.([]byte)
	return b
}

func (n *notes) KeepRun(id string, value []byte) error { n.Store(id, value); return nil }

// A world is a catalogue that some hosts write to, and somebody deletes from.
type world struct {
	there   map[string]Step
	ever    map[string]Step
	hosts   []*notes
	numbers int
}

// A beginning is a run under way.
type beginning struct {
	host    int
	path    string
	history History
	chain   *catalogue.Chain
}

// begin begins a run, which reads the catalogue as it is now.
func (w *world) begin(host int, path string) (beginning, []Break) {
	h := History{unread: map[string]bool{}, steps: slices.Collect(maps.Values(w.there)), Next: 1}
	for _, s := range h.steps {
		h.Next = max(h.Next, s.Number+1)
	}
	b := beginning{host: host, path: path, history: h}
	var untold []Break
	b.chain, untold = b.history.Link(w.hosts[host], path, false)
	return b, untold
}

// end stores the run.
func (w *world) end(b beginning) Step {
	w.numbers++
	id := fmt.Sprintf("run%03d", w.numbers)
	s := Step{ID: id, Number: b.history.Next, Path: b.path, Chain: b.chain, HMAC: "hmac of " + id}
	w.there[id], w.ever[id] = s, s
	b.history.Keep(w.hosts[b.host], s)
	return s
}

// breaks are those that a reader sees.
func (w *world) breaks() []Break {
	return newChains(slices.Collect(maps.Values(w.there)), nil, nil).breaks()
}

// gap is the first run that is not there on the way back from s, "" if the way is whole.
func (w *world) gap(s Step) (missing, after string) {
	for s.Chain != nil && s.Chain.Before != "" {
		before, ok := w.there[s.Chain.Before]
		if !ok {
			return s.Chain.Before, s.ID
		}
		s = before
	}
	return "", ""
}

// TestEveryDeletionIsTold: over random histories of hosts that save in turn and beside each other, and
// of somebody who deletes runs and puts some back, every deletion with a later run left is told, and
// nothing is told without a cause; a backup tells each thing once.
func TestEveryDeletionIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{there: map[string]Step{}, ever: map[string]Step{}, hosts: []*notes{{}, {}, {}}}
		paths := []string{"a", "b"}
		var open []beginning
		overlapped, tampered := false, false
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			host, path := rapid.IntRange(0, 2).Draw(t, "host"), rapid.SampledFrom(paths).Draw(t, "path")
			switch rapid.SampledFrom([]string{"run", "run", "run", "begin", "end", "delete", "put back", "lose the memo", "older firn"}).Draw(t, "what") {
			case "run":
				b, untold := w.begin(host, path)
				overlapped = overlapped || len(open) > 0
				if len(untold) > 0 && !overlapped && !tampered {
					t.Fatalf("nothing happened, and it is told: %v", untold)
				}
				last := stepIn(w.hosts[host], b.history.lastOf(path))
				if last.ID != "" && w.there[last.ID].ID == "" && len(untold) == 0 {
					t.Fatalf("%s is gone, which the host knows, and nothing is told", last.ID)
				}
				w.end(b)
				if len(open) == 0 {
					if _, again := w.begin(host, path); len(again) > 0 {
						t.Fatalf("told again: %v, before: %v", again, untold)
					}
				}
			case "begin":
				b, _ := w.begin(host, path)
				open = append(open, b)
			case "end":
				if len(open) > 0 {
					overlapped = true
					w.end(open[0])
					open = open[1:]
				}
			case "delete":
				if ids := slices.Sorted(maps.Keys(w.there)); len(ids) > 0 {
					delete(w.there, rapid.SampledFrom(ids).Draw(t, "id"))
					tampered = true
				}
			case "put back":
				if ids := slices.Sorted(maps.Keys(w.ever)); len(ids) > 0 {
					id := rapid.SampledFrom(ids).Draw(t, "id")
					w.there[id] = w.ever[id]
				}
			case "older firn":
				w.numbers++
				s := Step{ID: fmt.Sprintf("run%03d", w.numbers), Number: int64(w.numbers), Path: path, HMAC: fmt.Sprint(w.numbers)}
				w.there[s.ID], w.ever[s.ID] = s, s
			case "lose the memo":
				w.hosts[host] = &notes{}
			}
			found := w.breaks()
			for _, s := range w.there {
				missing, after := w.gap(s)
				told := slices.ContainsFunc(found, func(b Break) bool { return b.Kind == Gone && b.Run == missing && slices.Contains(b.By, after) })
				if missing != "" && !told {
					t.Fatalf("%s, which %s came after, is gone, and is not told: %v", missing, after, found)
				}
			}
			for _, b := range found {
				switch {
				case b.Kind == Gone && w.there[b.Run].ID != "", b.Kind == Exchanged, b.Kind == Forked && !overlapped && !tampered:
					t.Fatalf("told without a cause: %v", b)
				}
			}
		}
	})
}

// chained makes a step; before is "id hmac".
func chained(id string, number int64, c *catalogue.Chain) Step {
	return Step{ID: id, Number: number, Path: "p", Chain: c, HMAC: "h" + id}
}

// TestBreaks are those of one path, told as a reader sees them.
func TestBreaks(t *testing.T) {
	link := func(place int64, before string) *catalogue.Chain {
		return &catalogue.Chain{Place: place, Before: before, HMAC: "h" + before}
	}
	for name, test := range map[string]struct {
		steps  []Step
		unread []string
		others []string
		want   string
	}{
		"whole":                    {steps: []Step{chained("1", 1, link(1, "")), chained("2", 2, link(2, "1"))}},
		"older runs without links": {steps: []Step{chained("1", 0, nil), chained("2", 0, nil), chained("3", 1, link(1, "2"))}},
		"one of those gone":        {steps: []Step{chained("1", 0, nil), chained("3", 1, link(1, "2"))}, want: "run 2 of p, which run 3 came after, is gone"},
		"an older firn in between": {steps: []Step{chained("1", 1, link(1, "")), chained("2", 0, nil), chained("3", 2, link(2, "1"))}},
		"a middle one gone":        {steps: []Step{chained("1", 1, link(1, "")), chained("3", 3, link(3, "2"))}, want: "run 2 of p, which run 3 came after, is gone"},
		"three in the middle gone": {steps: []Step{chained("1", 1, link(1, "")), chained("5", 5, link(5, "4"))}, want: "run 4 of p, which run 5 came after, is gone, and so are runs before it: 2"},
		"the first ones gone":      {steps: []Step{chained("3", 3, link(3, "2"))}, want: "run 2 of p, which run 3 came after, is gone, and so are runs before it: 1"},
		"more of the first ones": {steps: []Step{chained("3", 3, link(3, "2")), chained("4", 4, &catalogue.Chain{Place: 4, Before: "3", HMAC: "h3", From: 2})},
			want: "(moved) run 2 of p, which run 3 came after, is gone, and so are runs before it: 1"},
		"unreadable":                {steps: []Step{chained("3", 3, link(3, "2"))}, unread: []string{"2"}},
		"as if of another key file": {steps: []Step{chained("3", 3, link(3, "2"))}, others: []string{"2"}, want: "run 2 of p is not the one that run 3 came after"},
		"of another key file":       {steps: []Step{chained("3", 1, link(1, ""))}, others: []string{"2"}},
		"retired by a rebuild":      {steps: []Step{chained("3", 3, link(3, "2"))}, unread: []string{"2"}, others: []string{"2"}},
		"told before":               {steps: []Step{chained("3", 3, link(3, "2")), chained("4", 4, &catalogue.Chain{Place: 4, Before: "3", HMAC: "h3", Gone: []string{"2"}})}, want: "(noted) run 2 of p, which run 3 came after, is gone, and so are runs before it: 1"},
		"other content":             {steps: []Step{chained("1", 1, link(1, "")), chained("2", 2, &catalogue.Chain{Place: 2, Before: "1", HMAC: "other"})}, want: "run 1 of p is not the one that run 2 came after"},
		"a fork":                    {steps: []Step{chained("1", 1, link(1, "")), chained("2", 2, link(2, "1")), chained("3", 2, link(2, "1"))}, want: "runs 2 and 3 of p each come directly after run 1"},
		"a fork, told":              {steps: []Step{chained("1", 1, link(1, "")), chained("2", 2, link(2, "1")), chained("3", 2, link(2, "1")), chained("4", 3, &catalogue.Chain{Place: 3, Before: "3", HMAC: "h3", Beside: []string{"2"}})}, want: "(noted) runs 2 and 3 of p each come directly after run 1"},
		"two begin":                 {steps: []Step{chained("1", 1, link(1, "")), chained("2", 1, link(1, ""))}, want: "runs 1 and 2 of p each begin a chain"},
	} {
		unread, others := map[string]bool{}, map[string]bool{}
		for _, id := range test.unread {
			unread[id] = true
		}
		for _, id := range test.others {
			others[id] = true
		}
		var got []string
		for _, b := range newChains(test.steps, unread, others).breaks() {
			said := b.Error()
			if b.Noted {
				said = "(noted) " + said
			} else if b.Moved {
				said = "(moved) " + said
			}
			got = append(got, said)
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
}

// TestExpect is the newest run, one that it comes after, or none.
func TestExpect(t *testing.T) {
	run := func(id string, number int64, path string, c *catalogue.Chain) catalogue.Run {
		return catalogue.Run{ID: id, Number: number, Path: path, Chain: c, HMAC: "h" + id}
	}
	link := func(place int64, before string, gone ...string) *catalogue.Chain {
		return &catalogue.Chain{Place: place, Before: before, HMAC: "h" + before, Gone: gone}
	}
	all := []catalogue.Run{
		run("old", 0, "a", nil), run("a1", 1, "a", link(1, "old")), run("b1", 2, "b", link(1, "")), run("a2", 3, "a", link(2, "a1")),
		run("a2fork", 3, "a", link(2, "a1")), run("a4", 4, "a", link(4, "a3", "lost")), run("c1", 5, "c", nil), run("c2", 6, "c", nil),
	}
	for _, test := range []struct {
		id, want string
		none     bool // the catalogue has no run
	}{
		{id: "a4"}, {id: "a3"}, {id: "lost"}, {id: "los"}, {id: "b1"}, {id: "c2"},
		{id: "a", want: "give more of the id"},
		{id: "a2", want: "the newest run of a is a4, and its chain does not lead to run a2"},
		{id: "c1", want: "the newest run of c is c2, and its chain does not lead to run c1"},
		{id: "x", want: "run x is expected, and the catalogue does not have it; its newest run is c2, of c"},
		{id: "a4", none: true, want: "run a4 is expected, and no run can be read"},
	} {
		runs := all
		if test.none {
			runs = nil
		}
		err := Expect(runs, nil, test.id)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.id, err)
		}
		if _, is := errors.AsType[*ExpectError](err); err != nil && is == errors.Is(err, ErrNoRun) {
			t.Errorf("%s: %T", test.id, err)
		}
	}
	whole := []catalogue.Run{all[0], all[1], all[3]}
	for _, id := range []string{"old", "a1", "a2"} {
		if err := Expect(whole, nil, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}
