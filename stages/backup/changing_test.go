package backup_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/service/report"
)

// changing is a format that calls change when the first block of an archive of more than one is
// compressed.
type changing struct {
	codec.Format
	change func()
}

type changingCut struct {
	codec.Cut
	change func()
	blocks int
}

func (c changing) NewCut() codec.Cut { return &changingCut{c.Format.NewCut(), c.change, 0} }

func (c *changingCut) Scan(p []byte) (int, bool) {
	n, full := c.Cut.Scan(p)
	if full {
		if c.blocks++; c.blocks == 1 {
			c.change()
		}
	}
	return n, full
}

// changes are those of a file while it is read.
var changes = map[string]struct {
	times, again, changed int64 // how often it changes; what is counted
	spool                 int64
}{
	"once":                  {1, 1, 0, 256 << 20},
	"always":                {9, 1, 1, 256 << 20},
	"larger than the spool": {1, 0, 1, 1 << 20},
}

// TestReadAgain: a subtree with entries that change while they are read is read once more, and then
// stored as read.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := stagestest.NewRig(t)
			file := filepath.Join(r.Tree, "d", "noise")
			stagestest.Noise(t, file, 31, 12<<20)
			var times atomic.Int64
			o := r.Backup(func(b *backup.Options) {
				b.SpoolLimit = tt.spool
				b.Format = changing{b.Format, func() {
					if times.Add(1) > tt.times {
						return
					}
					f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
					if err == nil {
						_, err = f.WriteString("more")
						f.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}}
			})
			if o.Totals.ReadAgain.Load() != tt.again || o.Totals.Changed.Load() != tt.changed || int64(len(o.Of(report.Changed))) != tt.changed {
				t.Errorf("read again %d, changed %d: %v", o.Totals.ReadAgain.Load(), o.Totals.Changed.Load(), o.Events)
			}
			if tt.spool > 1<<20 {
				if o.Totals.Saved.Load() != o.Totals.Subtrees.Load() {
					t.Errorf("%d saved: %v", o.Totals.Saved.Load(), o.Events)
				}
			}
		})
	}
}
