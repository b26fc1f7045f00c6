package state

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/service/report"
)

func entry(i int) Entry {
	e := Entry{
		Record: record.Record{
			Format: 1, MD5: fmt.Sprintf("%032x", i), TarSHA256: fmt.Sprintf("%064x", i+1), HMAC: fmt.Sprintf("%064x", i+2), KeyID: "1-salt-id",
			ArchiveSize: 1000, TarSize: int64(i), Version: "v", ETag: fmt.Sprint("etag", i), Class: "GLACIER", ObjectSize: 1040,
			Saved: time.Unix(1_700_000_000, 0).UTC(), Changed: i%2 == 0,
		},
		List:    catalogue.Place{Pack: ".firn/lists/20261123T203000Z-1a2b3c4d-001.jsonl.gz", Offset: 1 << 20, Length: 300},
		Adopted: i%3 == 0, Partial: i%3 > 0, Better: []string{"", "20261123T203000Z-1a2b3c4d"}[i%2], Table: TagOf("table"),
	}
	copy(e.Fingerprint[:], fmt.Sprintf("fingerprint %d", i))
	return e
}

func mac(key string) func() hash.Hash {
	return func() hash.Hash { return hmac.New(sha256.New, []byte(key)) }
}

func open2(t *testing.T, dir string) (*DB, string) {
	t.Helper()
	db, notice, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	db.Bind(mac("key"))
	return db, notice
}

func TestKeepsEntriesAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	db, notice := open2(t, dir)
	if notice != "" {
		t.Errorf("a new state file gave the notice %q", notice)
	}
	const n = 3 * flushItems / 2 // some committed by number, the rest by Close
	for i := range n {
		if err := db.Put("s3://b", fmt.Sprint(i), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put("s3://other", "1", entry(99)); err != nil {
		t.Fatal(err)
	}
	if err := db.KeepSalt([]byte("salt")); err != nil {
		t.Fatal(err)
	}
	verify := func(db *DB) {
		t.Helper()
		for i := range n {
			got, ok := db.Get("s3://b", fmt.Sprint(i))
			if !ok || got != entry(i) {
				t.Fatalf("entry %d: %v %v", i, got, ok)
			}
		}
		if got, _ := db.Get("s3://other", "1"); got != entry(99) {
			t.Errorf("another store's entry: %v", got)
		}
		for _, c := range []struct {
			store, prefix string
			want          bool
		}{{"s3://b", "", true}, {"s3://b", "76", true}, {"s3://b", "8/", false}, {"s3://other", "1", true}, {"s3://other", "11", false}, {"s3://none", "", false}} {
			if got := db.Knows(c.store, "x", c.prefix); got != c.want {
				t.Errorf("keys of %s with %q: %v", c.store, c.prefix, got)
			}
		}
		if _, ok := db.Get("s3://none", "1"); ok {
			t.Error("a store that was never written has an entry")
		}
		if string(db.Salt()) != "salt" {
			t.Errorf("salt: %q", db.Salt())
		}
	}
	verify(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _ = open2(t, dir)
	verify(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCommitsAfterATime(t *testing.T) {
	db, _ := open2(t, t.TempDir())
	defer db.Close()
	now := time.Now()
	db.now = func() time.Time { return now }
	db.flushed = now
	put := func(i, pending int) {
		t.Helper()
		if err := db.Put("s", fmt.Sprint(i), entry(i)); err != nil {
			t.Fatal(err)
		}
		if len(db.pending) != pending {
			t.Errorf("after entry %d: %d pending, want %d", i, len(db.pending), pending)
		}
	}
	put(1, 1)
	put(2, 2)
	now = now.Add(flushAfter)
	put(3, 0)
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	defer db.Close()
	if _, _, err := Open(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("second Open: %v, want ErrLocked", err)
	}
}

// Whatever bytes the file is made of, Open gives a working state, and a Get
// never gives an entry that was not put.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	for i := range 2000 {
		if err := db.Put("s", fmt.Sprint(i), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	const seed = 1
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	cases := map[string]func([]byte) []byte{
		"empty":    func(b []byte) []byte { return nil },
		"text":     func(b []byte) []byte { return []byte(strings.Repeat("not a database\n", 5000)) },
		"zeros":    func(b []byte) []byte { return make([]byte, len(b)) },
		"half":     func(b []byte) []byte { return b[:len(b)/2] },
		"no pages": func(b []byte) []byte { return b[:8192] },
		"one byte": func(b []byte) []byte { return b[:1] },
	}
	for i := range 40 {
		cases[fmt.Sprintf("page %d", i)] = func(b []byte) []byte {
			page := rnd.Intn(len(b)/4096) * 4096
			rnd.Read(b[page : page+4096])
			return b
		}
		cases[fmt.Sprintf("cut %d", i)] = func(b []byte) []byte { return b[:rnd.Intn(len(b))] }
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) { // in the order in which they draw
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fileName), cases[name](append([]byte(nil), whole...)), 0o600); err != nil {
				t.Fatal(err)
			}
			db, _ := open2(t, dir)
			for i := range 2000 {
				if e, ok := db.Get("s", fmt.Sprint(i)); ok && e != entry(i) {
					t.Fatalf("entry %d is now %v", i, e)
				}
			}
			if err := db.Put("s", "new", entry(5000)); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db, notice := open2(t, dir)
			if notice != "" {
				t.Errorf("damaged again: %s", notice)
			}
			if e, _ := db.Get("s", "new"); e != entry(5000) {
				t.Error("what was put after the damage is lost")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestEntriesAreProven: an entry with any bit changed is none, nor is one of another place or another
// key, nor what has no MAC; and the same holds for what is known of a run.
func TestEntriesAreProven(t *testing.T) {
	db, _ := open2(t, t.TempDir())
	defer db.Close()
	e := entry(1)
	memo := db.Memo("s")
	if err := errors.Join(db.Put("s", "k", e), memo.KeepRun("id", []byte("what is known"))); err != nil {
		t.Fatal(err)
	}
	value, known := db.value("s", "k"), db.value(memo.bucket, "id")
	for bit := range 8 * len(value) {
		damaged := bytes.Clone(value)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := db.put("s", "damaged", damaged); err != nil {
			t.Fatal(err)
		}
		if got, ok := db.Get("s", "damaged"); ok {
			t.Fatalf("bit %d: %+v", bit, got)
		}
	}
	if err := errors.Join(db.put("s", "other", value), db.put("other", "k", value), db.put("s", "old", value[:len(value)-macSize]),
		db.put(memo.bucket, "other", known), db.put(memo.bucket, "old", []byte("what is known"))); err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]string{{"s", "other"}, {"other", "k"}, {"s", "old"}} {
		if got, ok := db.Get(at[0], at[1]); ok {
			t.Errorf("%v: %+v", at, got)
		}
	}
	for id, want := range map[string]string{"id": "what is known", "other": "", "old": ""} {
		if got := memo.Run(id); string(got) != want {
			t.Errorf("of run %s: %q", id, got)
		}
	}
	for _, key := range []func() hash.Hash{mac("another key"), nil} {
		db.Bind(key)
		if got, ok := db.Get("s", "k"); ok || memo.Run("id") != nil {
			t.Errorf("%+v", got)
		}
		if !db.Knows("s", "k") {
			t.Error("that there is one needs no key")
		}
	}
	if err := db.Put("s", "k", e); !errors.Is(err, ErrUnbound) {
		t.Error(err)
	}
}

// The end of a run is kept by its name.
// What a run did is kept; what nobody wrote, or not so, is no run.
func TestKeepsPast(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	past := report.Past{Ended: time.Unix(1e9, 0).UTC(), Duration: time.Hour, Entries: 5, Subtrees: 4, Bytes: 3, Read: 2, Stored: 1}
	if err := errors.Join(db.KeepPast("backup", past), db.KeepPast("wrong", report.Past{Duration: 1, Bytes: -1}), db.Close()); err != nil {
		t.Fatal(err)
	}
	db, _ = open2(t, dir)
	defer db.Close()
	if got := db.Past("backup"); got == nil || *got != past {
		t.Errorf("%+v, not %+v", got, past)
	}
	for _, name := range []string{"verify", "wrong"} {
		if got := db.Past(name); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestKeepsSuccess(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	at := time.Unix(1_800_000_000, 0)
	if err := db.KeepSuccess("backup", at); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _ = open2(t, dir)
	defer db.Close()
	if got := db.Success("backup"); !got.Equal(at) || !db.Success("verify").IsZero() {
		t.Errorf("%v, %v", got, db.Success("verify"))
	}
}

// TestPeek: ids of runs are listed without the key and the newest first, in no directory that others
// may write to, and no run that has the file open is waited for.
func TestPeek(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	for _, id := range []string{"2024", "2026", "2025", "last/path"} {
		if err := errors.Join(db.Memo("s3://b").KeepRun(id, nil), db.Put("s3://b", id, entry(1))); err != nil {
			t.Fatal(err)
		}
	}
	isID := func(name string) bool { return name[0] == '2' }
	if got, err := Peek(dir, 2, isID); err == nil {
		t.Errorf("while it is open: %v", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Peek(dir, 2, isID)
	if want := map[string][]string{"s3://b": {"2026", "2025"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v (%v), not %v", got, err, want)
	}
	if got, err := Peek(filepath.Join(dir, "none"), 2, isID); err == nil {
		t.Errorf("of a directory that is not there: %v", got)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files, not %d: %v", len(after), len(before), err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if got, err := Peek(dir, 2, isID); err == nil {
		t.Errorf("of a directory that others may write to: %v", got)
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.WriteFile(filepath.Join(dir, fileName), make([]byte, 1<<14), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := Peek(dir, 2, isID); err == nil {
		t.Errorf("of a damaged file: %v", got)
	}
}
