package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"firn/stages/store"
)

// parted is an object cut into parts.
type parted struct {
	body     []byte
	partSize int
}

func newParted(name string, s store.Store, parts, last int) parted {
	size := int(max(s.Limits().MinPart, 1000))
	return parted{body: Bytes(name, (parts-1)*size+last), partSize: size}
}

func (p parted) count() int { return (len(p.body) + p.partSize - 1) / p.partSize }

func (p parted) part(number int) []byte {
	return p.body[(number-1)*p.partSize : min(number*p.partSize, len(p.body))]
}

func (p parted) options(o store.PutOptions) store.PutOptions {
	o.PartSize = int64(p.partSize)
	return o
}

// create begins an upload that is dropped at the end of the test if it was not completed.
func create(t testing.TB, s store.Store, key string, o store.PutOptions) store.Upload {
	t.Helper()
	u, err := s.CreateUpload(t.Context(), key, o)
	if err != nil {
		t.Fatalf("beginning %q: %v", key, err)
	}
	t.Cleanup(func() {
		if err := u.Abort(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("dropping %q: %v", key, err)
		}
	})
	return u
}

func (p parted) send(t testing.TB, u store.Upload, numbers ...int) []store.Part {
	t.Helper()
	parts := make([]store.Part, len(numbers))
	var wg sync.WaitGroup
	for i, number := range numbers {
		wg.Go(func() {
			body := p.part(number)
			part, err := u.Part(t.Context(), number, body, store.CRC32C(body))
			if err != nil {
				t.Errorf("part %d: %v", number, err)
			}
			parts[i] = part
		})
	}
	wg.Wait()
	for i, part := range parts {
		if part.Number != numbers[i] || part.Size != int64(len(p.part(part.Number))) || part.CRC32C != store.CRC32C(p.part(part.Number)) || part.ETag == "" {
			t.Fatalf("part %d came back as %+v", numbers[i], part)
		}
	}
	return parts
}

func (p parted) complete(t testing.TB, u store.Upload, parts []store.Part) store.Object {
	t.Helper()
	o, err := u.Complete(t.Context(), parts, store.CRC32C(p.body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Upload stores body as a multipart upload and returns what Complete returned.
func Upload(t testing.TB, s store.Store, key string, body []byte, partSize int, o store.PutOptions) store.Object {
	t.Helper()
	p := parted{body: body, partSize: partSize}
	u := create(t, s, key, p.options(o))
	var parts []store.Part
	for number := 1; number <= p.count(); number++ {
		parts = append(parts, p.send(t, u, number)...)
	}
	return p.complete(t, u, parts)
}

func testMultipart(t *testing.T, s store.Store) {
	for _, tt := range []struct {
		name  string
		last  int
		order []int
	}{
		{"one part", 17, []int{1}},
		{"two parts", 1, []int{1, 2}},
		{"last part as large as the others", int(max(s.Limits().MinPart, 1000)), []int{2, 1, 3}},
		{"backwards, and parts sent twice", 999, []int{3, 2, 1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParted(tt.name, s, slices.Max(tt.order), tt.last)
			o := store.PutOptions{Meta: meta(), Class: "STANDARD_IA"}
			key := "home/me/" + tt.name + ".tar.gz"
			u := create(t, s, key, p.options(o))
			byNumber := map[int]store.Part{}
			for _, part := range slices.Concat(p.send(t, u, tt.order[0]), p.send(t, u, tt.order[1:]...)) {
				byNumber[part.Number] = part
			}
			var parts []store.Part
			for _, part := range byNumber { // in any order
				parts = append(parts, part)
			}
			done := p.complete(t, u, parts)
			head := MustHold(t, s, key, p.body, o)
			if done.Key != key || done.Size != head.Size || done.ETag != head.ETag || done.Version != head.Version {
				t.Errorf("complete returned %+v, head %+v", done, head)
			}
			if err := u.Abort(t.Context()); err != nil {
				t.Errorf("abort after complete: %v", err)
			}
			MustHold(t, s, key, p.body, o)
		})
	}
	if err := s.Uploads(t.Context(), "", func(p store.PendingUpload) error { return fmt.Errorf("left behind: %+v", p) }); err != nil {
		t.Error(err)
	}
}

func testMultipartReplaces(t *testing.T, s store.Store) {
	Put(t, s, "k", []byte("first"), store.PutOptions{Meta: meta()})
	p := newParted("second", s, 2, 5)
	Upload(t, s, "k", p.body, p.partSize, store.PutOptions{})
	MustHold(t, s, "k", p.body, store.PutOptions{})
	Put(t, s, "k", []byte("third"), store.PutOptions{Meta: meta()})
	MustHold(t, s, "k", []byte("third"), store.PutOptions{Meta: meta()})
}

// testMultipartUnseen: nothing shows before Complete, and what was there stays.
func testMultipartUnseen(t *testing.T, s store.Store) {
	Put(t, s, "there", []byte("old"), store.PutOptions{Meta: meta()})
	p := newParted("unseen", s, 2, 5)
	for _, key := range []string{"there", "new/one"} {
		p.send(t, create(t, s, key, p.options(store.PutOptions{})), 1, 2)
	}
	mustMiss(t, s, "new/one")
	MustHold(t, s, "there", []byte("old"), store.PutOptions{Meta: meta()})
}

func testMultipartChecksum(t *testing.T, s store.Store) {
	p := newParted("checksums", s, 2, 100)
	u := create(t, s, "k", p.options(store.PutOptions{}))
	if _, err := u.Part(t.Context(), 2, p.part(2), store.CRC32C(p.part(1))); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("a part with a wrong CRC: %v, want ErrChecksum", err)
	}
	parts := p.send(t, u, 1, 2)
	if _, err := u.Complete(t.Context(), parts, store.CRC32C(p.body)+1); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("a whole with a wrong CRC: %v, want ErrChecksum", err)
	}
	mustMiss(t, s, "k")
}

func testMultipartParts(t *testing.T, s store.Store) {
	p := newParted("parts", s, 3, 100)
	u := create(t, s, "k", p.options(store.PutOptions{}))
	for _, number := range []int{0, -1, s.Limits().MaxParts + 1} {
		if _, err := u.Part(t.Context(), number, []byte("x"), store.CRC32C([]byte("x"))); err == nil {
			t.Errorf("part number %d is taken", number)
		}
	}
	if _, err := u.Part(t.Context(), 1, nil, 0); err == nil {
		t.Error("an empty part is taken")
	}
	long := make([]byte, p.partSize+1)
	if _, err := u.Part(t.Context(), 1, long, store.CRC32C(long)); err == nil {
		t.Error("a part longer than the part size is taken")
	}
	parts := p.send(t, u, 1, 2, 3)
	for name, bad := range map[string][]store.Part{
		"none": nil, "first missing": parts[1:], "hole": {parts[0], parts[2]}, "twice": {parts[0], parts[0], parts[1]},
	} {
		if _, err := u.Complete(t.Context(), bad, store.CRC32C(p.body)); err == nil {
			t.Errorf("%s: completed", name)
		}
	}
	mustMiss(t, s, "k")
	p.complete(t, u, parts)
	MustHold(t, s, "k", p.body, store.PutOptions{})
}

func pendingUploads(t testing.TB, s store.Store, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := s.Uploads(t.Context(), prefix, func(p store.PendingUpload) error {
		if p.Age < 0 || p.Age > time.Minute {
			t.Errorf("%+v is of another age", p)
		}
		found[p.ID] = p.Key
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func testUploads(t *testing.T, s store.Store) {
	p := newParted("uploads", s, 2, 5)
	keys := []string{"home/a b&c", "home/a b&c", "home/d", "other/e"}
	want := map[string]map[string]string{"": {}, "home/": {}, "home/a": {}, "other/e": {}, "none": {}}
	for _, key := range keys {
		u := create(t, s, key, p.options(store.PutOptions{}))
		for prefix := range want {
			if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
				want[prefix][u.ID()] = key
			}
		}
	}
	for prefix, ids := range want {
		if got := pendingUploads(t, s, prefix); fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("unfinished under %q: %v, want %v", prefix, got, ids)
		}
	}
	stop := errors.New("enough")
	if err := s.Uploads(t.Context(), "", func(store.PendingUpload) error { return stop }); err != stop {
		t.Errorf("%v, want the callback's own error", err)
	}
}

func testAbort(t *testing.T, s store.Store) {
	p := newParted("abort", s, 2, 5)
	for name, abort := range map[string]func(u store.Upload) error{
		"by the upload": func(u store.Upload) error { return u.Abort(t.Context()) },
		"by the store":  func(u store.Upload) error { return s.AbortUpload(t.Context(), "home/k", u.ID()) },
	} {
		u := create(t, s, "home/k", p.options(store.PutOptions{}))
		parts := p.send(t, u, 1, 2)
		for range 2 {
			if err := abort(u); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := u.Part(t.Context(), 1, p.part(1), store.CRC32C(p.part(1))); !errors.Is(err, store.ErrNoUpload) {
			t.Errorf("%s: a part afterwards: %v, want ErrNoUpload", name, err)
		}
		if _, err := u.Complete(t.Context(), parts, store.CRC32C(p.body)); !errors.Is(err, store.ErrNoUpload) {
			t.Errorf("%s: complete afterwards: %v, want ErrNoUpload", name, err)
		}
	}
	if got := pendingUploads(t, s, ""); len(got) != 0 {
		t.Errorf("unfinished: %v", got)
	}
	mustMiss(t, s, "home/k")
}

// testConcurrent: many writers, some of one key: each object is whole.
func testConcurrent(t *testing.T, s store.Store) {
	const writers, each = 8, 12
	body := func(writer, i int) []byte { return Bytes(fmt.Sprint(writer, i), 1000) }
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for i := range each {
				o := store.PutOptions{CRC32C: store.CRC32C(body(writer, i))}
				_, own := s.Put(t.Context(), fmt.Sprintf("own/%d/%d", writer, i), body(writer, i), o)
				o.Meta = map[string]string{"md5": fmt.Sprintf("%d-%d", writer, i)}
				_, shared := s.Put(t.Context(), "shared", body(writer, i), o)
				if err := errors.Join(own, shared); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for writer := range writers {
		for i := range each {
			MustHold(t, s, fmt.Sprintf("own/%d/%d", writer, i), body(writer, i), store.PutOptions{})
		}
	}
	head, err := s.Head(t.Context(), "shared", "")
	if err != nil {
		t.Fatal(err)
	}
	var writer, i int
	if _, err := fmt.Sscanf(head.Meta["md5"], "%d-%d", &writer, &i); err != nil {
		t.Fatalf("metadata %v: %v", head.Meta, err)
	}
	MustHold(t, s, "shared", body(writer, i), store.PutOptions{Meta: head.Meta})
}
