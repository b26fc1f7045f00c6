package ledger_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// one is a store of one object, or whatever is there in its place.
type one struct {
	store.Store
	meta map[string]string
	body []byte
}

func (o *one) Head(_ context.Context, key, _ string) (store.Object, error) {
	return store.Object{Key: key, Size: int64(len(o.body)), Meta: o.meta}, nil
}

func (o *one) Get(context.Context, string, store.GetOptions) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(o.body)), nil
}

func (o *one) Limits() store.Limits {
	return store.Limits{MaxPut: 1 << 30, MaxObject: 1 << 30, MinPart: 1, MaxPart: 1 << 30, MaxParts: 10}
}

func (o *one) Put(_ context.Context, key string, body []byte, p store.PutOptions) (store.Object, error) {
	if strings.Contains(key, "/lists/") {
		o.meta, o.body = p.Meta, bytes.Clone(body)
	}
	return store.Object{}, nil
}

// FuzzOpen gives the catalogue any bytes and any metadata as a pack. Nobody has the key: whatever is
// taken is what the ledger wrote, under the key it wrote it to.
func FuzzOpen(f *testing.F) {
	passphrase := pass("a passphrase of some length")
	keys, err := encryption.NewKeys(passphrase, nil)
	if err != nil {
		f.Fatal(err)
	}
	dir, s := f.TempDir(), &one{}
	l := &ledger.Ledger{Store: s, Prefix: "pre", Keys: keys, Scratch: func() (*os.File, error) {
		return os.Create(filepath.Join(dir, "scratch"))
	}}
	written := func(list []byte) (key string) {
		w := l.Begin(ledger.NewID(time.Date(2026, 11, 23, 20, 30, 0, 0, time.UTC)), 1)
		place, err := w.AddList(f.Context(), bytes.NewReader(list))
		if err == nil {
			err = w.Finish(f.Context(), catalogue.Run{})
		}
		if err != nil {
			f.Fatal(err)
		}
		return place.Pack
	}
	other := written([]byte("another list"))
	foreign := *s
	const plain = "a list, as far as the ledger knows"
	key := written([]byte(plain))
	add := func(body []byte, r record.Record) {
		f.Add(body, r.MD5, r.HMAC, r.KeyID, r.ArchiveSize, r.Format)
	}
	genuine := func(o *one) record.Record {
		r, err := record.FromMeta(o.meta)
		if err != nil {
			f.Fatal(err)
		}
		return r
	}
	r := genuine(s)
	add(s.body, r)
	add(foreign.body, genuine(&foreign)) // of another key
	add(foreign.body, r)
	for at := range s.body { // spliced, cut
		body := bytes.Clone(s.body)
		body[at] ^= 0x10
		add(body, r)
		cut := r
		cut.ArchiveSize = int64(at) - int64(encryption.HeaderSize) - 1
		add(s.body[:at], cut)
	}
	for _, change := range []func(*record.Record){
		func(r *record.Record) { r.HMAC = "" },
		func(r *record.Record) { r.HMAC = strings.Repeat("0", 64) },
		func(r *record.Record) { r.HMAC = strings.ToUpper(r.HMAC) },
		func(r *record.Record) { r.KeyID = "" },
		func(r *record.Record) { r.KeyID = "v2:" + r.KeyID },
		func(r *record.Record) { r.MD5 = "" },
		func(r *record.Record) { r.Format = 0 },
		func(r *record.Record) { r.ArchiveSize = 0 },
		func(r *record.Record) { r.ArchiveSize = 1<<63 - 1 },
	} {
		changed := r
		change(&changed)
		add(s.body, changed)
	}
	f.Fuzz(func(t *testing.T, body []byte, md5, hmac, keyID string, size int64, format int) {
		s.body, s.meta = body, record.Record{Format: max(format, 1), MD5: md5, HMAC: hmac, KeyID: keyID, ArchiveSize: size}.Meta()
		for _, k := range []string{key, other} {
			pack, err := l.Pack(t.Context(), k)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(io.NewSectionReader(pack, 0, pack.Size()))
			check(t, err)
			pack.Close()
			want := plain
			if k == other {
				want = "another list"
			}
			if string(got) != want {
				t.Errorf("%q was taken for what was stored under %s", got, k)
			}
		}
	})
}
