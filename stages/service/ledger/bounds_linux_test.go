package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// A liar says of the object under a key what it likes, and gives any bytes.
type liar struct {
	store.Store
	key    string
	head   func(*store.Object)
	more   io.Reader // what follows the object
	opened bool
	read   int64
}

func (l *liar) Head(ctx context.Context, key, version string) (store.Object, error) {
	o, err := l.Store.Head(ctx, key, version)
	if err == nil && key == l.key && l.head != nil {
		o.Meta = maps.Clone(o.Meta)
		l.head(&o)
	}
	return o, err
}

func (l *liar) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	if key != l.key {
		return l.Store.Get(ctx, key, o)
	}
	l.opened = true
	body, err := l.Store.Get(ctx, key, o)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(body, &counted{l.more, &l.read}), body}, nil
}

type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// endless gives bytes without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestOversize has objects of the catalogue that are larger than firn makes them, by their metadata
// or by what arrives: no more of one is read than its kind allows, and all else is read.
func TestOversize(t *testing.T) {
	sized := func(size int64) func(*store.Object) {
		return func(o *store.Object) { o.Size = size }
	}
	fitting := func(size int64) func(*store.Object) { // the record says the same
		return func(o *store.Object) {
			o.Size = size
			o.Meta["firn-archive-size"] = fmt.Sprint(size - int64(encryption.HeaderSize) - 1)
		}
	}
	for _, tt := range []struct {
		name string
		kind string
		head func(*store.Object)
		says string
		most int64 // bytes read of what follows it
	}{
		{"a run of 400 MiB", "runs/", sized(400 << 20), "33554432", 0},
		{"with a record that fits", "runs/", fitting(400 << 20), "33554432", 0},
		{"of another size than its record says", "runs/", sized(1 << 20), "record", 0},
		{"an endless body", "runs/", nil, "more arrives", 1},
		{"an endless manifest", "manifests/", nil, "more arrives", 1},
		{"a large manifest", "manifests/", fitting(129 << 20), "134217728", 0},
		{"a large pack", "lists/", fitting(17 << 30), "17179869184", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := open(t)
			write(t, l, 1<<20, 3)
			write(t, l, 1<<20, 3)
			both, _, err := l.Runs(t.Context())
			check(t, err)
			whole, bad := both[0], both[1]
			held, err := l.Volumes(t.Context())
			check(t, err)
			s := &liar{Store: l.Store, head: tt.head, more: endless{}}
			for key := range held {
				if strings.Contains(key, tt.kind) && ledger.RunOf(key) == bad.ID {
					s.key = key
				}
			}
			l.Store = s
			runs, faults, err := l.Runs(t.Context())
			check(t, err)
			if ledger.IsRun(s.key) {
				if len(runs) != 1 || runs[0].ID != whole.ID || len(faults) != 1 || faults[0].Key != s.key {
					t.Fatalf("%d runs, faults: %v", len(runs), faults)
				}
				err = faults[0].Err
			} else if tt.kind == "lists/" {
				_, err = l.Pack(t.Context(), s.key)
			} else {
				err = l.Subtrees(t.Context(), bad, func(catalogue.Subtree) error { return nil })
			}
			if !ledger.IsDamage(err) || strings.Count(err.Error(), s.key) != 1 || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error: %v", err)
			}
			if s.read > tt.most || tt.most == 0 && s.opened {
				t.Errorf("%d bytes behind its end were read", s.read)
			}
		})
	}
}

// TestFullScratchDisk has no room for one run: it is that run's fault, and none of the catalogue's.
func TestFullScratchDisk(t *testing.T) {
	l, _ := open(t)
	write(t, l, 1<<20, 3)
	write(t, l, 1<<20, 3)
	scratch := l.Scratch
	var once sync.Once
	l.Scratch = func() (f *os.File, err error) {
		once.Do(func() { f, err = os.OpenFile("/dev/full", os.O_RDWR, 0) })
		if f == nil && err == nil {
			return scratch()
		}
		return f, err
	}
	runs, faults, err := l.Runs(t.Context())
	if err != nil || len(runs) != 1 || len(faults) != 1 {
		t.Fatalf("%d runs, faults: %v, error: %v", len(runs), faults, err)
	}
	err = faults[0].Err
	if !errors.Is(err, syscall.ENOSPC) || pipeline.IsFatal(err) || strings.Count(err.Error(), faults[0].Key) != 1 {
		t.Errorf("the fault: %v", err)
	}
}
