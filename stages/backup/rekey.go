package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// An OtherKeyError says that a store is another key file's. Nothing was stored in it. It is
// encryption.ErrOtherKey.
type OtherKeyError struct {
	Store string // its URL
	Seen  string // what was made with the other key file
}

func (e *OtherKeyError) Error() string {
	return fmt.Sprintf("what %s holds was %v (%s), and nothing in its catalogue with this one: nothing was stored", e.Store, encryption.ErrOtherKey, e.Seen)
}

// Unwrap returns encryption.ErrOtherKey.
func (e *OtherKeyError) Unwrap() error { return encryption.ErrOtherKey }

// checkKey returns an OtherKeyError for a store of another key file, unless everything is to be
// stored again. A store with a run of this key file, or in which an earlier run over this cache path
// used it, is this key file's: then single objects of another one, which anybody may put there who
// may write to the store, are no reason to stop.
func (b *backup) checkKey(ctx context.Context, h *ledger.History) (err error) {
	others := maps.Clone(h.Others)
	maps.DeleteFunc(others, func(id, _ string) bool { return h.Retired[id] })
	ours, seen := h.Last.ID != "" || b.usedKey(), ""
	switch {
	case len(others) > 0:
		last := slices.Max(slices.Collect(maps.Values(others)))
		seen = "run " + last
		if ours && !b.options.Rekey && !ledger.IsNewer(h.Last.ID, last) {
			b.warnOnce(report.Event{
				Problem: report.ProblemOtherKeyRuns, Run: last,
				Text: fmt.Sprintf("run %s was made with another key file, later than all that this one can read: if the key file was changed, this is the old one, and what it stores now takes the place of what was stored with the new one", last),
			})
		}
	case !ours:
		seen, err = b.foreignArchive(ctx)
	}
	switch {
	case err != nil:
		return err
	case b.options.Rekey && seen == "":
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("no run in %s was made with another key file that was not replaced before: only archives of another one, if there are any, are stored again", b.Store.URL())})
	case b.options.Rekey:
		b.Report.Event(report.Event{Kind: report.Notice, Text: "all archives of other key files are stored again under this one; what earlier runs saved still needs theirs: keep them"})
	case !ours && seen != "":
		return &OtherKeyError{b.Store.URL(), seen}
	}
	if !b.options.Rekey && !b.options.DryRun {
		b.markKey()
	}
	return nil
}

// markKey notes that this key file is used below the prefix. A run that stores everything again does
// it at its end: until then the archives that it did not reach are another's.
func (b *backup) markKey() {
	_ = b.options.State.Memo(b.stateName).KeepRun(b.keyMark(), []byte(b.Keys.ID())) // else the next run asks the store
}

// keyMark is the name under which the state file has the id of the key that is used below the prefix.
// No id of a run looks like it.
func (b *backup) keyMark() string { return "key/" + b.Prefix }

// usedKey reports whether an earlier run over this cache path used this key file in the store.
func (b *backup) usedKey() bool {
	mine, err := b.Keys.Mine(string(b.options.State.Memo(b.stateName).Run(b.keyMark())))
	return err == nil && mine
}

// foreignArchive returns the first archive of the tree if it was made with another key file, else "".
func (b *backup) foreignArchive(ctx context.Context) (string, error) {
	key, err := job.FirstArchive(ctx, b.Store, b.tree.KeySpace()...)
	if err != nil || key == "" {
		return "", err
	}
	o, err := b.Store.Head(ctx, key, "")
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	r, err := record.FromMeta(o.Meta)
	if err != nil || r.KeyID == "" {
		return "", nil // the old script's, or nobody's
	}
	if _, err := b.Keys.ForID(r.KeyID); errors.Is(err, encryption.ErrOtherKey) {
		return key, nil
	}
	return "", nil
}

// isOtherKeys reports whether the stored archive of s is stored again although its content seems to be
// the same: no run with this key file recorded that it stored it.
func (b *backup) isOtherKeys(s *subtree) bool {
	k := &s.known
	return b.options.Rekey && k.Stored && !(k.Recorded && k.Ours && k.Record.HMAC != "" && !k.Adopted)
}

// retire notes the id of another key, if everything of other keys is stored again.
func (j *journal) retire(id string) {
	j.leaving.Lock()
	defer j.leaving.Unlock()
	if j.options.Rekey && id != "" && len(j.retired) < catalogue.MaxRetiredKeys {
		j.retired[id] = true
	}
}
