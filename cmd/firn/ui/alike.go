package ui

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"firn/stages/service/report"
)

const (
	alikeShown = 5   // of events that are alike, so many are printed
	alikeKinds = 100 // events of more sorts than these are all printed
)

// alike counts events that are alike: of one kind, for the same cause. The first few of them are
// printed, the others counted and told at the end.
type alike struct {
	sorts map[string]*likes
	order []*likes
}

// likes is what is known of events that are alike.
type likes struct {
	first string // its line
	n     int64  // how many there were
}

// folds notes an event whose line is to be printed, and reports whether it is counted instead.
func (a *alike) folds(e report.Event, line string) bool {
	switch e.Kind {
	case report.Failed, report.Entry, report.Changed, report.Warning, report.Left, report.Unproven, report.Unknown:
	default:
		return false
	}
	like := likeness(e)
	s := a.sorts[like]
	if s == nil {
		if len(a.order) == alikeKinds {
			return false
		}
		if a.sorts == nil {
			a.sorts = map[string]*likes{}
		}
		s = &likes{first: line}
		a.sorts[like] = s
		a.order = append(a.order, s)
	}
	s.n++
	return s.n > alikeShown
}

// rest returns a line for each sort of which not all were printed, and forgets all.
func (a *alike) rest() (lines []string) {
	for _, s := range a.order {
		if more := s.n - alikeShown; more > 0 {
			lines = append(lines, fmt.Sprintf("firn: and %s more like this: %s", Number(more), strings.TrimPrefix(s.first, "firn: ")))
		}
	}
	*a = alike{}
	if lines != nil {
		lines = append(lines, "firn: --verbose and --json name each of them")
	}
	return lines
}

// likeness is the same for events that are alike: what was being done, and why it failed, without the
// names and numbers in it.
func likeness(e report.Event) string {
	text := e.Text
	if e.Err != nil {
		operation, _, _ := strings.Cut(withoutNames(e, e.Err.Error()), " ")
		text += "|" + operation + "|" + innermost(e.Err).Error()
	}
	return string(e.Kind) + "|" + string(e.Problem) + "|" + withoutNames(e, text)
}

// innermost is the innermost error, the first of several.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			next = cmp.Or(joined.Unwrap()...)
		}
		if next == nil {
			return err
		}
		err = next
	}
}

var namesAndNumbers = regexp.MustCompile(`"(\\.|[^"\\])*"|[0-9]+`)

func withoutNames(e report.Event, text string) string {
	for _, name := range []string{e.Path, e.Key, e.Run} {
		if name != "" {
			text = strings.ReplaceAll(text, name, "…")
		}
	}
	return namesAndNumbers.ReplaceAllString(text, "…")
}
