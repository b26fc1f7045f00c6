// Package storetest is the suite of tests of what store.Store promises, for every driver's own
// tests to run on empty stores.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/store"

	"github.com/google/go-cmp/cmp"
)

// seed of all random bytes; a failure comes again with the same.
const seed = 20261123

// Run tests stores that open makes. Each call of open gives an empty one.
func Run(t *testing.T, open func(testing.TB) store.Store) {
	tests := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Check", testCheck}, {"PutHeadGet", testPutHeadGet}, {"Replace", testReplace}, {"Versions", testVersions}, {"New", testNew}, {"Replaces", testReplaces}, {"Race", testRace}, {"NotFound", testNotFound},
		{"Ranges", testRanges}, {"Changed", testChanged}, {"Keys", testKeys}, {"List", testList}, {"ListError", testListError},
		{"WrongChecksum", testWrongChecksum}, {"Passing", testPassing}, {"Refused", testRefused}, {"Readable", testReadable},
		{"Multipart", testMultipart}, {"MultipartReplaces", testMultipartReplaces}, {"MultipartUnseen", testMultipartUnseen},
		{"MultipartChecksum", testMultipartChecksum}, {"MultipartParts", testMultipartParts},
		{"Uploads", testUploads}, {"Abort", testAbort}, {"Cancelled", testCancelled}, {"Concurrent", testConcurrent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// Bytes are n random bytes, the same for the same name.
func Bytes(name string, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	copy(key[:], fmt.Sprintf("%d %s", seed, name))
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// Put stores body with its right CRC.
func Put(t testing.TB, s store.Store, key string, body []byte, o store.PutOptions) store.Object {
	t.Helper()
	o.CRC32C = store.CRC32C(body)
	object, err := s.Put(t.Context(), key, body, o)
	if err != nil {
		t.Fatalf("storing %q: %v", key, err)
	}
	return object
}

// Read gives all bytes of an object.
func Read(t testing.TB, s store.Store, key string, o store.GetOptions) []byte {
	t.Helper()
	return read(t, s, key, o, 0)
}

// read is Read of an object of about so many bytes.
func read(t testing.TB, s store.Store, key string, o store.GetOptions, size int) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), key, o)
	if err != nil {
		t.Fatalf("reading %q: %v", key, err)
	}
	b, err := ReadAll(r, size)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("reading %q: %v", key, err)
	}
	return b
}

// ReadAll reads about so many bytes. It is cheaper than io.ReadAll, whose buffer grows: under the race
// detector, the copies of some megabytes take most of a test's time.
func ReadAll(r io.Reader, size int) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// Keys lists the keys with a prefix.
func Keys(t testing.TB, s store.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	err := s.List(t.Context(), prefix, func(o store.Object) error { keys = append(keys, o.Key); return nil })
	if err != nil {
		t.Fatalf("listing %q: %v", prefix, err)
	}
	return keys
}

// MustHold fails the test unless Head, Get and List agree on the object's bytes and metadata.
func MustHold(t testing.TB, s store.Store, key string, body []byte, o store.PutOptions) store.Object {
	t.Helper()
	head, err := s.Head(t.Context(), key, "")
	if err != nil {
		t.Fatalf("head of %q: %v", key, err)
	}
	want := o.Meta
	if want == nil {
		want = map[string]string{}
	}
	if d := cmp.Diff(want, head.Meta); d != "" {
		t.Errorf("%q: metadata (-want +got):\n%s", key, d)
	}
	class := o.Class
	if class == "" {
		class = store.ClassStandard
	}
	if head.Key != key || head.Size != int64(len(body)) || head.Class != class || head.ETag == "" || strings.Contains(head.ETag, `"`) {
		t.Errorf("head of %q is %+v", key, head)
	}
	if !head.HasCRC32C || head.CRC32C != store.CRC32C(body) {
		t.Errorf("%q: CRC-32C %08x (known: %v), want %08x", key, head.CRC32C, head.HasCRC32C, store.CRC32C(body))
	}
	if age := time.Since(head.Modified); age < -time.Minute || age > 10*time.Minute {
		t.Errorf("%q: modified %s", key, head.Modified)
	}
	if !store.IsCold(class) {
		if got := read(t, s, key, store.GetOptions{}, len(body)); !bytes.Equal(got, body) {
			t.Errorf("%q: %d bytes read, not the %d that were stored", key, len(got), len(body))
		}
	}
	mustList(t, s, head)
	return head
}

func mustList(t testing.TB, s store.Store, head store.Object) {
	t.Helper()
	var listed []store.Object
	if err := s.List(t.Context(), head.Key, func(o store.Object) error { listed = append(listed, o); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(listed) == 0 || listed[0].Key != head.Key {
		t.Fatalf("%q is not listed: %v", head.Key, listed)
	}
	o := listed[0]
	if o.Size != head.Size || o.ETag != head.ETag || o.Class != head.Class || o.Meta != nil {
		t.Errorf("%q is listed as %+v, head is %+v", head.Key, o, head)
	}
	if d := o.Modified.Sub(head.Modified).Abs(); d > 2*time.Second { // a head's time has whole seconds in S3
		t.Errorf("%q is listed with time %s, head has %s", head.Key, o.Modified, head.Modified)
	}
}

func mustMiss(t testing.TB, s store.Store, key string) {
	t.Helper()
	if o, err := s.Head(t.Context(), key, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("head of %q: %+v, %v; want ErrNotFound", key, o, err)
	}
	if r, err := s.Get(t.Context(), key, store.GetOptions{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of %q: %v; want ErrNotFound", key, err)
		if err == nil {
			_ = r.Close()
		}
	}
	if keys := Keys(t, s, key); slices.Contains(keys, key) {
		t.Errorf("%q is listed", key)
	}
}

func meta() map[string]string {
	return map[string]string{
		"md5": strings.Repeat("0f", 16), "firn-format": "1", "firn-key-id": "id ~ with = signs, and / more", "firn-changed": "true",
	}
}

func testCheck(t *testing.T, s store.Store) {
	if err := s.Check(t.Context(), store.ToWrite); err != nil {
		t.Error(err)
	}
	if keys := Keys(t, s, ""); len(keys) != 0 {
		t.Errorf("a new store lists %q", keys)
	}
	if !strings.Contains(s.URL(), "://") {
		t.Errorf("URL %q", s.URL())
	}
	l := s.Limits()
	if l.MinPart < 1 || l.MaxPart < l.MinPart || l.MaxParts < 1 || l.MaxPut < l.MinPart || l.MaxObject < l.MaxPut {
		t.Errorf("limits %+v", l)
	}
}

func testPutHeadGet(t *testing.T, s store.Store) {
	for _, size := range []int{0, 1, 15, 16, 4096, 100_001} {
		key := fmt.Sprintf("home/me/dir/size-%d.tar.bz2", size)
		body := Bytes(key, size)
		o := store.PutOptions{Meta: meta()}
		put := Put(t, s, key, body, o)
		head := MustHold(t, s, key, body, o)
		if put.Key != key || put.Size != head.Size || put.ETag != head.ETag || put.Version != head.Version || put.Class != head.Class {
			t.Errorf("put returned %+v, head %+v", put, head)
		}
	}
	Put(t, s, "bare", nil, store.PutOptions{})
	MustHold(t, s, "bare", nil, store.PutOptions{})
}

// testVersions: the older version of an object can be read in a store that says so, whether it was
// asked before or after.
func testVersions(t *testing.T, s store.Store) {
	const key = "home/me/x.tar.gz"
	keeps, err := s.KeepsVersions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	older := Put(t, s, key, []byte("older"), store.PutOptions{})
	Put(t, s, key, []byte("newer"), store.PutOptions{})
	if again, err := s.KeepsVersions(t.Context()); again != keeps || err != nil {
		t.Errorf("it keeps versions: %v, and later %v: %v", keeps, again, err)
	}
	if keeps != (older.Version != "") {
		t.Errorf("it keeps versions: %v, and the older one is %q", keeps, older.Version)
	}
	if !keeps {
		return
	}
	body, err := s.Get(t.Context(), key, store.GetOptions{Version: older.Version})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "older" || errors.Join(err, body.Close()) != nil {
		t.Errorf("the older version is %q: %v", got, err)
	}
}

func testReplace(t *testing.T, s store.Store) {
	const key = "home/me/x.tar.gz"
	for i, size := range []int{100, 100, 7, 0, 5000, 5000} {
		body := Bytes(fmt.Sprint("version ", i), size)
		o := store.PutOptions{Meta: map[string]string{"md5": fmt.Sprint(i)}}
		Put(t, s, key, body, o)
		MustHold(t, s, key, body, o)
	}
	if keys := Keys(t, s, ""); !slices.Equal(keys, []string{key}) {
		t.Errorf("listed: %q", keys)
	}
}

func testNotFound(t *testing.T, s store.Store) {
	mustMiss(t, s, "nothing/here")
	Put(t, s, "some/thing", []byte("x"), store.PutOptions{})
	for _, key := range []string{"some", "some/", "some/thin", "some/thing/", "some/thing/more", "Some/Thing"} {
		mustMiss(t, s, key)
	}
	if _, err := s.Get(t.Context(), "some/thing", store.GetOptions{Version: "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"}); err == nil {
		t.Error("a version that never was can be read")
	}
	if _, err := s.Head(t.Context(), "some/thing", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"); err == nil {
		t.Error("a version that never was can be looked at")
	}
	if _, err := s.Thaw(t.Context(), "nothing/here", "", store.TierBulk, 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("thaw: %v", err)
	}
}

func testRanges(t *testing.T, s store.Store) {
	body := Bytes("ranges", 10_000)
	Put(t, s, "k", body, store.PutOptions{})
	for _, r := range [][3]int64{
		{0, 0, 10_000}, {0, -1, 10_000}, {0, 1, 1}, {0, 10_000, 10_000}, {0, 20_000, 10_000}, {1, 0, 10_000},
		{9_999, 1, 10_000}, {9_999, 5, 10_000}, {4_096, 4_096, 8_192}, {9_999, -1, 10_000},
	} {
		got := Read(t, s, "k", store.GetOptions{Offset: r[0], Length: r[1]})
		if want := body[r[0]:r[2]]; !bytes.Equal(got, want) {
			t.Errorf("range %v: %d bytes, want %d", r[:2], len(got), len(want))
		}
	}
	for _, offset := range []int64{10_000, 10_001, -1} {
		if r, err := s.Get(t.Context(), "k", store.GetOptions{Offset: offset}); err == nil {
			_ = r.Close()
			t.Errorf("a range from byte %d of 10,000 can be read", offset)
		}
	}
	Put(t, s, "empty", nil, store.PutOptions{})
	if got := Read(t, s, "empty", store.GetOptions{}); len(got) != 0 {
		t.Errorf("an empty object has %d bytes", len(got))
	}
}

// What is to be read is named by its ETag: nothing else is read.
func testChanged(t *testing.T, s store.Store) {
	const key = "home/me/x.tar.gz"
	first := Put(t, s, key, Bytes("first", 1000), store.PutOptions{})
	o := store.GetOptions{ETag: first.ETag, Offset: 10, Length: 500}
	if got := Read(t, s, key, o); !bytes.Equal(got, Bytes("first", 1000)[10:510]) {
		t.Errorf("%d bytes of what was named", len(got))
	}
	for _, size := range []int{1000, 5} {
		Put(t, s, key, Bytes("second", size), store.PutOptions{})
		if r, err := s.Get(t.Context(), key, o); !errors.Is(err, store.ErrChanged) || pipeline.IsFatal(err) {
			t.Errorf("%d bytes in its place: %v, want ErrChanged", size, err)
			if err == nil {
				_ = r.Close()
			}
		}
	}
	o.Version = first.Version
	if first.Version != "" && !bytes.Equal(Read(t, s, key, o), Bytes("first", 1000)[10:510]) {
		t.Error("the version that was named is another")
	}
}

func testRefused(t *testing.T, s store.Store) {
	for name, bad := range map[string]struct {
		key string
		o   store.PutOptions
	}{
		"empty key": {}, "long key": {key: strings.Repeat("k", 1025)}, "key not UTF-8": {key: "a\xffb"},
		"class":          {key: "k", o: store.PutOptions{Class: "ICE"}},
		"metadata name":  {key: "k", o: store.PutOptions{Meta: map[string]string{"A b": "x"}}},
		"metadata value": {key: "k", o: store.PutOptions{Meta: map[string]string{"a": "x\r\nx-amz-acl: public-read"}}},
	} {
		o := bad.o
		o.CRC32C = store.CRC32C([]byte("body"))
		if _, err := s.Put(t.Context(), bad.key, []byte("body"), o); err == nil {
			t.Errorf("%s: put is taken", name)
		}
		o.PartSize = s.Limits().MinPart
		if _, err := s.CreateUpload(t.Context(), bad.key, o); err == nil {
			t.Errorf("%s: an upload is taken", name)
		}
	}
	for _, size := range []int64{0, s.Limits().MinPart - 1, s.Limits().MaxPart + 1} {
		if _, err := s.CreateUpload(t.Context(), "k", store.PutOptions{PartSize: size}); err == nil {
			t.Errorf("an upload with parts of %d bytes is taken", size)
		}
	}
	if keys := Keys(t, s, ""); len(keys) != 0 {
		t.Errorf("listed: %q", keys)
	}
}

func testWrongChecksum(t *testing.T, s store.Store) {
	old := []byte("what was there")
	Put(t, s, "k", old, store.PutOptions{Meta: meta()})
	_, err := s.Put(t.Context(), "k", []byte("what is new"), store.PutOptions{CRC32C: store.CRC32C(old)})
	if !errors.Is(err, store.ErrChecksum) {
		t.Errorf("put with a wrong CRC: %v, want ErrChecksum", err)
	}
	MustHold(t, s, "k", old, store.PutOptions{Meta: meta()})
}

// testReadable: classes that can be read at once are kept and read.
func testReadable(t *testing.T, s store.Store) {
	for _, class := range []string{"STANDARD", "STANDARD_IA", "GLACIER_IR"} {
		o := store.PutOptions{Class: class, Meta: meta()}
		Put(t, s, "as/"+class, []byte(class), o)
		MustHold(t, s, "as/"+class, []byte(class), o)
		if result, err := s.Thaw(t.Context(), "as/"+class, "", store.TierStandard, 1); err != nil || result != store.ThawNotCold {
			t.Errorf("thaw of %s: %v, %v", class, result, err)
		}
	}
}

func testCancelled(t *testing.T, s store.Store) {
	Put(t, s, "k", []byte("x"), store.PutOptions{})
	u, err := s.CreateUpload(t.Context(), "u", store.PutOptions{PartSize: s.Limits().MinPart})
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("the user said so")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	crc := store.CRC32C([]byte("x"))
	part := store.Part{Number: 1, Size: 1, CRC32C: crc}
	for name, call := range map[string]func() error{
		"Check": func() error { return s.Check(ctx, store.ToWrite) },
		"List":  func() error { return s.List(ctx, "", func(store.Object) error { return nil }) },
		"Head":  func() error { _, err := s.Head(ctx, "k", ""); return err },
		"Get":   func() error { _, err := s.Get(ctx, "k", store.GetOptions{}); return err },
		"Put":   func() error { _, err := s.Put(ctx, "n", []byte("x"), store.PutOptions{CRC32C: crc}); return err },
		"CreateUpload": func() error {
			_, err := s.CreateUpload(ctx, "n", store.PutOptions{PartSize: s.Limits().MinPart})
			return err
		},
		"ResumeUpload": func() error {
			_, _, err := s.ResumeUpload(ctx, "u", u.ID(), store.PutOptions{PartSize: s.Limits().MinPart})
			return err
		},
		"Uploads":     func() error { return s.Uploads(ctx, "", func(store.PendingUpload) error { return nil }) },
		"AbortUpload": func() error { return s.AbortUpload(ctx, "u", u.ID()) },
		"Thaw":        func() error { _, err := s.Thaw(ctx, "k", "", store.TierBulk, 1); return err },
		"Part":        func() error { _, err := u.Part(ctx, 1, []byte("x"), crc); return err },
		"Complete":    func() error { _, err := u.Complete(ctx, []store.Part{part}, crc); return err },
	} {
		if err := call(); !errors.Is(err, reason) {
			t.Errorf("%s: %v, want the cause", name, err)
		}
	}
	mustMiss(t, s, "n")
	if err := u.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}
