package restore

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// A directory that a run could not list is missing in what is restored, which
// the exit code has to tell; one that nobody asked for is not.
func TestDirectoriesThatWereNotListed(t *testing.T) {
	run := catalogue.Run{Complete: true, CutFaults: []catalogue.Fault{{Path: "/srv/a"}, {Path: "/srv/b"}}}
	for pattern, want := range map[string][]string{
		"/": {"/srv/a", "/srv/b"}, "/srv/b/c": {"/srv/b"}, "/home": nil, "name": {"/srv/a", "/srv/b"},
	} {
		picks, err := pick.Parse([]string{pattern})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		s := search{picks: picks, event: func(e report.Event) {
			if e.Kind == report.Entry {
				told = append(told, e.Path)
			}
		}}
		s.gaps.add(&run)
		s.tellGaps()
		slices.Sort(told)
		if !slices.Equal(told, want) {
			t.Errorf("%s: %q", pattern, told)
		}
	}
}

// A tree of which no backup has come to its end may be there in part only.
func TestUnfinishedBackups(t *testing.T) {
	all := []catalogue.Run{{ID: "1", Path: "srv"}, {ID: "2", Path: "home", Complete: true}, {ID: "3", Path: "home/me"}, {ID: "4", Path: "srv"}}
	var told []string
	s := search{runs: ledger.Reaches(all[1:2]), event: func(e report.Event) { told = append(told, e.Text) }}
	s.warnOfUnfinished(all)
	if len(told) != 1 || !strings.Contains(told[0], "4") {
		t.Errorf("%q", told)
	}
}

// What a run left out, and the catalogue has no room to name, is a fault if an older run may hold it.
func TestMoreThanTheCatalogueNames(t *testing.T) {
	more := catalogue.Run{ID: "2", Path: "srv", Complete: true, LeftMore: true}
	failed := more
	failed.Failed = 1
	for i, test := range []struct {
		run, older catalogue.Run
		told       bool
	}{
		{more, catalogue.Run{ID: "1", Path: "srv/a", Complete: true}, true},
		{more, catalogue.Run{ID: "1", Path: "home", Complete: true}, false},
		{more, catalogue.Run{ID: "1", Path: "srv/a"}, false},
		{more, catalogue.Run{ID: "1", Path: "srv", Complete: true}, false}, // of its own path, what was left out on purpose is gone
		{failed, catalogue.Run{ID: "1", Path: "srv", Complete: true}, true},
	} {
		told := 0
		s := search{runs: ledger.Reaches([]catalogue.Run{test.run}), event: func(e report.Event) {
			if e.Kind == report.Entry && errors.As(e.Err, new(*MoreError)) {
				told++
			}
		}}
		s.tellMore([]catalogue.Run{test.older, test.run})
		if (told == 1) != test.told {
			t.Errorf("case %d: told %d times", i, told)
		}
	}
}
