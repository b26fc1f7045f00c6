package restore

import (
	"context"
	"fmt"
	"slices"

	"firn/stages/format/record"
	"firn/stages/format/treepath"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// accept takes the object as the store describes it, and the record that its content must match:
// that of the line, which is authenticated, if it is the object of the line; else its own.
func (r *restore) accept(ctx context.Context, a *item, object store.Object) error {
	own, malformed := record.FromMeta(object.Meta)
	own.ETag = object.ETag
	a.Object = object
	switch {
	case a.run != nil && a.isOfLine(own):
		a.Record, a.fitted, a.unlisted = a.Line.Record(), true, false
		return nil
	case a.run != nil:
		return r.acceptOther(ctx, a, own)
	}
	a.Record = own
	if malformed != nil {
		return r.unproven(a, prove.Damagef(report.ProblemUnproven, "reading its metadata: %w", malformed))
	}
	return nil
}

// isOfLine reports whether the object is that of the line, as far as that can be told before its
// content is verified: an upload of the same content has another ETag.
func (a *item) isOfLine(own record.Record) bool {
	line := a.Line.Record()
	switch {
	case line.Version != "" || line.ETag != "" && line.ETag == own.ETag:
		return true
	case own.MD5 != "" && own.MD5 == line.MD5 && own.HMAC == line.HMAC:
		return true
	}
	return own.ETag == "" && !own.HasProof() && a.Object.Size == line.ObjectSize // what the store knew of it is lost
}

// acceptOther takes an object that is not that of the line if no run lists it, and it says itself
// that it was made with this key: a run that was killed, or is under way, may have stored it.
func (r *restore) acceptOther(ctx context.Context, a *item, own record.Record) error {
	if r.options.Moment != (ledger.Moment{}) || a.isCutAgain() {
		return fmt.Errorf("%s was stored again after that run, and the store keeps no versions: its earlier content is gone", a.Line.Key)
	}
	if a.Line.Record().HasProof() && !own.HasProof() {
		return prove.Damagef(report.ProblemETag, "%s is not what run %s stored, and has no HMAC: it was replaced without the key, so it was not fetched", a.Line.Key, a.run.ID)
	}
	past := r.search.past
	by, err := past.Last(ctx, a.Line.Key, own)
	switch {
	case err != nil:
		return err
	case by >= 0 && past.IsBefore(by, a.run.ID):
		return prove.PutBack(past.Run(by), a.run.ID)
	case by < 0 && past.Gap() != nil:
		return fmt.Errorf("%s is not what run %s stored, and may be what a run before did, for not all can be read: %w", a.Line.Key, a.run.ID, past.Gap())
	case by < 0 && past.Lost(a.Line.Path) != "":
		return &LostRunError{Key: a.Line.Key, Run: a.run.ID, Lost: past.Lost(a.Line.Path)}
	}
	a.Record, a.Line.List, a.unlisted = own, nil, by < 0 && !a.fitted
	if a.fitted {
		r.besideOnce.Do(func() {
			r.Report.Event(report.Event{Kind: report.Warning, Key: a.Line.Key, Text: "a run beside stored it again while it was read: its new content is restored, and that of others like it"})
		})
	}
	return nil
}

// isCutAgain reports whether a newer run may have stored an archive under the same key. Then what it
// left out was in the older one alone. A run that saved all but the shell (see backup's shells.go)
// left nothing out: a shell that a run after it stored is all that is wanted.
func (a *item) isCutAgain() bool {
	return slices.ContainsFunc(a.newer, func(r *ledger.Reach) bool {
		return treepath.Within(r.Run.Path, a.Line.Path) && !r.LacksShellOnly(a.Line.Path)
	})
}

// A LostRunError says that an archive may be an older one, of a run that is away, and was put back: it
// is not restored.
type LostRunError struct{ Key, Run, Lost string }

func (e *LostRunError) Error() string {
	return fmt.Sprintf("%s is not what run %s stored, no run lists it, and it may be what run %s did, which is gone, was replaced or can't be read", e.Key, e.Run, e.Lost)
}

// A StrayError says that an archive was restored that no run lists, in place of the one that its
// run stored.
type StrayError struct{ Key string }

func (e *StrayError) Error() string {
	return fmt.Sprintf("no run lists what %s holds now: a run that was killed, or is under way, stored it, or somebody put it back; it was made with this key file, and is restored", e.Key)
}

// checkKey names, before anything is fetched, a wrong key and what nothing proves.
func (r *restore) checkKey(a *item) error { return r.unproven(a, prove.CheckKey(r.Keys, a.Record)) }

// unproven returns an error of CheckKey, unless it says that nothing proves the archive and it is to
// be restored all the same: then only its MD5 is compared, if there is one.
func (r *restore) unproven(a *item, err error) error {
	if prove.ProblemOf(err) != report.ProblemUnproven || !r.options.Unproven {
		return err
	}
	if a.Record = a.Record.Bare(); a.Record.MD5 == "" {
		r.Report.Event(report.Event{Kind: report.Warning, Key: a.Line.Key, Text: "its metadata are lost or belong to other bytes: not even its MD5 can be compared"})
	}
	r.unprovenOnce.Do(func() {
		r.Report.Event(report.Event{Kind: report.Warning, Key: a.Line.Key, Text: "nothing proves who made it: it is restored without owners, set-id bits, devices, capabilities and attributes of the system; the same holds for others like it"})
	})
	return nil
}
