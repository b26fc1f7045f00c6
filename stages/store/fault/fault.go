// Package fault wraps a store so that operations fail when a test wants it: one by its number
// (FailAt), all from a number on (FailFrom), or by a script (New, Add). It records operations.
package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"firn/stages/store"
)

// ErrInjected is what an operation fails with when the test gives no error of its own.
var ErrInjected = errors.New("injected fault")

// Op names an operation of a store or of an upload.
type Op string

// The operations. Any stands for each of them.
const (
	Any          Op = ""
	Check        Op = "Check"
	List         Op = "List"
	Head         Op = "Head"
	Get          Op = "Get"
	Put          Op = "Put"
	CreateUpload Op = "CreateUpload"
	ResumeUpload Op = "ResumeUpload"
	Uploads      Op = "Uploads"
	AbortUpload  Op = "AbortUpload"
	Thaw         Op = "Thaw"
	Versions     Op = "KeepsVersions"
	Part         Op = "Part"
	Complete     Op = "Complete"
	Abort        Op = "Abort"
)

// Fault is one scripted failure. The zero value fails the next operation before it is done.
type Fault struct {
	Op    Op     // the operation it waits for
	Key   string // the key it waits for; "" is any
	Skip  int    // how many such operations go through before
	Err   error  // nil is ErrInjected
	After bool   // the operation is done, then its answer is lost. For Get: the body ends with Err after Bytes bytes
	Bytes int64
}

// Call is one operation that was asked for.
type Call struct {
	Op  Op
	Key string // prefix for List and Uploads
}

// Store is a store with faults.
type Store struct {
	store.Store // the real one

	mu     sync.Mutex
	script []Fault
	calls  []Call
	at     int
	from   int
	err    error
}

// New wraps a store; each fault of the script happens once.
func New(s store.Store, script ...Fault) *Store {
	return &Store{Store: s, script: slices.Clone(script), at: -1, from: -1}
}

// Add appends to the script.
func (s *Store) Add(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// FailAt makes operation number, from 0 since New or Reset, fail once; nil is ErrInjected.
func (s *Store) FailAt(number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.err = number, err
}

// FailFrom makes every operation from number on fail, as a lost link does; nil is ErrInjected.
func (s *Store) FailFrom(number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.err = number, err
}

// Reset forgets all faults and calls.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script, s.calls, s.at, s.from, s.err = nil, nil, -1, -1, nil
}

// Calls are the operations that were asked for, in order.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count is how often op was asked for.
func (s *Store) Count(op Op) int {
	n := 0
	for _, c := range s.Calls() {
		if op == Any || op == c.Op {
			n++
		}
	}
	return n
}

// Pending returns how many faults of the script have not happened.
func (s *Store) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.script)
}

// next records a call and returns the fault for it, if any.
func (s *Store) next(op Op, key string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := len(s.calls)
	s.calls = append(s.calls, Call{op, key})
	if number == s.at || s.from >= 0 && number >= s.from {
		return Fault{Err: cmp.Or(s.err, ErrInjected)}, true
	}
	for i := range s.script {
		f := &s.script[i]
		if f.Op != Any && f.Op != op || f.Key != "" && f.Key != key {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		hit := *f
		hit.Err = cmp.Or(hit.Err, ErrInjected)
		s.script = slices.Delete(s.script, i, i+1)
		return hit, true
	}
	return Fault{}, false
}

// run does one operation under its fault.
func run[T any](s *Store, op Op, key string, do func() (T, error)) (T, error) {
	var none T
	f, failing := s.next(op, key)
	if failing && !f.After {
		return none, named(op, key, f.Err)
	}
	result, err := do()
	if failing && err == nil {
		return none, named(op, key, f.Err)
	}
	return result, err
}

// named says what failed, as every store does.
func named(op Op, key string, err error) error { return fmt.Errorf("%s %s: %w", op, key, err) }

func runPlain(s *Store, op Op, key string, do func() error) error {
	_, err := run(s, op, key, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (s *Store) Check(ctx context.Context, use store.Use) error {
	return runPlain(s, Check, "", func() error { return s.Store.Check(ctx, use) })
}

func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return runPlain(s, List, prefix, func() error { return s.Store.List(ctx, prefix, fn) })
}

func (s *Store) Head(ctx context.Context, key, version string) (store.Object, error) {
	return run(s, Head, key, func() (store.Object, error) { return s.Store.Head(ctx, key, version) })
}

// Get fails at once, or, with After, in the middle of its body.
func (s *Store) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	f, failing := s.next(Get, key)
	if failing && !f.After {
		return nil, named(Get, key, f.Err)
	}
	body, err := s.Store.Get(ctx, key, o)
	if err != nil || !failing {
		return body, err
	}
	return &cutBody{ReadCloser: body, left: f.Bytes, err: f.Err}, nil
}

func (s *Store) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	return run(s, Put, key, func() (store.Object, error) { return s.Store.Put(ctx, key, body, o) })
}

func (s *Store) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	return run(s, CreateUpload, key, func() (store.Upload, error) {
		u, err := s.Store.CreateUpload(ctx, key, o)
		if err != nil {
			return nil, err
		}
		return &upload{Upload: u, s: s, key: key}, nil
	})
}

func (s *Store) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	var parts []store.Part
	u, err := run(s, ResumeUpload, key, func() (store.Upload, error) {
		u, held, err := s.Store.ResumeUpload(ctx, key, id, o)
		if err != nil {
			return nil, err
		}
		parts = held
		return &upload{Upload: u, s: s, key: key}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return u, parts, nil
}

func (s *Store) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	return runPlain(s, Uploads, prefix, func() error { return s.Store.Uploads(ctx, prefix, fn) })
}

func (s *Store) AbortUpload(ctx context.Context, key, id string) error {
	return runPlain(s, AbortUpload, key, func() error { return s.Store.AbortUpload(ctx, key, id) })
}

func (s *Store) Thaw(ctx context.Context, key, version string, tier store.Tier, days int) (store.ThawResult, error) {
	return run(s, Thaw, key, func() (store.ThawResult, error) { return s.Store.Thaw(ctx, key, version, tier, days) })
}

func (s *Store) KeepsVersions(ctx context.Context) (bool, error) {
	return run(s, Versions, "", func() (bool, error) { return s.Store.KeepsVersions(ctx) })
}

type upload struct {
	store.Upload
	s   *Store
	key string
}

func (u *upload) Part(ctx context.Context, number int, body []byte, crc32c uint32) (store.Part, error) {
	return run(u.s, Part, u.key, func() (store.Part, error) { return u.Upload.Part(ctx, number, body, crc32c) })
}

func (u *upload) Complete(ctx context.Context, parts []store.Part, crc32c uint32) (store.Object, error) {
	return run(u.s, Complete, u.key, func() (store.Object, error) { return u.Upload.Complete(ctx, parts, crc32c) })
}

func (u *upload) Abort(ctx context.Context) error {
	return runPlain(u.s, Abort, u.key, func() error { return u.Upload.Abort(ctx) })
}

// cutBody gives its first bytes and then an error.
type cutBody struct {
	io.ReadCloser
	left int64
	err  error
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.ReadCloser.Read(p)
	c.left -= int64(n)
	return n, err
}
