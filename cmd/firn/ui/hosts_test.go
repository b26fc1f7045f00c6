package ui

import (
	"strings"
	"testing"

	"firn/stages/service/report"
)

// TestForemost: hosts with something in work come first, silent ones before idle ones, each at its place by
// its name; what has no line is counted.
func TestForemost(t *testing.T) {
	all := []report.Host{
		{Name: "a"}, {Name: "b", Work: 2}, {Name: "c", Sent: 1 << 40}, {Name: "d", Silent: silent, Work: 3}, {Name: "e", Work: 1},
		{Name: "f", State: report.HostLost}, {Name: "g", Silent: silent - 1},
	}
	for _, tt := range []struct {
		lines       int
		shown, more string
	}{
		{9, "abcdefg", ""}, {7, "abcdefg", ""}, {6, "abdef", "and 2 more: 2 idle"}, {5, "bdef", "and 3 more: 3 idle"}, {4, "bde", "and 4 more: 1 silent, 3 idle"},
		{2, "b", "and 6 more: 1 busy, 2 silent, 3 idle"}, {1, "", "7: 2 busy, 2 silent, 3 idle"}, {-3, "", "7: 2 busy, 2 silent, 3 idle"},
	} {
		shown, more := Foremost(all, tt.lines)
		names := ""
		for _, h := range shown {
			names += h.Name
		}
		if names != tt.shown || more != tt.more {
			t.Errorf("%d lines: %s, %q; want %s, %q", tt.lines, names, more, tt.shown, tt.more)
		}
	}
}

// TestHostsFill: whatever the height, the hosts take the lines that the other rows leave, those in work first.
func TestHostsFill(t *testing.T) {
	s := scenes()["returning"]
	for lines := 3; lines < 30; lines++ {
		drawn := s.on(look{}).draw(s.m, 80, lines)
		text := strings.Join(drawn, "\n")
		busy, all := 0, strings.Count(text, " in work")
		for _, name := range []string{"node-02", "node-05", "node-08", "node-11"} {
			busy += strings.Count(text, name)
		}
		more := strings.Contains(text, "more: ")
		switch {
		case len(drawn) > lines-1:
			t.Errorf("%d lines: %d rows", lines, len(drawn))
		case all < 14 && all > 0 && (!more || len(drawn) != lines-1-(lines-1)/8):
			t.Errorf("%d lines: %d rows with %d hosts:\n%s", lines, len(drawn), all, text)
		case all == 14 && more || lines > 22 && all < 14:
			t.Errorf("%d lines: %d hosts:\n%s", lines, all, text)
		case busy != min(all, 4):
			t.Errorf("%d lines: %d of %d hosts are in work:\n%s", lines, busy, all, text)
		}
	}
}
