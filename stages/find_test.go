package stages

import (
	"slices"
	"testing"

	"firn/stages/catalogue"
	"firn/stages/pick"
	"firn/stages/report"
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
		s := search{picks: picks, tell: func(e report.Event) {
			if e.Kind == report.Entry {
				told = append(told, e.Path)
			}
		}}
		s.warn(run)
		if !slices.Equal(told, want) {
			t.Errorf("%s: %q", pattern, told)
		}
	}
}
