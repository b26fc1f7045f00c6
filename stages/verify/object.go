package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// fitsListing reports whether the listing has the object of the line. Each upload has its own salt,
// so equal ETags are equal bytes.
func (v *verify) fitsListing(a *item) bool {
	s := &a.Line
	return a.listed != nil && a.listed.size == s.ObjectSize && (s.ETag == "" || a.listed.etag == v.listing.archives.Hash(s.ETag))
}

// absent turns the error of Head into a Damage if the object is gone.
func (a *item) absent(err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	what := "it is gone"
	if a.Line.Version != "" {
		what = fmt.Sprintf("its version %s is gone", a.Line.Version)
		if a.listed != nil {
			what += ", and another has its key"
		}
	}
	return prove.Damagef(report.ProblemMissing, "%s: %w", what, store.ErrNotFound)
}

// compare compares the object with its run's line, or, if no run lists it, with its own metadata.
// It sets the record that the content must match.
func (v *verify) compare(ctx context.Context, a *item) error {
	own, err := record.FromMeta(a.Object.Meta)
	own.ETag = a.Object.ETag
	if err != nil {
		err = prove.Damagef(report.ProblemMetadata, "its metadata are not what was stored with it: %w", err)
	} else if own.MD5 == "" {
		err = prove.Damagef(report.ProblemMetadata, "its metadata have no MD5: firn did not make it, or they were lost in a copy")
	}
	if a.run != "" {
		wrong := v.compareLine(ctx, a, own, err)
		switch {
		case wrong == nil:
			a.Record, err = a.Line.Record(), nil
		case !v.isOfUnfinishedRun(a, own, wrong):
			return wrong
		case v.options.Level != ReadData || !v.options.Subset.Has(a.Object.Key) || a.Object.Restore.Cold:
			a.unfinished = true
			return wrong
		case !v.fitsListing(a):
			a.wrong, a.run, a.Line.List = wrong, "", nil
		default: // it was replaced after it was listed
			v.unfinishedOnce.Do(func() {
				v.Report.Event(report.Event{Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Text: "a run beside stored it again: its new content is read, and that of others like it"})
			})
			a.run, a.Line.List = "", nil
		}
	}
	if a.run == "" {
		a.Record, a.Line.ObjectSize = own, a.Object.Size
	}
	if err == nil {
		err = v.checkRecord(a)
	}
	if !a.Object.HasCRC32C {
		v.Totals.Checks.NoChecksum.Add(1)
	}
	return err
}

// isOfUnfinishedRun reports whether an object that differs from its line seems to be a later state,
// stored with this key by a run that was killed or is under way. A restore accepts it by its own
// record, and tells of it.
func (v *verify) isOfUnfinishedRun(a *item, own record.Record, wrong error) bool {
	problem := prove.ProblemOf(wrong)
	if problem != report.ProblemSize && problem != report.ProblemETag || v.options.Moment != (ledger.Moment{}) || v.options.AllRuns || a.Line.Version != "" || v.runs.past.Lost(a.Line.Path) != "" {
		return false
	}
	mine, err := v.Keys.Mine(own.KeyID)
	return err == nil && mine && own.HMAC != "" && encryption.CiphertextSize(own.ArchiveSize) == a.Object.Size && !a.Object.Modified.Before(a.Line.Stored)
}

// compareLine compares an object and its record with its run's line. noRecord says why there is no
// record.
func (v *verify) compareLine(ctx context.Context, a *item, own record.Record, noRecord error) error {
	s, o := &a.Line, &a.Object
	otherTag := s.ETag != "" && o.ETag != s.ETag
	if (otherTag || o.Size != s.ObjectSize) && s.Version == "" && o.ETag != "" && (own.HMAC == "" || own.HMAC != s.HMAC) {
		past := v.runs.past
		by, err := past.Last(ctx, s.Key, own)
		switch {
		case err != nil:
			return err
		case by >= 0 && past.Run(by) == a.run:
		case by >= 0 && past.IsBefore(by, a.run):
			return prove.PutBack(past.Run(by), a.run)
		case by >= 0:
			return prove.Damagef(report.ProblemReplaced, "run %s replaced it, and the store keeps no versions", past.Run(by))
		}
	}
	switch {
	case o.Size != s.ObjectSize:
		return prove.Damagef(report.ProblemSize, "it has %d bytes, and had %d when it was stored", o.Size, s.ObjectSize)
	case otherTag && o.ETag == "":
		return prove.Damagef(report.ProblemETag, "the file was changed after it was stored, or its metadata beside it (.firn-meta) are gone")
	case otherTag:
		return prove.Damagef(report.ProblemETag, "its ETag is %s, and was %s when it was stored: the object was replaced, by a run that was killed or by something else", o.ETag, s.ETag)
	case noRecord != nil:
		return noRecord
	}
	field := differs(s.Record(), own)
	if field == "" {
		return nil
	}
	if s.ETag != "" {
		field += "; by its ETag the content is intact, and a restore uses the metadata in the catalogue"
	}
	return prove.Damagef(report.ProblemMetadata, "its metadata are not what was stored with it: %s", field)
}

// differs names the first field that a line has and that the object's own record has not.
func differs(line, own record.Record) string {
	type field struct {
		name      string
		line, own any
	}
	for _, f := range []field{
		{"MD5", line.MD5, own.MD5}, {"SHA-256 of the tar", line.TarSHA256, own.TarSHA256}, {"HMAC", line.HMAC, own.HMAC}, {"key id", line.KeyID, own.KeyID},
		{"size of the archive", line.ArchiveSize, own.ArchiveSize}, {"size of the tar", line.TarSize, own.TarSize},
	} {
		if f.line != "" && f.line != int64(0) && f.line != f.own {
			return fmt.Sprintf("the %s is %#v, and was %#v", f.name, f.own, f.line)
		}
	}
	return ""
}

// checkRecord detects a wrong key, a record that proves nothing, and one that can't be that of the
// object, before anything is fetched.
func (v *verify) checkRecord(a *item) error {
	r := &a.Record
	a.unproven = nil
	switch err := prove.CheckKey(v.Keys, *r); {
	case prove.ProblemOf(err) == report.ProblemUnproven:
		*r, a.unproven = r.Bare(), err
		return nil
	case err != nil:
		return err
	}
	if !r.FitsObject(a.Object.Size) {
		return prove.Damagef(report.ProblemSize, "it has %d bytes, and an archive of %d makes an object of %d", a.Object.Size, r.ArchiveSize, encryption.CiphertextSize(r.ArchiveSize))
	}
	return nil
}

// checkClass reports an object in another class than it was saved in, such as by a lifecycle rule.
func (v *verify) checkClass(a *item, class string) {
	if a.run == "" || a.Line.Class == "" || class == a.Line.Class {
		return
	}
	v.Totals.Checks.OtherClass.Add(1)
	v.Report.Event(report.Event{
		Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Problem: report.ProblemClass,
		Text: fmt.Sprintf("its storage class is %s, and was %s when it was saved", class, a.Line.Class),
	})
}

// reread compares an object's bytes with the checksum that the store keeps of them.
func (v *verify) reread(ctx context.Context, a *item) (err error) {
	if !a.Object.HasCRC32C || a.Object.Restore.Cold {
		return nil
	}
	body, err := v.Store.Get(ctx, a.Object.Key, store.GetOptions{Version: a.Object.Version, ETag: a.Object.ETag})
	if err != nil {
		return prove.OfArchive(err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	bytes := prove.Summed{ReadCloser: body}
	if _, err := io.Copy(io.Discard, &bytes); err != nil {
		return err
	}
	if bytes.CRC != a.Object.CRC32C {
		return prove.Damagef(report.ProblemChecksum, "its bytes have changed in the store: their CRC-32C is %08x, and was %08x when they were stored", bytes.CRC, a.Object.CRC32C)
	}
	return nil
}
