package backup

import (
	"fmt"
	"io/fs"
	"testing"

	"firn/stages/format/catalogue"
)

// What a run could not list and has no room for in its faults is named elsewhere, and what has no room
// there is told. What vanished is no loss.
func TestMoreFaultsThanARunNames(t *testing.T) {
	j := &journal{left: map[catalogue.Left]bool{}}
	const beyond = 5
	for i := range catalogue.MaxFaults + beyond {
		j.cutFault(fmt.Sprint("/srv/", i), fs.ErrPermission)
	}
	j.cutFault("/srv/gone", fs.ErrNotExist)
	if len(j.cutFaults) != catalogue.MaxFaults || len(j.left) != beyond || j.leftMore {
		t.Errorf("%d faults, %d left, more: %v", len(j.cutFaults), len(j.left), j.leftMore)
	}
	if last := (catalogue.Left{Path: fmt.Sprint("srv/", catalogue.MaxFaults), Why: catalogue.Unlisted}); !j.left[last] {
		t.Errorf("%+v is not among %v", last, j.left)
	}
	for i := range catalogue.MaxLeft {
		j.cutFault(fmt.Sprint("/home/", i), fs.ErrPermission)
	}
	if len(j.left) != catalogue.MaxLeft || !j.leftMore {
		t.Errorf("%d left, more: %v", len(j.left), j.leftMore)
	}
}
