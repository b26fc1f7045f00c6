package backup_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/store"
)

// aborts counts them.
type aborts struct {
	store.Store
	n *atomic.Int64
}

func (a aborts) AbortUpload(ctx context.Context, key, id string) error {
	a.n.Add(1)
	return a.Store.AbortUpload(ctx, key, id)
}

// TestNotesSentAgain: whoever may write to the queue sends notes of uploads again, when they have ended: each
// costs one request at most.
func TestNotesSentAgain(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	var n atomic.Int64
	r.Store = aborts{r.Store, &n}
	c := newCrew(r, 1)
	var mu sync.Mutex
	var sent [][]byte
	c.queue.Tap = func(m hoststest.Message) {
		if m.Kind == hoststest.Answered {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, bytes.Clone(m.Body))
		}
	}
	key := r.KeyOf("d1")
	c.change = func(_ *worker, o *backup.Options) {
		o.Store = pausing{Store: o.Store, key: key, complete: func(put func() (store.Object, error)) (store.Object, error) {
			time.Sleep(sealed) // all else is answered
			mu.Lock()
			again := sent
			mu.Unlock()
			evil := c.queue.Link()
			defer evil.Close()
			for range 20 {
				for _, body := range again {
					r.Must(evil.Answer(context.Background(), body))
				}
			}
			time.Sleep(time.Second)
			return put()
		}}
	}
	synctest.Test(t, func(*testing.T) {
		c.check(c.backup())
	})
	if got := n.Load(); got > 1 {
		t.Errorf("uploads were aborted %d times", got)
	}
	r.CheckArchives()
}
