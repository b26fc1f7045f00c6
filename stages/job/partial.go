package job

import (
	"fmt"
	"strings"

	"firn/stages/format/catalogue"
	"firn/stages/service/report"
)

// named is how many of the entries that an archive lacks a warning names.
const named = 3

// PartialEvent is the warning that the archive of a line lacks what the archive of another run has;
// false if it does not, as far as the catalogue says. If it is one entry, Path is that entry's.
func PartialEvent(line *catalogue.Subtree) (report.Event, bool) {
	if line.Better == "" {
		return report.Event{}, false
	}
	e := report.Event{Kind: report.Warning, Problem: report.ProblemPartial, Path: line.Path, Key: line.Key, Run: line.Better}
	missing := line.Unread()
	what := "entries"
	switch {
	case len(missing) > named:
		what = strings.Join(missing[:named], ", ") + " and more"
	case len(missing) > 0:
		what = strings.Join(missing, ", ")
	}
	if len(missing) == 1 {
		e.Path, what = missing[0], "this entry"
	}
	e.Text = fmt.Sprintf("the archive lacks %s, which could not be read when it was made; that of run %s has what could be read then", what, line.Better)
	return e, true
}
