package backup_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// watched is a store that checks that no salt is used for two plaintexts: what is sent under one salt as
// the part of one number is always the same. before, if not nil, is called before each operation.
type watched struct {
	store.Store
	t      testing.TB
	before func(op fault.Op)

	mu    sync.Mutex
	salts map[string]encryption.Salt         // by upload
	sent  map[encryption.Salt]map[int]string // by part: its ETag
	early map[string]map[int]string          // by upload, while its first part is not seen
}

func watch(t testing.TB, s store.Store) *watched {
	return &watched{Store: s, t: t, salts: map[string]encryption.Salt{}, sent: map[encryption.Salt]map[int]string{}, early: map[string]map[int]string{}}
}

func (w *watched) call(op fault.Op) {
	if w.before != nil {
		w.before(op)
	}
}

// see notes a part of an upload.
func (w *watched) see(id string, number int, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if number == 1 {
		w.salts[id] = encryption.Salt(body[encryption.HeaderSize-encryption.SaltSize : encryption.HeaderSize])
	}
	if w.early[id] == nil {
		w.early[id] = map[int]string{}
	}
	w.early[id][number] = store.PutETag(body)
	salt, known := w.salts[id]
	if !known {
		return
	}
	if w.sent[salt] == nil {
		w.sent[salt] = map[int]string{}
	}
	for n, tag := range w.early[id] {
		if was, ok := w.sent[salt][n]; ok && was != tag {
			w.t.Errorf("two plaintexts were encrypted under the salt %x: part %d", salt, n)
		}
		w.sent[salt][n] = tag
	}
	clear(w.early[id])
}

func (w *watched) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	w.call(fault.CreateUpload)
	u, err := w.Store.CreateUpload(ctx, key, o)
	if err != nil {
		return nil, err
	}
	return watchedUpload{u, w}, nil
}

func (w *watched) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	w.call(fault.ResumeUpload)
	u, parts, err := w.Store.ResumeUpload(ctx, key, id, o)
	if err != nil {
		return nil, nil, err
	}
	return watchedUpload{u, w}, parts, nil
}

type watchedUpload struct {
	store.Upload
	w *watched
}

func (u watchedUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	u.w.see(u.ID(), number, body)
	u.w.call(fault.Part)
	return u.Upload.Part(ctx, number, body, crc)
}

// sentParts is how many parts the archive of newRetaken has.
const sentParts = 5

func newRetaken(t *testing.T) *stagestest.Rig {
	r := stagestest.NewRig(t)
	r.Change = inSmallParts
	stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 1, 4<<20+1000)
	return r
}

// interrupt runs a backup that is cancelled when it sends its last part, and leaves its upload.
func (w *watched) interrupt(r *stagestest.Rig, options ...func(*backup.Options)) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var parts atomic.Int64
	w.before = func(op fault.Op) {
		if op == fault.Part && parts.Add(1) == sentParts {
			cancel()
		}
	}
	if o, err := r.TryBackup(ctx, options...); err != nil || o.Totals.UploadsLeft.Load() != 1 {
		w.t.Fatal(err, o)
	}
	w.before = nil
}

// An upload that fails is taken up again in the same run, under the same salt, twice at most.
func TestUploadRetaken(t *testing.T) {
	t.Parallel()
	part := fault.Fault{Op: fault.Part, Skip: 2}
	for name, tt := range map[string]struct {
		faults  []fault.Fault
		aborted bool // somebody aborts the upload when its third part is sent
		options func(*backup.Options)
		uploads int // that are begun
		warned  int
		parts   int // sent at most
		failed  bool
	}{
		"a part is refused":       {faults: []fault.Fault{part}, uploads: 1, warned: 1, parts: sentParts + 1},
		"the answer is lost":      {faults: []fault.Fault{{Op: fault.Part, Skip: 1, After: true}}, uploads: 1, warned: 1, parts: sentParts + 1},
		"complete is refused":     {faults: []fault.Fault{{Op: fault.Complete}}, uploads: 1, warned: 1, parts: sentParts},
		"create is refused":       {faults: []fault.Fault{{Op: fault.CreateUpload}}, uploads: 2, warned: 1, parts: sentParts},
		"not what was sent":       {faults: []fault.Fault{{Op: fault.Complete, Err: store.ErrChecksum}}, uploads: 2, warned: 1, parts: 2 * sentParts},
		"aborted by somebody":     {aborted: true, uploads: 2, warned: 1, parts: 2 * sentParts},
		"larger than the spool":   {faults: []fault.Fault{part}, options: func(o *backup.Options) { o.SpoolLimit = 1 << 20 }, uploads: 1, warned: 1, parts: sentParts + 1},
		"told to leave nothing":   {faults: []fault.Fault{part}, options: func(o *backup.Options) { o.NoResume = true }, uploads: 2, warned: 1, parts: 2 * sentParts},
		"refused again and again": {faults: []fault.Fault{part, {Op: fault.Part}, {Op: fault.Part}}, uploads: 1, warned: 2, parts: sentParts + 2, failed: true},
		"another run stored it":   {faults: []fault.Fault{{Op: fault.Complete, Err: store.ErrExists}}, uploads: 1, parts: sentParts, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRetaken(t)
			sound := r.Store
			f := fault.New(sound, tt.faults...)
			w := watch(t, f)
			r.Store = w
			if tt.aborted {
				var once sync.Once
				w.before = func(op fault.Op) {
					if op != fault.Part || f.Count(fault.Part) < 2 {
						return
					}
					once.Do(func() {
						r.Must(sound.Uploads(context.Background(), "", func(u store.PendingUpload) error {
							if !strings.HasSuffix(u.Key, "/big.tar.gz") {
								return nil
							}
							return sound.AbortUpload(context.Background(), u.Key, u.ID)
						}))
					})
				}
			}
			options := []func(*backup.Options){func(o *backup.Options) { o.Workers.Upload = 1 }}
			if tt.options != nil {
				options = append(options, tt.options)
			}
			o := r.Backup(options...)
			warned := 0
			for _, e := range o.Events {
				if e.Problem == report.ProblemUpload {
					warned++
				}
			}
			if o.Err != nil || o.Complete(&o.Totals) == tt.failed || len(o.Of(report.Failed)) > 1 || warned != tt.warned {
				t.Errorf("%d warnings: %v %v", warned, o.Err, o.Events)
			}
			if n := f.Count(fault.CreateUpload); n != tt.uploads {
				t.Errorf("%d uploads were begun, not %d", n, tt.uploads)
			}
			if n := f.Count(fault.Part); n > tt.parts {
				t.Errorf("%d parts were sent, not %d", n, tt.parts)
			}
			if n := r.UnfinishedUploads(); int64(n) != o.Totals.UploadsLeft.Load() || n > 0 && !tt.failed {
				t.Errorf("%d uploads are unfinished, and %d are told", n, o.Totals.UploadsLeft.Load())
			}
			if o := r.Backup(); tt.failed && (o.Err != nil || !o.Complete(&o.Totals)) {
				t.Errorf("%v %v", o.Err, o.Events)
			}
			if n := r.UnfinishedUploads(); n != 0 {
				t.Errorf("%d uploads are unfinished after the next run", n)
			}
			r.Store = sound
			r.CheckArchives()
		})
	}
}

// An archive larger than the spool whose source changes between its two readings is not completed, and
// not a byte of the other one is encrypted under the salt of its upload.
func TestChangedBetweenReadings(t *testing.T) {
	t.Parallel()
	r := newRetaken(t)
	sound := r.Store
	w := watch(t, sound)
	r.Store = w
	small := func(o *backup.Options) { o.SpoolLimit, o.Workers.Upload = 1<<20, 1 }
	w.interrupt(r, small)
	changed := 0
	w.before = func(op fault.Op) {
		if op == fault.ResumeUpload { // after the first reading
			changed++
			stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 2, 4<<20+1000)
		}
	}
	o := r.Backup(small)
	if failed := o.Of(report.Failed); changed != 1 || len(failed) != 1 || o.Totals.SparedBytes.Load() >= 2<<20 {
		t.Errorf("changed %d times: %v %v", changed, o.Err, o.Events)
	}
	if _, err := sound.Head(t.Context(), r.KeyOf("big"), ""); err == nil {
		t.Error("an object was made")
	}
	if n := r.UnfinishedUploads(); n != 0 {
		t.Errorf("%d unfinished uploads", n)
	}
	w.before = nil
	if o := r.Backup(small); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Store = sound
	r.CheckArchives()
}

// What was encrypted of an archive that changed since then is of no use: its salt is that of the old one.
func TestChangedBetweenRuns(t *testing.T) {
	t.Parallel()
	r := newRetaken(t)
	sound := r.Store
	w := watch(t, sound)
	r.Store = w
	w.interrupt(r)
	stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 2, 4<<20+1000)
	o := r.Backup()
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.UploadsResumed.Load() != 0 || o.Totals.UploadsAborted.Load() != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Store = sound
	r.CheckArchives()
}
