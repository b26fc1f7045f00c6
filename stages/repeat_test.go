package stages_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"firn/stages"
	"firn/stages/format/record"
)

// growing is a table that, asked for the first time, makes files larger that
// have been scanned.
type growing struct {
	*rows
	once sync.Once
	grow func()
}

func (g *growing) Get(ctx context.Context, keys []string) (map[string]record.Record, error) {
	g.once.Do(g.grow)
	return g.rows.Get(ctx, keys)
}

// Archives that outgrow their spool are made again while they are sent: they
// must not wait for each other's memory.
func TestSeveralOutgrowTheSpool(t *testing.T) {
	r := newRig(t)
	names := []string{"a", "b", "c", "d"}
	for _, n := range names {
		write(t, filepath.Join(r.tree, n, "file"), "small")
	}
	r.run()
	for _, n := range names {
		write(t, filepath.Join(r.tree, n, "file"), "other")
	}
	table := &growing{rows: &rows{m: map[string]record.Record{}}, grow: func() {
		for i, n := range names {
			noise(t, filepath.Join(r.tree, n, "file"), int64(i), 16<<20)
		}
	}}
	o := r.run(func(b *stages.Backup) {
		b.Table, b.ForceRead = table, true
		b.MemoryLimit = stages.MemoryNeeded(b.Format, b.PartSize)
		b.Workers.Archive, b.Workers.Encrypt = 4, 4
	})
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	r.same()
}
