package backup_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/backup"
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
	t.Parallel()
	r := stagestest.NewRig(t)
	names := []string{"a", "b", "c", "d"}
	for _, n := range names {
		stagestest.Write(t, filepath.Join(r.Tree, n, "file"), "small")
	}
	r.Backup()
	for _, n := range names {
		stagestest.Write(t, filepath.Join(r.Tree, n, "file"), "other")
	}
	r.ForgetAll() // so that the table is asked
	table := &growing{rows: &rows{m: map[string]record.Record{}}, grow: func() {
		for i, n := range names {
			stagestest.Noise(t, filepath.Join(r.Tree, n, "file"), int64(i), 4<<20)
		}
	}}
	o := r.Backup(func(b *backup.Options) {
		b.Table, b.ForceRead, b.PartSize = table, true, 1<<20
		b.MemoryLimit = backup.MemoryNeeded(b.Format, b.PartSize)
		b.Workers.Archive, b.Workers.Encrypt = 4, 4
	})
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.CheckArchives()
}
