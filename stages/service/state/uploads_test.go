package state

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"
)

func begun(i byte) Upload {
	return Upload{ID: "id", Salt: [8]byte{i}, PartSize: 5 << 20, Class: "GLACIER", Record: entry(int(i)).Record, Fingerprint: [32]byte{i}, Spooled: true}
}

// TestUploads: an upload is on the disk as soon as it is noted, and is known until it is forgotten.
func TestUploads(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	db.now = func() time.Time { return time.Unix(0, 0) }
	db.flushed = db.now() // nothing is written by itself
	for _, key := range []string{"a", "b", "c"} {
		if err := db.KeepUpload("s", key, begun(key[0])); err != nil {
			t.Fatal(err)
		}
	}
	if len(db.pending) != 0 {
		t.Errorf("%d values are not on the disk", len(db.pending))
	}
	if err := errors.Join(db.KeepUpload("other", "a", begun(9)), db.ForgetUpload("s", "b"), db.PutUploaded("s", "c", entry(3))); err != nil {
		t.Fatal(err)
	}
	verify := func() {
		t.Helper()
		if got := db.Uploads("s"); !maps.Equal(got, map[string]Upload{"a": begun('a')}) {
			t.Errorf("%+v", got)
		}
		if got := db.Uploads("other"); !maps.Equal(got, map[string]Upload{"a": begun(9)}) {
			t.Errorf("%+v", got)
		}
		if got, ok := db.Get("s", "c"); !ok || got != entry(3) {
			t.Errorf("%+v", got)
		}
	}
	verify()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _ = open2(t, dir)
	defer db.Close()
	verify()
}

// TestUploadedAtOnce: of an upload that was completed, the state file never says both that it is under
// way and that its object is stored, nor neither, whichever write to the disk is the last.
func TestUploadedAtOnce(t *testing.T) {
	db, _ := open2(t, t.TempDir())
	defer db.Close()
	now := time.Unix(0, 0)
	db.now = func() time.Time { return now }
	if err := db.KeepUpload("s", "k", begun(1)); err != nil {
		t.Fatal(err)
	}
	onDisk := func() (upload, stored bool) {
		pending := db.pending
		db.pending = map[name][]byte{}
		defer func() { db.pending = pending }()
		_, upload = db.Upload("s", "k")
		_, stored = db.Get("s", "k")
		return upload, stored
	}
	for range 2 { // the first time it waits for others
		if err := db.PutUploaded("s", "k", entry(1)); err != nil {
			t.Fatal(err)
		}
		if upload, stored := onDisk(); upload == stored {
			t.Errorf("under way: %v, stored: %v", upload, stored)
		}
		now = now.Add(2 * flushAfter)
	}
	if upload, stored := onDisk(); upload || !stored {
		t.Errorf("under way: %v, stored: %v", upload, stored)
	}
}

// TestUploadsAreProven: an upload with any bit changed is none, nor is one of another place, what has no
// MAC, or what no upload can be; and no length of it harms.
func TestUploadsAreProven(t *testing.T) {
	db, _ := open2(t, t.TempDir())
	defer db.Close()
	if err := db.KeepUpload("s", "k", begun(1)); err != nil {
		t.Fatal(err)
	}
	bucket := uploads("s")
	value := db.value(bucket, "k")
	values := map[string][]byte{"moved": value, "bare": value[:len(value)-macSize], "short": value[:3], "empty": {}}
	for bit := 0; bit < 8*len(value); bit += 3 {
		damaged := bytes.Clone(value)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := db.put(bucket, "k", damaged); err != nil {
			t.Fatal(err)
		}
		if got := db.Uploads("s"); len(got) != 0 {
			t.Fatalf("bit %d: %+v", bit, got)
		}
	}
	for key, text := range map[string]string{
		"no upload": `{}`, "no id": `{"part_size":5}`, "no part size": `{"id":"id"}`, "part size below 0": `{"id":"id","part_size":-1}`,
		"of another form": `[1]`, "another salt": `{"id":"id","part_size":5,"salt":"x"}`, "text": "id", "long": string(make([]byte, 1<<22)),
	} {
		values[key] = db.sealed(bucket, key, []byte(text))
	}
	for key, value := range values {
		if err := db.put(bucket, key, value); err != nil {
			t.Fatal(err)
		}
		if got, ok := db.Upload("s", key); ok {
			t.Errorf("%s: %+v", key, got)
		}
	}
	if got := db.Uploads("s"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	db.Bind(nil)
	for _, err := range []error{db.KeepUpload("s", "k", begun(1)), db.PutUploaded("s", "k", entry(1))} {
		if !errors.Is(err, ErrUnbound) {
			t.Error(err)
		}
	}
}
