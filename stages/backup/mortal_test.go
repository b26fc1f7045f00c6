package backup_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"firn/pipeline"
	"firn/stages/store"
)

var errKilled = errors.New("the process was killed")

// A mortal is the store of a process that is killed at some request: nothing is done any more after it.
type mortal struct {
	store.Store
	dead *atomic.Bool
	// at is asked before (done is false) and after each request that writes, and may say that the process
	// is killed then.
	at func(op, key string, done bool) bool
	// kill is called then.
	kill func()

	mu    sync.Mutex
	fresh map[*mortalUpload]bool // uploads without a part: they may not be noted yet
}

// die kills the process. What it began, and did not come to note, it did not begin: after a true kill such
// an upload is left, because nobody knows of it.
func (m *mortal) die() {
	m.kill()
	m.mu.Lock()
	defer m.mu.Unlock()
	for u := range m.fresh {
		_ = u.Upload.Abort(context.Background())
	}
}

// do does a request, if the process lives.
func (m *mortal) do(op, key string, request func() error) error {
	for _, done := range []bool{false, true} {
		if m.dead.Load() || m.at(op, key, done) {
			if !m.dead.Swap(true) {
				m.die()
			}
			return pipeline.Fatal(errKilled)
		}
		if !done {
			if err := request(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *mortal) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (object store.Object, err error) {
	return object, m.do("put", key, func() error { object, err = m.Store.Put(ctx, key, body, o); return err })
}

func (m *mortal) Head(ctx context.Context, key, version string) (object store.Object, err error) {
	err = m.do("head", key, func() error { object, err = m.Store.Head(ctx, key, version); return err })
	return object, err
}

func (m *mortal) AbortUpload(ctx context.Context, key, id string) error {
	return m.do("abort", key, func() error { return m.Store.AbortUpload(ctx, key, id) })
}

func (m *mortal) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead.Load() {
		return nil, pipeline.Fatal(errKilled)
	}
	made, err := m.Store.CreateUpload(ctx, key, o)
	if err != nil {
		return nil, err
	}
	u := &mortalUpload{made, m, key}
	m.fresh[u] = true
	return u, nil
}

func (m *mortal) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	u, parts, err := m.Store.ResumeUpload(ctx, key, id, o)
	return &mortalUpload{u, m, key}, parts, err
}

type mortalUpload struct {
	store.Upload
	m   *mortal
	key string
}

func (u *mortalUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (p store.Part, err error) {
	u.m.mu.Lock()
	delete(u.m.fresh, u)
	u.m.mu.Unlock()
	err = u.m.do("part", u.key, func() error { p, err = u.Upload.Part(ctx, number, body, crc); return err })
	return p, err
}

func (u *mortalUpload) Complete(ctx context.Context, parts []store.Part, crc uint32) (o store.Object, err error) {
	err = u.m.do("complete", u.key, func() error { o, err = u.Upload.Complete(ctx, parts, crc); return err })
	return o, err
}

func (u *mortalUpload) Abort(ctx context.Context) error {
	return u.m.do("abort", u.key, func() error { return u.Upload.Abort(ctx) })
}

// counting counts how often each object was stored.
type counting struct {
	store.Store
	mu     sync.Mutex
	stored map[string]int
	bytes  int64 // of parts and objects
}

func (c *counting) add(key string, objects int, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stored == nil {
		c.stored = map[string]int{}
	}
	c.stored[key] += objects
	c.bytes += int64(bytes)
}

func (c *counting) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	object, err := c.Store.Put(ctx, key, body, o)
	if err == nil {
		c.add(key, 1, len(body))
	}
	return object, err
}

func (c *counting) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	u, err := c.Store.CreateUpload(ctx, key, o)
	return countingUpload{u, c, key}, err
}

func (c *counting) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	u, parts, err := c.Store.ResumeUpload(ctx, key, id, o)
	return countingUpload{u, c, key}, parts, err
}

type countingUpload struct {
	store.Upload
	c   *counting
	key string
}

func (u countingUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	p, err := u.Upload.Part(ctx, number, body, crc)
	if err == nil {
		u.c.add(u.key, 0, len(body))
	}
	return p, err
}

func (u countingUpload) Complete(ctx context.Context, parts []store.Part, crc uint32) (store.Object, error) {
	o, err := u.Upload.Complete(ctx, parts, crc)
	if err == nil {
		u.c.add(u.key, 1, 0)
	}
	return o, err
}
