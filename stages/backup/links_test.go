package backup_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A far store answers each Put a round trip later, by the clock of the bubble that it is used in. It
// may ask for fewer requests.
type far struct {
	store.Store
	trip time.Duration
	most int64 // Puts at once from which on it asks for fewer; 0 is no limit
	busy *pipeline.Throttle
	now  atomic.Int64
}

func (f *far) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if now := f.now.Add(1); f.most > 0 && now > f.most {
		f.busy.Note()
	}
	defer f.now.Add(-1)
	time.Sleep(f.trip)
	return f.Store.Put(ctx, key, body, o)
}

// Small archives wait for round trips: more than the first workers are found to be faster. A store
// that asks for fewer requests gets fewer.
func TestUploadWorkersAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		busyFrom    int64
		least, most int
	}{
		"a store far away": {0, 32, 128},
		"and busy":         {4, 1, 7},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := stagestest.NewRig(t)
				for i := range 100 {
					stagestest.Write(t, filepath.Join(r.Tree, fmt.Sprintf("d%03d", i)), fmt.Sprint("content ", i))
				}
				busy := new(pipeline.Throttle)
				r.Store = &far{Store: r.Store, trip: time.Second, most: test.busyFrom, busy: busy}
				o := r.Backup(func(b *backup.Options) { b.Workers.Upload, b.Throttle = 0, busy })
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				for _, c := range o.Stages {
					if c.Stage == report.StageUpload && (!c.Tuned || c.Workers < test.least || c.Workers > test.most) {
						t.Errorf("%d workers were found", c.Workers)
					}
				}
			})
		})
	}
}
