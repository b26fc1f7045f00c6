// Package discard is a store that keeps nothing: a run into it measures all that comes before the
// store. What is stored is counted, and found by no request after it.
package discard

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"firn/stages/store"
)

// Store implements store.Store.
type Store struct{ id atomic.Int64 }

// New returns an empty store, as it stays.
func New() *Store { return new(Store) }

// URL implements store.Store.
func (s *Store) URL() string { return "discard:" }

// Limits are those of S3.
func (s *Store) Limits() store.Limits {
	return store.Limits{MinPart: 5 << 20, MaxPart: 5 << 30, MaxParts: 10_000, MaxPut: 5 << 30, MaxObject: 10_000 * 5 << 30}
}

// Check implements store.Store.
func (s *Store) Check(ctx context.Context, _ store.Use) error { return context.Cause(ctx) }

// List finds nothing.
func (s *Store) List(ctx context.Context, _ string, _ func(store.Object) error) error {
	return context.Cause(ctx)
}

// Head finds nothing.
func (s *Store) Head(_ context.Context, key, _ string) (store.Object, error) {
	return store.Object{}, fmt.Errorf("%s: %w", key, store.ErrNotFound)
}

// Get finds nothing.
func (s *Store) Get(_ context.Context, key string, _ store.GetOptions) (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s: %w", key, store.ErrNotFound)
}

// Put forgets the body.
func (s *Store) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if err := context.Cause(ctx); err != nil {
		return store.Object{}, err
	}
	return s.object(key, int64(len(body)), o.CRC32C, o), nil
}

// object is what is said to be stored.
func (s *Store) object(key string, size int64, crc uint32, o store.PutOptions) store.Object {
	return store.Object{
		Key: key, Size: size, ETag: s.next(), Class: o.Class, Modified: time.Now(), CRC32C: crc, HasCRC32C: true,
	}
}

func (s *Store) next() string { return strconv.FormatInt(s.id.Add(1), 10) }

// CreateUpload begins an upload whose parts are forgotten.
func (s *Store) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return &upload{s: s, id: s.next(), key: key, options: o}, nil
}

// ResumeUpload knows no upload.
func (s *Store) ResumeUpload(context.Context, string, string, store.PutOptions) (store.Upload, []store.Part, error) {
	return nil, nil, store.ErrNoUpload
}

// Uploads finds nothing.
func (s *Store) Uploads(ctx context.Context, _ string, _ func(store.PendingUpload) error) error {
	return context.Cause(ctx)
}

// AbortUpload has nothing to drop.
func (s *Store) AbortUpload(context.Context, string, string) error { return nil }

// KeepsVersions implements store.Store.
func (s *Store) KeepsVersions(context.Context) (bool, error) { return false, nil }

// Thaw implements store.Store.
func (s *Store) Thaw(context.Context, string, string, store.Tier, int) (store.ThawResult, error) {
	return store.ThawNotCold, store.ErrNoThaw
}

type upload struct {
	s       *Store
	id, key string
	options store.PutOptions
}

func (u *upload) ID() string { return u.id }

func (u *upload) Part(ctx context.Context, number int, body []byte, crc32c uint32) (store.Part, error) {
	if err := context.Cause(ctx); err != nil {
		return store.Part{}, err
	}
	return store.Part{Number: number, Size: int64(len(body)), ETag: strconv.Itoa(number), CRC32C: crc32c, HasCRC32C: true}, nil
}

func (u *upload) Complete(ctx context.Context, parts []store.Part, crc32c uint32) (store.Object, error) {
	sorted, size, err := store.CheckParts(parts, u.options.PartSize, crc32c)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil || len(sorted) == 0 {
		return store.Object{}, err
	}
	return u.s.object(u.key, size, crc32c, u.options), nil
}

func (u *upload) Abort(context.Context) error { return nil }
func (u *upload) Close() error                { return nil }
