package browse_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"firn/stages/store"
)

// memory is a store that syncs nothing to a disk: a property is checked over hundreds of catalogues. What a catalogue does
// not ask of a store is missing.
type memory struct {
	store.Store

	mu      sync.Mutex
	objects map[string]object
	gets    map[string]int // how often each key was read
}

type object struct {
	body []byte
	meta map[string]string
}

func newMemory() *memory { return &memory{objects: map[string]object{}, gets: map[string]int{}} }

func (m *memory) URL() string { return "memory://" }
func (m *memory) Limits() store.Limits {
	return store.Limits{MinPart: 1, MaxPart: 1 << 40, MaxParts: 10_000, MaxPut: 1 << 40, MaxObject: 1 << 50}
}

func (m *memory) List(_ context.Context, prefix string, fn func(store.Object) error) error {
	m.mu.Lock()
	keys := slices.Sorted(maps.Keys(m.objects))
	m.mu.Unlock()
	for _, k := range keys {
		if strings.HasPrefix(k, prefix) {
			if err := fn(store.Object{Key: k}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Head(ctx context.Context, key, _ string) (store.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return store.Object{}, context.Cause(ctx)
	case !ok:
		return store.Object{}, store.ErrNotFound
	}
	return store.Object{Key: key, Size: int64(len(o.body)), Meta: o.meta}, nil
}

func (m *memory) Get(ctx context.Context, key string, _ store.GetOptions) (io.ReadCloser, error) {
	if _, err := m.Head(ctx, key, ""); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets[key]++
	return io.NopCloser(bytes.NewReader(m.objects[key].body)), nil
}

func (m *memory) Put(_ context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = object{bytes.Clone(body), o.Meta}
	return store.Object{Key: key}, nil
}

// spoil damages an object.
func (m *memory) spoil(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body := m.objects[key].body
	body[len(body)/2] ^= 1
}
