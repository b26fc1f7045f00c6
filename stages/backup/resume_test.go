package backup_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/store"
)

// broken is a store to which no part after the first goes. The run is cancelled when two uploads
// have begun.
type broken struct {
	store.Store
	begun func()
}

func (b broken) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	u, err := b.Store.CreateUpload(ctx, key, o)
	return brokenUpload{u, sync.OnceFunc(b.begun)}, err
}

type brokenUpload struct {
	store.Upload
	begun func()
}

func (u brokenUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	u.begun()
	if number > 1 {
		<-ctx.Done()
		return store.Part{}, context.Cause(ctx)
	}
	return u.Upload.Part(ctx, number, body, crc)
}

// What the state file says wrongly of an upload is told once, and the archive is sent anew.
func TestUploadMisremembered(t *testing.T) {
	for name, change := range map[string]func(u *state.Upload){
		"gone":              func(u *state.Upload) { u.ID += "0" },
		"parts too small":   func(u *state.Upload) { u.PartSize = 1 },
		"parts too large":   func(u *state.Upload) { u.PartSize = 1 << 40 },
		"one salt for two":  func(u *state.Upload) { u.Salt = encryption.Salt{1} },
		"not misremembered": nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := stagestest.NewRig(t)
			for i := range 2 {
				stagestest.Noise(t, filepath.Join(r.Tree, fmt.Sprint("d", i), "noise"), int64(i), 12<<20)
			}
			ctx, cancel := context.WithCancel(t.Context())
			sound := r.Store
			var uploads atomic.Int32
			r.Store = broken{sound, func() {
				if uploads.Add(1) == 2 {
					cancel()
				}
			}}
			if _, err := r.TryBackup(ctx); err != nil {
				t.Fatal(err)
			}
			r.Store = sound
			begun := 0
			r.WithState(func(db *state.DB) {
				for key := range db.Uploads(r.Store.URL()) {
					u, _ := db.Upload(r.Store.URL(), key)
					if begun++; change != nil {
						change(&u)
						r.Must(db.KeepUpload(r.Store.URL(), key, u))
					}
				}
			})
			if begun != 2 {
				t.Fatalf("%d uploads were left", begun)
			}
			o := r.Backup()
			warned := 0
			for _, e := range o.Events {
				if e.Problem == report.ProblemUpload {
					warned++
				}
			}
			if change == nil {
				begun = 0
			}
			if o.Err != nil || !o.Complete(&o.Totals) || warned != begun {
				t.Errorf("%d warnings of %d uploads: %v %v", warned, begun, o.Err, o.Events)
			}
			r.CheckArchives()
		})
	}
}
