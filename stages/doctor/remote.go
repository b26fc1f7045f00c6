package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// rights tries all that a backup and a restore do, on an object that is not there. The one upload that
// is begun is aborted.
func (d *doctor) rights(ctx context.Context) {
	const what = "rights"
	absent := ledger.Dir(d.Prefix) + "doctor/" + rand.Text()
	var begun store.Upload
	o := store.PutOptions{Class: d.Class, PartSize: d.Store.Limits().MinPart, New: true}
	all := true
	for _, try := range []func() error{
		func() error { return d.Store.Uploads(ctx, absent, func(store.PendingUpload) error { return nil }) },
		func() error { _, err := d.Store.Head(ctx, absent, ""); return err },
		func() error { return d.get(ctx, absent) },
		func() error { _, err := d.Store.Thaw(ctx, absent, "", store.TierStandard, 1); return err },
		func() error { return d.lock(ctx, absent) },
		func() (err error) { begun, err = d.Store.CreateUpload(ctx, absent, o); return err },
		func() error { return d.resume(ctx, absent, begun, o) },
		func() error { return d.abort(ctx, begun) },
	} {
		switch err := try(); {
		case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNoThaw), errors.Is(err, store.ErrNoUpload):
		case ctx.Err() != nil:
			return
		default:
			all = false
			d.fails(what, err)
		}
	}
	if all {
		d.fine(what, "archives may be stored, read, thawed and listed, and unfinished uploads aborted")
	}
}

func (d *doctor) get(ctx context.Context, key string) error {
	body, err := d.Store.Get(ctx, key, store.GetOptions{})
	if err != nil {
		return err
	}
	return body.Close()
}

// lock tries to lock, if what is stored is locked.
func (d *doctor) lock(ctx context.Context, key string) error {
	l, ok := d.Store.(store.Locker)
	if !ok || l.Locks().For == 0 {
		return nil
	}
	return l.Lock(ctx, key, "", time.Now().Add(time.Hour))
}

func (d *doctor) resume(ctx context.Context, key string, begun store.Upload, o store.PutOptions) error {
	if begun == nil {
		return nil
	}
	_, _, err := d.Store.ResumeUpload(ctx, key, begun.ID(), o)
	return err
}

// abort aborts the upload even if ctx has ended.
func (d *doctor) abort(ctx context.Context, begun store.Upload) error {
	if begun == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return begun.Abort(ctx)
}

// catalogue reads the runs, and how large the archives of the newest are.
func (d *doctor) catalogue(ctx context.Context, keys *encryption.Keys) {
	const what = "catalogue"
	if ctx.Err() != nil {
		return
	}
	if keys == nil {
		d.keyless(ctx)
		return
	}
	l := &ledger.Ledger{Store: d.Store, Prefix: d.Prefix, Keys: keys, Scratch: d.Scratch}
	runs, faults, breaks, err := job.Runs(ctx, l, notes(d.note))
	switch {
	case err != nil:
		d.fails(what, err)
		return
	case len(runs) == 0 && len(faults) == 0:
		d.keyless(ctx)
		return
	case len(runs) == 0 && errors.Is(faults[0].Err, encryption.ErrOtherKey):
		d.fails(what, fmt.Errorf("the key file does not open it: it was %w", encryption.ErrOtherKey))
		return
	}
	for _, f := range faults {
		d.fails(what, f.Err)
	}
	for _, b := range breaks {
		if !b.Noted {
			d.note(what, "%v: %s", b, b.Meaning())
		}
	}
	if len(runs) == 0 {
		return
	}
	run := d.newest(runs)
	said := fmt.Sprintf("runs: %d; the newest, %s of %s, ", len(runs), run.ID, catalogue.Escape(run.BackupPath))
	switch {
	case !run.Complete:
		d.note(what, "%swas not completed: %s", said, cmp.Or(catalogue.Escape(run.Error), "it was interrupted"))
	case run.Failed+run.Faults > 0:
		d.note(what, "%swas opened with this key file; %d archives and %d entries were not saved whole", said, run.Failed, run.Faults)
	default:
		d.fine(what, "%swas opened with this key file; it began %s", said, run.Started.Format("2006-01-02 15:04 UTC"))
	}
	if err := l.Subtrees(ctx, run, func(s catalogue.Subtree) error {
		d.largest = max(d.largest, s.ArchiveSize)
		return nil
	}); err != nil {
		d.fails(what, err)
	}
}

// newest is the newest run of the backup path, or else of all.
func (d *doctor) newest(runs []catalogue.Run) catalogue.Run {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].BackupPath == d.Path {
			return runs[i]
		}
	}
	return runs[len(runs)-1]
}

// keyless tells what a store holds whose runs can't be read, or that has none.
func (d *doctor) keyless(ctx context.Context) {
	archive, err := job.FirstArchive(ctx, d.Store, key.Prefix(d.Prefix))
	switch {
	case err != nil:
		d.fails("catalogue", err)
	case archive != "" && d.missing:
		d.fails("key file", fmt.Errorf("%s is not there, and %s holds archives (%s), which nothing else opens: restore it from a copy", d.Keyfile, d.Store.URL(), archive))
	case archive != "":
		d.note("catalogue", "no run can be read, though there are archives (%s)", archive)
	default:
		d.fine("catalogue", "there is no run yet, and no archive")
	}
}

// notes is a reporter whose events are notes on the catalogue.
type notes func(what, format string, a ...any)

func (n notes) Event(e report.Event) { n("catalogue", "%s", e.Text) }
