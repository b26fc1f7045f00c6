package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"firn/stages/format/catalogue"
)

// A Moment says as of when a tree is wanted; the zero value is as of the newest complete run.
type Moment struct {
	Run string    // the id of one run, or a unique prefix of it; "latest" is the newest, "latest~1" the one before it
	At  time.Time // as of the newest complete run that had begun by then
}

// ErrNoRun: the catalogue has no run for a moment.
var ErrNoRun = errors.New("no such run in the catalogue")

// Choose returns the runs that show the state at a moment, the newest first: the newest complete
// run of every backup path, and older ones that hold what newer ones left out (see Reach). A run that
// is named is returned as it is. all is in the order of Ledger.Runs. Errors: ErrNoRun, unless the
// moment is zero.
func Choose(all []catalogue.Run, m Moment) ([]catalogue.Run, error) {
	if m.Run != "" {
		run, err := find(all, m.Run)
		if err != nil {
			return nil, err
		}
		return []catalogue.Run{run}, nil
	}
	var chosen []catalogue.Run
	var newer []*Reach
	for _, run := range slices.Backward(all) {
		if !run.Complete || !m.At.IsZero() && run.Started.After(m.At) {
			continue
		}
		if !superseded(run, newer) {
			chosen, newer = append(chosen, run), append(newer, NewReach(run))
		}
	}
	if len(chosen) == 0 && !m.At.IsZero() {
		return nil, fmt.Errorf("%w: no complete run began by %s", ErrNoRun, m.At.Format(time.RFC3339))
	}
	return chosen, nil
}

// Sources returns the runs that together say which objects were stored last, from the oldest: those
// that Choose takes, and incomplete ones after the last complete one of their backup path. all is in
// the order of Ledger.Runs.
func Sources(all []catalogue.Run) (sources []catalogue.Run) {
	chosen, _ := Choose(all, Moment{}) // no error: no moment
	last := map[string]int{}
	for i, run := range all {
		if run.Complete {
			last[run.Path] = i + 1
		}
	}
	for i, run := range all {
		if !run.Complete && i >= last[run.Path] || slices.ContainsFunc(chosen, func(c catalogue.Run) bool { return c.ID == run.ID }) {
			sources = append(sources, run)
		}
	}
	return sources
}

// Latest is the name of the newest run.
const Latest = "latest"

// beforeLatest is how many runs before the newest one a name says: 0 for latest, 2 for latest~2.
func beforeLatest(name string) (n int, ok bool) {
	if name == Latest {
		return 0, true
	}
	number, ok := strings.CutPrefix(name, Latest+"~")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n >= 0
}

func find(all []catalogue.Run, id string) (catalogue.Run, error) {
	switch n, ok := beforeLatest(id); {
	case ok && n < len(all):
		return all[len(all)-1-n], nil
	case ok:
		return catalogue.Run{}, fmt.Errorf("%w: %q, and the catalogue has %d", ErrNoRun, id, len(all))
	}
	found := slices.DeleteFunc(slices.Clone(all), func(run catalogue.Run) bool { return !strings.HasPrefix(run.ID, id) })
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return catalogue.Run{}, fmt.Errorf("%w: %q", ErrNoRun, id)
	}
	return catalogue.Run{}, ambiguous(id, found[0].ID, found[1].ID)
}
