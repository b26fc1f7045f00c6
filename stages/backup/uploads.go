package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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
	"firn/stages/stage/upload"
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
	if !s.known.Recorded {
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
			err = u.journal.listAgain(ctx, s)
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

// marked is the sink of an archive: the spool, and the marks of one that may not fit into it.
func (b *backup) marked(s *subtree) io.Writer {
	if s.bound() <= b.Spooled.Size() {
		return s.spool
	}
	size, err := b.Store.Limits().PartSize(encryption.CiphertextSize(s.bound()), b.PartSize, b.Memory.Size())
	if s.begun != nil {
		size, err = s.begun.PartSize, nil
	}
	if err != nil {
		return s.spool // its upload can't be taken up
	}
	s.marks = newMarks(size)
	return io.MultiWriter(s.spool, s.marks)
}

// job is what is to be stored, under the condition that the store holds what this run saw.
func (b *backup) job(ctx context.Context, s *subtree) (*upload.Job, error) {
	o := store.PutOptions{Meta: s.record.Meta(), Class: b.options.Class, New: !s.known.Stored}
	switch {
	case !s.known.Stored && s.seen == nil:
	case s.known.Object != nil:
		o.Replaces = s.known.Object.ETag
	case s.known.Stored && s.known.Record.ETag != "":
		o.Replaces = s.known.Record.ETag
	default:
		object, err := b.Store.Head(ctx, s.Key, "")
		if o.New = errors.Is(err, store.ErrNotFound); err != nil && !o.New {
			return nil, err
		}
		o.Replaces = object.ETag
	}
	j := &upload.Job{Key: s.Key, Options: o, Size: encryption.CiphertextSize(s.record.ArchiveSize), Item: s}
	switch {
	case !s.spool.Overflow():
		s.marks = nil
	case s.marks != nil && j.Size <= s.marks.partSize*int64(b.Store.Limits().MaxParts):
		j.PartSize = s.marks.partSize
	default:
		s.marks = nil
	}
	return j, nil
}

// takeUp prepares the job to go on with the upload that an earlier run began, if that is of this
// archive, or to begin one. It returns the salt of the object, and the object if the earlier run
// completed it. A salt that may have been used is used again for the same archive alone.
func (u *uploads) takeUp(ctx context.Context, s *subtree, j *upload.Job) (salt encryption.Salt, made *store.Object, err error) {
	begun := s.begun
	salt = encryption.NewSalt()
	if begun != nil && u.fits(s, j, begun) {
		o := j.Options
		o.PartSize = begun.PartSize
		j.Upload, j.Held, err = u.Store.ResumeUpload(ctx, s.Key, begun.ID, o)
		if errors.Is(err, store.ErrNoUpload) {
			made, failed := u.completed(ctx, s, begun, o)
			if made != nil {
				u.Totals.UploadsResumed.Add(1)
				u.Totals.SparedBytes.Add(made.Size)
				return salt, made, nil
			}
			err = cmp.Or(failed, err)
		}
		switch {
		case err == nil:
			salt, j.PartSize = begun.Salt, begun.PartSize
			u.Totals.UploadsResumed.Add(1)
		case ctx.Err() != nil || pipeline.IsFatal(err):
			return salt, nil, err
		default:
			u.tell(s, fmt.Sprintf("the upload that an earlier run began can't be taken up, so it begins anew: %v", err))
		}
	}
	if j.Upload == nil {
		u.abort(ctx, s)
	}
	if s.doubted {
		u.warnOfOther(s, "it is not the object that was recorded: somebody replaced it")
	}
	u.note(s, j, salt)
	return salt, nil, nil
}

// fits reports whether an upload that was begun is of this archive, and can be gone on with.
func (u *uploads) fits(s *subtree, j *upload.Job, begun *state.Upload) bool {
	was, is := begun.Record, s.record
	if was.MD5 != is.MD5 || was.HMAC != is.HMAC || was.KeyID != is.KeyID || was.ArchiveSize != is.ArchiveSize || begun.Class != u.options.Class {
		return false
	}
	limits := u.Store.Limits()
	switch size := begun.PartSize; {
	case u.salts[begun.Salt] > 1:
		u.tell(s, "the state file names the salt of its upload for another archive too, so the upload begins anew")
		return false
	case size < limits.MinPart, size > limits.MaxPart, size > u.Memory.Size(), j.Size <= size, j.Size > size*int64(limits.MaxParts):
		u.tell(s, fmt.Sprintf("parts of %d bytes, as an earlier run sent them, do not fit the memory limit or the store, so the upload begins anew", size))
		return false
	}
	return !s.spool.Overflow() || s.marks != nil && s.marks.partSize == begun.PartSize
}

// completed returns the object of an upload that is gone, if the run that began it completed it: the
// one that the archive, made again, would be.
func (u *uploads) completed(ctx context.Context, s *subtree, begun *state.Upload, o store.PutOptions) (*store.Object, error) {
	object, err := u.Store.Head(ctx, s.Key, "")
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil || object.Size != encryption.CiphertextSize(s.record.ArchiveSize) {
		return nil, err
	}
	plain, err := u.plaintext(ctx, s)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	cipher, err := encryption.ResumeEncrypter(u.Keys.Passphrase(), begun.Salt, plain)
	if err != nil {
		return nil, err
	}
	parts, crc, err := store.Cut(cipher, begun.PartSize)
	if err != nil {
		return nil, err
	}
	if !store.IsMade(object, o.Meta, object.Size, crc, func() string { return store.MultipartETag(parts) }) {
		return nil, nil
	}
	return &object, nil
}

// note sets what is done when the upload of a job begins, goes on, or fails.
func (u *uploads) note(s *subtree, j *upload.Job, salt encryption.Salt) {
	if u.options.NoResume || s.spool.Overflow() && s.marks == nil {
		return
	}
	j.Began = func(id string, partSize int64) {
		begun := state.Upload{ID: id, Salt: salt, PartSize: partSize, Class: u.options.Class, Record: s.record}
		if s.scan.Sound && s.result.Faults == 0 && !s.spool.Overflow() {
			begun.Fingerprint = s.scan.Fingerprint
			begun.Spooled = s.spool.Keep(u.spoolName(s.Key)) == nil
		}
		if err := u.options.State.KeepUpload(u.stateName, s.Key, begun); err != nil {
			u.warnOnce(report.Event{Problem: report.ProblemState, Text: "an upload that is interrupted begins anew in the next run", Err: err})
			return
		}
		s.leave.Store(true)
	}
	if j.Upload != nil {
		j.Began(j.Upload.ID(), j.PartSize)
	}
	j.Spared = func(bytes int64) { u.Totals.SparedBytes.Add(bytes) }
	j.Keep = func(reason error, broken bool) bool {
		for _, end := range []error{store.ErrNoUpload, store.ErrExists, store.ErrReplaced, store.ErrChecksum, store.ErrTooLarge} {
			broken = broken || errors.Is(reason, end)
		}
		if broken {
			u.done(s)
		}
		if !s.leave.Load() {
			return false
		}
		u.Totals.UploadsLeft.Add(1)
		return true
	}
}

// done forgets the upload of s, if the state file may know one: it has ended.
func (u *uploads) done(s *subtree) {
	if s.leave.Swap(false) || s.begun != nil {
		u.forget(s.Key)
	}
}

// forget deletes what the state file knows of the upload of a key.
func (u *uploads) forget(key string) {
	if err := u.options.State.ForgetUpload(u.stateName, key); err != nil {
		u.warnOnce(report.Event{Problem: report.ProblemState, Text: "an upload that has ended is looked for again by the next run", Err: err})
	}
}

// abort aborts the upload of s that an earlier run began, and is of no use.
func (u *uploads) abort(ctx context.Context, s *subtree) {
	if s.begun == nil {
		return
	}
	u.drop(ctx, s.Key, s.begun)
	s.begun = nil
}

func (u *uploads) drop(ctx context.Context, key string, begun *state.Upload) {
	err := errors.Join(u.Store.AbortUpload(ctx, key, begun.ID), u.Spool.Drop(u.spoolName(key)))
	if err != nil {
		if ctx.Err() == nil {
			u.sender.Warn(key, err)
		}
		return
	}
	u.Totals.UploadsAborted.Add(1)
	u.forget(key)
}

// end aborts the uploads that no subtree of the tree claimed: what they were of is gone.
func (u *uploads) end(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, begun := range u.begun {
		if slices.ContainsFunc(u.keySpace(), func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			u.drop(ctx, key, begun)
			delete(u.begun, key)
		}
	}
}

// tell warns that an upload that was begun is not gone on with.
func (u *uploads) tell(s *subtree, why string) {
	u.Report.Event(report.Event{Kind: report.Warning, Problem: report.ProblemUpload, Path: s.String(), Key: s.Key, Text: why})
}
