package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/upload"
	"firn/stages/store"
)

// job is what is to be stored, under the condition that the store holds what this run saw.
func (b *backup) job(ctx context.Context, s *subtree) (*upload.Job, error) {
	o := store.PutOptions{Meta: s.record.Meta(), Class: b.options.Class, New: !s.known.Stored}
	switch {
	case !s.known.Stored && (s.seen == nil || s.hand != nil): // a worker has just asked
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

// takeUp prepares the job to go on with the upload that an earlier run or this one began, if that is of
// this archive, or to begin one. It returns the salt of the object, and the object if the earlier run
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
				if err := u.Store.AbortUpload(ctx, s.Key, begun.ID); err != nil { // a directory may hold files of it
					u.sender.Warn(s.Key, err)
				}
				if s.retakes == 0 { // else this run began it
					u.book.count(s, counts{Resumed: 1, Spared: made.Size})
				}
				return salt, made, nil
			}
			err = cmp.Or(failed, err)
		}
		switch {
		case err == nil:
			salt, j.PartSize = begun.Salt, begun.PartSize
			if s.retakes == 0 {
				u.book.count(s, counts{Resumed: 1})
			}
		case ctx.Err() != nil || pipeline.IsFatal(err):
			return salt, nil, err
		default:
			u.tell(s, fmt.Sprintf("its upload, which was interrupted, can't be taken up and begins anew: %v", err))
		}
	}
	if j.Upload == nil {
		u.abort(ctx, s)
		s.task.SecondAgain()
	}
	if s.doubted {
		u.warnOfOther(s, "it is not the object that was recorded: somebody replaced it")
		s.doubted = false
	}
	u.retake(s, j)
	return salt, nil, u.note(s, j, salt)
}

// fits reports whether an upload that was begun is of this archive, and can be gone on with.
func (u *uploads) fits(s *subtree, j *upload.Job, begun *state.Upload) bool {
	if !sameArchive(begun.Record, s.record) || begun.Class != u.options.Class {
		return false
	}
	switch size := begun.PartSize; {
	case u.salts[begun.Salt] > 1:
		u.tell(s, "the state file names the salt of its upload for another archive too, so the upload begins anew")
		return false
	case !u.takesParts(size), j.Size <= size, j.Size > size*int64(u.Store.Limits().MaxParts):
		u.tell(s, fmt.Sprintf("parts of %d bytes, as an earlier run sent them, do not fit the memory limit or the store, so the upload begins anew", size))
		return false
	}
	return !s.spool.Overflow() || s.marks != nil && s.marks.partSize == begun.PartSize
}

// takesParts reports whether the store and the memory limit take parts of size bytes.
func (b *backup) takesParts(size int64) bool {
	limits := b.Store.Limits()
	return size >= limits.MinPart && size <= min(limits.MaxPart, b.Memory.Size())
}

// completed returns the object of an upload that is gone, if the run that began it completed it: the
// one that the archive, made again, would be. Others can make an object of any CRC, and know that of
// ours if they may list its parts, so either its ETag is that of the bytes or they are read.
func (u *uploads) completed(ctx context.Context, s *subtree, begun *state.Upload, o store.PutOptions) (*store.Object, error) {
	object, err := u.Store.Head(ctx, s.Key, "")
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil || object.Size != encryption.CiphertextSize(s.record.ArchiveSize) {
		return nil, err
	}
	cipher, err := u.ciphertext(ctx, s, begun.Salt)
	if err != nil {
		return nil, err
	}
	parts, crc, err := store.Cut(cipher, begun.PartSize)
	if err = errors.Join(err, cipher.Close()); err != nil {
		return nil, err
	}
	etag := store.MultipartETag(parts)
	if !store.IsMade(object, o.Meta, object.Size, crc, func() string { return etag }) {
		return nil, nil
	}
	if object.ETag != etag {
		if same, err := u.holds(ctx, s, begun.Salt, object); !same {
			return nil, err
		}
	}
	return &object, nil
}

// holds reports whether an object holds the archive of s under a salt. It reads it.
func (b *backup) holds(ctx context.Context, s *subtree, salt encryption.Salt, object store.Object) (same bool, err error) {
	body, err := b.Store.Get(ctx, s.Key, store.GetOptions{Version: object.Version, ETag: object.ETag})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	cipher, err := b.ciphertext(ctx, s, salt)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, cipher.Close()) }()
	var is, stored [64 << 10]byte
	for {
		n, err := io.ReadFull(cipher, is[:])
		m, failed := io.ReadFull(body, stored[:])
		ends := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !ends:
			return false, err
		case !bytes.Equal(is[:n], stored[:m]):
			return false, nil
		case ends:
			return errors.Is(failed, io.EOF) || errors.Is(failed, io.ErrUnexpectedEOF), nil
		}
	}
}

// ciphertext reads the object of s under a salt, which has been used for no other archive.
func (b *backup) ciphertext(ctx context.Context, s *subtree, salt encryption.Salt) (io.ReadCloser, error) {
	plain, err := b.plaintext(ctx, s)
	if err != nil {
		return nil, err
	}
	cipher, err := encryption.ResumeEncrypter(b.Keys.Passphrase(), salt, plain)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{cipher, plain}, nil
}

// note sets what is done when the upload of a job begins, goes on, or fails. The state file names each
// upload, so that the next run aborts at least what a run that was killed left.
func (u *uploads) note(s *subtree, j *upload.Job, salt encryption.Salt) error {
	resumable := !u.options.NoResume && (!s.spool.Overflow() || s.marks != nil)
	j.Began = func(id string, partSize int64) error {
		begun := state.Upload{ID: id, PartSize: partSize, Class: u.options.Class}
		if resumable {
			begun.Salt, begun.Record = salt, s.record
		}
		if resumable && s.scan.Sound && s.result.Faults == 0 && !s.spool.Overflow() {
			begun.Fingerprint = s.scan.Fingerprint
			begun.Spooled = s.spool.Keep(u.spoolName(s.Key)) == nil
		}
		s.begun = &begun
		if err := u.options.State.KeepUpload(u.stateName, s.Key, begun); err != nil {
			u.warnOnce(report.Event{Problem: report.ProblemState, Text: "an upload that is interrupted begins anew in the next run", Err: err})
			return u.book.began(s, &begun)
		}
		if err := u.book.began(s, &begun); err != nil {
			return err
		}
		s.leave.Store(resumable)
		return nil
	}
	j.Passed = s.task.Second
	j.Spared = func(bytes int64) {
		if s.retakes == 0 {
			u.book.count(s, counts{Spared: bytes})
			s.task.Spare(bytes)
		}
	}
	j.Keep = func(reason error, broken bool) bool {
		for _, end := range []error{store.ErrNoUpload, store.ErrExists, store.ErrReplaced, store.ErrChecksum, store.ErrTooLarge} {
			broken = broken || errors.Is(reason, end)
		}
		if broken {
			s.leave.Store(false)
		}
		return s.leave.Load()
	}
	j.Aborted = func() { u.ended(s) }
	if j.Upload != nil {
		return j.Began(j.Upload.ID(), j.PartSize)
	}
	return nil
}

// isRefused reports whether an object was not stored because another one has its key.
func isRefused(err error) bool {
	return errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrReplaced)
}

// maxRetakes bounds how often the upload of one archive is taken up again in one run.
const maxRetakes = 2

// retake sets when the upload of a job that failed is taken up again by this run.
func (u *uploads) retake(s *subtree, j *upload.Job) {
	ctx := u.Run.Context()
	j.Retake = func(reason error) bool {
		if ctx.Err() != nil || s.retakes == maxRetakes || pipeline.IsFatal(reason) {
			return false
		}
		switch {
		case errors.Is(reason, store.ErrTooLarge):
			return false
		case isRefused(reason):
			again := s.hand != nil && s.refused == nil
			s.refused = reason
			return again
		}
		s.retakes++
		u.tell(s, fmt.Sprintf("its upload failed and is taken up again: %v", reason))
		return true
	}
	j.Return = func(reason error, broken bool) {
		if !broken && ctx.Err() == nil {
			u.sending.Back(s)
			return
		}
		u.stages.upload.Fault(s, reason)
		s.Drop(reason)
	}
}
