package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/service/state"
	"firn/stages/stage/check"
	"firn/stages/store"
)

// uploads knows the uploads that earlier runs over this cache path began and did not complete. Each is
// taken up if the archive is the same, so that no part is sent twice, or else aborted.
type uploads struct {
	*backup

	mu    sync.Mutex
	begun map[string]*state.Upload // by key; without those that a subtree claimed
	salts map[encryption.Salt]int  // how many uploads have it
}

// openUploads reads the state file, and drops what earlier runs left in the spool without need. If
// nothing is to be taken up, all is aborted.
func (b *backup) openUploads(ctx context.Context) (*uploads, error) {
	u := &uploads{backup: b, begun: map[string]*state.Upload{}, salts: map[encryption.Salt]int{}}
	spooled := map[string]bool{}
	if b.options.NoResume {
		b.Spool.Hide()
	}
	for key, begun := range b.options.State.Uploads(b.stateName) {
		u.begun[key] = &begun
		u.salts[begun.Salt]++
		spooled[b.spoolName(key)] = begun.Spooled && !b.options.NoResume
	}
	removed, err := b.Spool.Sweep(func(name string) bool { return spooled[name] })
	b.SpoolFilesRemoved += removed
	if err == nil && b.options.NoResume {
		u.end(ctx)
	}
	return u, err
}

// spoolName is the name under which the spool file of a key is kept.
func (b *backup) spoolName(key string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.stateName+"\x00"+key)))[:32]
}

// owns reports whether an unfinished upload is one that an earlier run over this cache path began.
func (u *uploads) owns(p store.PendingUpload) bool {
	begun := u.begun[p.Key]
	return begun != nil && begun.ID == p.ID
}

// claim finds the upload of a subtree. Of an object that is not recorded nothing else is believed
// then: it may be what the upload became when its run was killed.
func (u *uploads) claim(s *subtree) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.begun = u.begun[s.Key]; s.begun == nil {
		return
	}
	delete(u.begun, s.Key)
	u.doubt(s)
}

// doubt has nothing be believed of an object that is not recorded, if an upload of it was begun.
func (u *uploads) doubt(s *subtree) {
	if s.begun != nil && !s.known.Recorded {
		s.doubted = s.known.Replaced
		s.known = check.Known{Stored: s.known.Stored, Object: s.known.Object}
	}
}

// archive takes the archive of s from the spool, where an earlier run left it; false if it is not
// there, or not that of the subtree as it is now.
func (u *uploads) archive(ctx context.Context, s *subtree) (bool, error) {
	begun := s.begun
	if begun == nil || !begun.Spooled {
		return false, nil
	}
	name := u.spoolName(s.Key)
	if !s.scan.Sound || u.options.ForceRead || s.scan.Fingerprint != begun.Fingerprint || begun.Record.KeyID != u.Keys.ID() {
		return false, u.Spool.Drop(name)
	}
	sums := archiveSums{hash.NewArchive(u.Keys.MAC(s.Key))}
	file, err := u.Spool.Take(ctx, u.stages.archive, name, begun.Record.ArchiveSize, s.scan.Entries*listBound+4<<10, sums)
	if err == nil {
		s.spool, s.list, s.record = file, file.Beside(), begun.Record
		if err = sums.check(begun.Record); err == nil {
			err = u.listAgain(ctx, s)
		}
		if err != nil {
			s.Drop(err)
			s.spool, s.list, s.record = nil, nil, record.Record{}
		}
	}
	switch {
	case err == nil:
		s.spool.Seal()
		return true, nil
	case ctx.Err() != nil || pipeline.IsFatal(err):
		return false, err
	case errors.Is(err, spool.ErrDamaged):
		u.tell(s, "the spool file that an earlier run left is not what was written: the archive is made again")
	}
	return false, nil
}

// archiveSums are the sums of an archive that is read as a whole.
type archiveSums struct{ *hash.Archive }

func (a archiveSums) Write(p []byte) (int, error) {
	a.MD5Block(p)
	a.MACBlock(p)
	return len(p), nil
}

// check returns spool.ErrDamaged unless the sums are those of the record.
func (a archiveSums) check(r record.Record) error {
	if sums, err := a.Sums(); err != nil || sums.MD5 != r.MD5 || sums.MAC != r.HMAC {
		return errors.Join(spool.ErrDamaged, err)
	}
	return nil
}

// ended forgets the upload of s.
func (u *uploads) ended(s *subtree) {
	if s.begun != nil {
		u.forget(s.Key)
		s.begun = nil
	}
}

// forget deletes what the state file knows of the upload of a key.
func (u *uploads) forget(key string) {
	if err := u.options.State.ForgetUpload(u.stateName, key); err != nil {
		u.warnOnce(report.Event{Problem: report.ProblemState, Text: "an upload that has ended is looked for again by the next run", Err: err})
	}
}

// abort aborts the upload of s that was begun, and is of no use.
func (u *uploads) abort(ctx context.Context, s *subtree) {
	if s.begun == nil {
		return
	}
	if u.drop(ctx, s.Key, s.begun) {
		u.book.count(s, counts{Aborted: 1})
	}
	s.begun = nil
}

// drop aborts an upload that was begun, and reports whether that succeeded.
func (u *uploads) drop(ctx context.Context, key string, begun *state.Upload) bool {
	err := errors.Join(u.Store.AbortUpload(ctx, key, begun.ID), u.Spool.Drop(u.spoolName(key)))
	if err != nil {
		if ctx.Err() == nil {
			u.sender.Warn(key, err)
		}
		return false
	}
	u.forget(key)
	return true
}

// end aborts the uploads that no subtree of the tree claimed: what they were of is gone.
func (u *uploads) end(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, begun := range u.begun {
		if slices.ContainsFunc(u.tree.KeySpace(), func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			if u.drop(ctx, key, begun) {
				u.Totals.UploadsAborted.Add(1)
			}
			delete(u.begun, key)
		}
	}
}

// tell warns that an upload that was begun is not gone on with.
func (u *uploads) tell(s *subtree, why string) {
	u.book.tell(s, report.Event{Kind: report.Warning, Problem: report.ProblemUpload, Path: s.String(), Key: s.Key, Text: why})
}
