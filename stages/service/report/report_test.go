package report

import (
	"testing"
	"time"
)

// TestSeen: hosts that were lost are shown for a while, unless they are back; those that left are not.
func TestSeen(t *testing.T) {
	p := Progress{
		Hosts: []Host{{Name: "a", Silent: time.Hour}, {Name: "d"}},
		Gone: []Host{
			{Name: "b", State: HostLeft}, {Name: "c", State: HostLost, Silent: lostLately - 1}, {Name: "d", State: HostLost}, {Name: "e", State: HostLost, Silent: lostLately},
		},
	}
	names := ""
	for _, h := range p.Seen() {
		names += h.Name
	}
	if names != "acd" || len(p.Hosts) != 2 {
		t.Errorf("%s are seen of %+v", names, p)
	}
}
