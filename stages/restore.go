package stages

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// flow is the restore, the backup's mirror: what flows from one line to the
// next is an archive.
func (r *restore) flow() {
	wanted := pipeline.Source(r.stages.find, r.rounds)           // which archives may hold what is asked for; again, while some of them thaw
	missing := pipeline.Map(r.stages.compare, wanted, r.compare) // leave out what is in its place already
	ready := pipeline.Map(r.stages.lookup, missing, r.look)      // refuse what another key made, ask for what is cold
	fetched := pipeline.Map(r.stages.decrypt, ready, r.fetch)    // ranges ▸ decrypt ▸ spool; then MD5 and HMAC are proven
	pipeline.Sink(r.stages.extract, fetched, r.extract)          // decompress ▸ lay down
}

// An archived is one archive on its way back.
type archived struct {
	restore *restore
	key     string
	path    string // as it was saved, without a leading slash
	version string
	size    int64         // bytes of the object
	record  record.Record // what is known of it
	cold    coldness      // what is known of its thaw
	spool   *spool.File

	catalogued bool             // the record is the catalogue's: proven, and of the run that is restored
	class      string           // storage class
	list       *catalogue.Place // of its entries; nil if none is known
	except     []string         // paths in it of which a newer run tells: what lies at or below them is that run's
}

// String is the path that was saved.
func (a *archived) String() string { return a.path }

// Drop lets go of the spool file.
func (a *archived) Drop(error) {
	if a.spool == nil {
		return
	}
	if err := a.spool.Remove(); err != nil {
		a.restore.Report.Event(report.Event{Kind: report.Warning, Path: a.path, Text: "a spool file is left behind; the next run removes it", Err: err})
	}
}

// find emits the archives that may hold what is picked. While archives thaw it is called again and again, after search.begin: what it has to say
// it says when first is true, and it counts nothing (see rounds).
func (r *restore) find(ctx context.Context, first bool, emit func(*archived) error) error {
	r.search.tell = r.Report.Event
	if !first {
		r.search.tell = report.Discard{}.Event
	}
	found := false
	err := r.search.each(ctx, func(a *archived) error {
		a.restore, found = r, true
		return emit(a)
	})
	if err == nil && first && !found {
		return pipeline.Fatal(r.nothing())
	}
	return err
}

// nothing says why there is nothing to restore.
func (r *restore) nothing() error {
	if r.Picks == nil {
		return fmt.Errorf("there is nothing to restore: %s holds no archive below the prefix %q; check --bucket-name and --prefix", r.Store.URL(), key.Prefix(r.Prefix))
	}
	return errors.New("nothing that was saved matches --path: 'firn find' looks for what there is, 'firn list latest' shows it")
}

// compare lets pass what is not below the target yet as its list tells: neither fetched nor thawed for nothing.
func (r *restore) compare(ctx context.Context, a *archived, emit func(*archived) error) error {
	if a.cold.waited { // it was compared before
		return emit(a)
	}
	intact, err := r.intact(ctx, a)
	if !intact && err == nil {
		return emit(a)
	}
	defer r.waits.looked(false)
	if err != nil || a.cold.survey {
		return err
	}
	r.Totals.Scanned.Add(1)
	r.Report.Event(report.Event{Kind: report.Intact, Path: a.path, Key: a.key, Stored: a.size})
	return nil
}

// look asks what is known of the archive, and lets pass what can be proven and
// read.
func (r *restore) look(ctx context.Context, a *archived, emit func(*archived) error) error {
	if !a.cold.survey && !a.cold.waited {
		r.Totals.Scanned.Add(1)
	}
	step, err := r.ask(ctx, a)
	passes := err == nil && step == thaw.Read && !r.DryRun && !a.cold.survey
	r.waits.decide(a, step, err)
	defer r.waits.looked(passes)
	switch {
	case a.cold.survey && !pipeline.IsFatal(err):
		return nil // what is wrong is told when it is looked at in earnest
	case passes:
		return emit(a)
	case err == nil && step == thaw.Read:
		r.Report.Event(report.Event{Kind: report.WouldRestore, Path: a.path, Key: a.key, Stored: a.size})
	}
	return err
}

// know takes over what the store tells of an object. The catalogue's record is believed before the object's own.
func (r *restore) know(a *archived, object store.Object) error {
	own, err := record.FromMeta(object.Meta)
	if err != nil {
		return fmt.Errorf("reading the record of %s: %w", a.key, err)
	}
	replaced := a.catalogued && a.version == "" && (own.MD5 != a.record.MD5 || own.HMAC != a.record.HMAC)
	if replaced && r.Moment != (ledger.Moment{}) {
		return fmt.Errorf("%s was stored again since that run, and the store keeps no versions: what it held then is gone", a.key)
	}
	if replaced && own.Format == 0 && a.record.Format > 0 {
		return fmt.Errorf("%s is not what was saved, and bears no HMAC: whoever replaced it need not know the key; nothing of it was fetched", a.key)
	}
	a.size, a.version = object.Size, object.Version
	if !a.catalogued || replaced {
		a.record, a.list, a.catalogued = own, nil, false
	}
	return nil
}

// ask says what to do about an archive: read it, wait for it, or leave it.
func (r *restore) ask(ctx context.Context, a *archived) (thaw.Step, error) {
	object, err := r.Store.Head(ctx, a.key, a.version)
	if errors.Is(err, store.ErrNotFound) && a.version != "" {
		return thaw.Leave, fmt.Errorf("version %s of %s is gone: deleted, or expired by a rule of the bucket; the run of another day may have a version that is there ('firn find'): %w", a.version, a.key, err)
	}
	if errors.Is(err, store.ErrNotFound) {
		return thaw.Leave, fmt.Errorf("%s is gone: %w; 'firn verify' looks for what stands in for it", a.key, store.ErrNotFound)
	}
	if err != nil {
		return r.unseen(ctx, a, fmt.Errorf("asking what is known of %s: %w", a.key, err))
	}
	a.cold.misses = 0
	if err := r.know(a, object); err != nil {
		return thaw.Leave, err
	}
	if err := r.checkKey(a); err != nil {
		return thaw.Leave, err
	}
	return r.warm(ctx, a, object)
}

// checkKey names a wrong key before anything is fetched.
func (r *restore) checkKey(a *archived) error {
	switch {
	case a.record.Format == 0:
		if a.record.MD5 == "" {
			r.Report.Event(report.Event{Kind: report.Warning, Key: a.key, Text: "its metadata are lost, or are not of these bytes: nothing can prove that it is what was saved"})
			return nil
		}
		r.unprovenOnce.Do(func() {
			r.Report.Event(report.Event{Kind: report.Warning, Key: a.key, Text: "it was made by the old script: its MD5 is checked, but who made it can't be proven; so for others like it"})
		})
		return nil
	case a.record.KeyID == "":
		return errors.New("its record names no key: it can't be proven to be what was saved")
	}
	mine, err := r.Keys.Mine(a.record.KeyID)
	if err != nil {
		return fmt.Errorf("reading the key id in its record: %w", err)
	}
	if !mine {
		return fmt.Errorf("%w than the one given: name the key file it was made with", encryption.ErrOtherKey)
	}
	return nil
}

// fetch brings the archive into the spool and proves it.
func (r *restore) fetch(ctx context.Context, a *archived, emit func(*archived) error) (err error) {
	defer r.waits.settled()
	if a.size > r.SpoolLimit {
		return fmt.Errorf("its archive of %d bytes does not fit into the spool of %d: raise --spool-limit, or name a --cache-path with more room", a.size, r.SpoolLimit)
	}
	if a.spool, err = r.spool.Create(ctx, a.size); err != nil {
		return err
	}
	if err := r.fetchInto(ctx, a); err != nil {
		a.Drop(err)
		return r.coldAgain(a, err)
	}
	a.spool.Seal()
	return emit(a)
}

func (r *restore) fetchInto(ctx context.Context, a *archived) error {
	object := store.Object{Key: a.key, Version: a.version, Size: a.size}
	err := r.prover.prove(ctx, &stored{object: object, record: a.record}, a.spool)
	if problemOf(err) != "" && problemOf(err) != problemMissing {
		return fmt.Errorf("%w: %w; nothing of it was extracted", ErrDamaged, err)
	}
	return err
}

// extract lays the archive down.
func (r *restore) extract(ctx context.Context, a *archived) (err error) {
	defer a.Drop(nil)
	format, err := codec.ByExt(strings.TrimPrefix(path.Ext(a.key), "."))
	if err != nil {
		return err
	}
	plain, err := format.NewReader(a.spool.Reader())
	if err != nil {
		return fmt.Errorf("decompressing %s: %w", a.key, err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	result, err := r.extractor.ExtractWithin(ctx, r.boundedTar(a, plain), a.dir(), r.selected(a), r.limitsOf(a))
	r.Totals.Entries.Add(result.Entries)
	r.Totals.Files.Add(result.Files)
	r.stages.extract.AddOut(result.Bytes)
	if err != nil {
		return fmt.Errorf("extracting %s: %w", a.key, overLimit(err))
	}
	r.Report.Event(report.Event{Kind: report.Restored, Path: a.path, Key: a.key, Source: result.Bytes, Stored: a.size})
	return nil
}
