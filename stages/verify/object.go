package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// fitsListing tells whether the listing shows the very object that the run
// tells of. Equal tags are equal bytes: each upload has a salt of its own. What
// the run does not know of it can't differ.
func (v *verify) fitsListing(a *examined) bool {
	s := &a.Line
	return a.listed.found() && a.listed.size == s.ObjectSize && (s.ETag == "" || a.listed.etag == v.listing.hash(s.ETag))
}

// absent says of an object that Head did not find what that means.
func (v *verify) absent(ctx context.Context, a *examined, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch {
	case a.Line.Version == "":
		return prove.Damagef(report.ProblemMissing, "it is gone: %w", store.ErrNotFound)
	case a.listed.found():
		return prove.Damagef(report.ProblemMissing, "its version %s is gone, and another has its key: %w", a.Line.Version, store.ErrNotFound)
	}
	return prove.Damagef(report.ProblemMissing, "its version %s is gone: %w", a.Line.Version, store.ErrNotFound)
}

// holds holds the object against what its run says of it; of one that no run
// knows, its own metadata are believed. It leaves in a the record that the
// content is to fit.
func (v *verify) holds(ctx context.Context, a *examined) error {
	kept, err := record.FromMeta(a.Object.Meta)
	if err != nil {
		return prove.Damagef(report.ProblemMetadata, "its metadata are not what was stored with it: %w", err)
	}
	if kept.MD5 == "" {
		err = prove.Damagef(report.ProblemMetadata, "its metadata bear no MD5: it is no archive of firn's, or they were lost when it was copied")
	}
	if a.run != "" {
		wrong := v.holdsOfRun(ctx, a, kept, err)
		switch {
		case wrong == nil:
			a.Record, err = a.Line.Record(), nil
		case !v.isOfUnfinishedRun(a, kept, wrong):
			return wrong
		case v.options.Level != ReadData || !v.options.Subset.Has(a.Object.Key) || a.Object.Restore.Cold:
			a.unfinished = true
			return wrong
		default:
			v.tellUnfinished(a)
			a.run, a.Line.List = "", nil
		}
	}
	if a.run == "" {
		a.Record, a.Line.ObjectSize = kept, a.Object.Size
	}
	if err == nil {
		err = v.checkKey(a)
	}
	if !a.Object.HasCRC32C {
		v.Totals.Checks.NoChecksum.Add(1)
	}
	return err
}

// isOfUnfinishedRun tells whether an object that is not what its run says of it seems to be a later state, stored with this key by a run
// that was killed before it could note anything, or is under way: restore takes it, by its own record.
func (v *verify) isOfUnfinishedRun(a *examined, kept record.Record, wrong error) bool {
	problem := prove.ProblemOf(wrong)
	if problem != report.ProblemSize && problem != report.ProblemETag || v.options.Moment != (ledger.Moment{}) || v.options.AllRuns || a.Line.Version != "" {
		return false
	}
	mine, err := v.Keys.Mine(kept.KeyID)
	return err == nil && mine && kept.HMAC != "" && encryption.CiphertextSize(kept.ArchiveSize) == a.Object.Size && !a.Object.Modified.Before(a.Line.Stored)
}

// tellUnfinished tells once of such a state that is about to be proven.
func (v *verify) tellUnfinished(a *examined) {
	v.unfinishedOnce.Do(func() {
		v.Report.Event(report.Event{Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Text: "it was stored again by a run that was killed, or is under way: it is read as it is now, and so are others like it; the next backup notes them"})
	})
}

// holdsOfRun compares what the store tells of an object with its run's line;
// noRecord says that there are no metadata to compare.
func (v *verify) holdsOfRun(ctx context.Context, a *examined, kept record.Record, noRecord error) error {
	s, o := &a.Line, &a.Object
	other := s.ETag != "" && o.ETag != s.ETag
	switch {
	case (other || o.Size != s.ObjectSize) && s.Version == "" && o.ETag != "":
		if by, err := v.replacedBy(ctx, a); by != "" || err != nil {
			return errors.Join(err, prove.Damagef(report.ProblemReplaced, "the run %s has put another archive in its place, and the store keeps no versions", by))
		}
	}
	switch {
	case o.Size != s.ObjectSize:
		return prove.Damagef(report.ProblemSize, "it has %d bytes, and had %d when it was stored", o.Size, s.ObjectSize)
	case other:
		if o.ETag == "" {
			return prove.Damagef(report.ProblemETag, "the file was written to after it was stored, or what lies beside it (.firn-meta) is gone: it is not what was saved")
		}
		return prove.Damagef(report.ProblemETag, "the store's tag of its content is %s, and was %s when it was stored: it is another object, of somebody who is not in the catalogue, or of a run that was killed", o.ETag, s.ETag)
	case noRecord != nil:
		return noRecord
	}
	field := differs(s.Record(), kept)
	switch {
	case field != "" && s.ETag != "":
		return prove.Damagef(report.ProblemMetadata, "its metadata are not what was stored with it: %s; its content is, by the store's tag, and firn restore believes the catalogue", field)
	case field != "":
		return prove.Damagef(report.ProblemMetadata, "its metadata are not what was stored with it: %s", field)
	}
	return nil
}

// differs names the first field of an object's metadata that is not what its
// run says; what the run does not know is not compared.
func differs(run, kept record.Record) string {
	for _, f := range []struct{ name, run, kept string }{
		{"MD5", run.MD5, kept.MD5}, {"SHA-256 of the tar", run.TarSHA256, kept.TarSHA256}, {"HMAC", run.HMAC, kept.HMAC}, {"key id", run.KeyID, kept.KeyID},
	} {
		if f.run != "" && f.run != f.kept {
			return fmt.Sprintf("the %s is %q, and was %q", f.name, f.kept, f.run)
		}
	}
	for _, f := range []struct {
		name      string
		run, kept int64
	}{{"size of the archive", run.ArchiveSize, kept.ArchiveSize}, {"size of the tar", run.TarSize, kept.TarSize}} {
		if f.run != 0 && f.run != f.kept {
			return fmt.Sprintf("the %s is %d, and was %d", f.name, f.kept, f.run)
		}
	}
	return ""
}

// checkKey names a wrong key, and metadata that can't fit their object, before
// anything is fetched.
func (v *verify) checkKey(a *examined) error {
	r := &a.Record
	if r.Format == 0 {
		v.unprovenOnce.Do(func() {
			v.Report.Event(report.Event{Kind: report.Notice, Key: a.Object.Key, Text: "it was made by the old script: there is no HMAC, so that its MD5 alone is checked, and who made it can't be proven; so for others like it"})
		})
		return nil
	}
	mine, err := v.Keys.Mine(r.KeyID)
	switch {
	case err != nil:
		return prove.Damagef(report.ProblemMetadata, "reading the key id in its metadata: %w", err)
	case !mine:
		return prove.Damagef(report.ProblemKey, "it was %w than the one given", encryption.ErrOtherKey)
	case r.ArchiveSize > 0 && encryption.CiphertextSize(r.ArchiveSize) != a.Object.Size:
		return prove.Damagef(report.ProblemSize, "it has %d bytes, and an archive of %d makes an object of %d", a.Object.Size, r.ArchiveSize, encryption.CiphertextSize(r.ArchiveSize))
	}
	return nil
}

// noteClass tells of an object that lies in another class than it was saved
// in: a lifecycle rule may have moved it.
func (v *verify) noteClass(a *examined, class string) {
	if a.run == "" || a.Line.Class == "" || class == a.Line.Class {
		return
	}
	v.Totals.Checks.OtherClass.Add(1)
	v.Report.Event(report.Event{
		Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Problem: report.ProblemClass,
		Text: fmt.Sprintf("it lies in the storage class %s, and was saved in %s", class, a.Line.Class),
	})
}

// reread holds an object's bytes against the checksum that the store keeps of
// them.
func (v *verify) reread(ctx context.Context, a *examined) (err error) {
	if !a.Object.HasCRC32C || a.Object.Restore.Cold {
		return nil
	}
	body, err := v.Store.Get(ctx, a.Object.Key, store.GetOptions{Version: a.Object.Version})
	if err != nil {
		return prove.OfArchive(fmt.Errorf("reading it: %w", err))
	}
	bytes := prove.Summed{ReadCloser: body}
	defer func() { err = errors.Join(err, body.Close()) }()
	if _, err := io.Copy(io.Discard, &bytes); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if bytes.CRC != a.Object.CRC32C {
		return prove.Damagef(report.ProblemChecksum, "its bytes have changed where they lie: their CRC-32C is %08x, and was %08x when they were stored", bytes.CRC, a.Object.CRC32C)
	}
	return nil
}

// replacedBy names the run that stored what now lies under an archive's key;
// "" if none did. Only runs that began after the archive's are asked.
func (v *verify) replacedBy(ctx context.Context, a *examined) (string, error) {
	v.harmed.laterOnce.Do(func() { v.harmed.laterErr = v.readLater(ctx) })
	if v.harmed.laterErr != nil {
		return "", v.harmed.laterErr
	}
	by, found := v.harmed.later[v.objectHash(a.Object.Key, a.Object.ETag)]
	if !found || by <= v.runs.index(a.run) {
		return "", nil
	}
	return v.runs.all[by].ID, nil
}

func (v *verify) objectHash(key, etag string) [2]uint64 {
	return [2]uint64{v.listing.hash(key), v.listing.hash(etag)}
}

// readLater notes which objects the runs tell of that began after the oldest
// whose archives are checked: some forty bytes each. It is done once something
// is not what it was.
func (v *verify) readLater(ctx context.Context) error {
	v.harmed.later = map[[2]uint64]int{}
	oldest := v.runs.index(v.runs.chosen[len(v.runs.chosen)-1].ID)
	for at := oldest + 1; at < len(v.runs.all); at++ {
		run := v.runs.all[at]
		for i := range run.Manifest {
			err := v.Ledger.Volume(ctx, run, i, func(s catalogue.Subtree) error {
				v.harmed.later[v.objectHash(s.Key, s.ETag)] = at
				return nil
			})
			if ctx.Err() != nil || pipeline.IsFatal(err) {
				return err
			}
		}
	}
	return nil
}
