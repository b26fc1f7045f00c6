package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"firn/stages/store"
)

// resume takes up an upload and wants the parts with these numbers.
func (p parted) resume(t testing.TB, s store.Store, key, id string, o store.PutOptions, numbers ...int) (store.Upload, []store.Part) {
	t.Helper()
	u, parts, err := s.ResumeUpload(t.Context(), key, id, p.options(o))
	if err != nil {
		t.Fatalf("resuming %q: %v", key, err)
	}
	var got []int
	for i, part := range parts {
		if !part.HasCRC32C { // Complete wants it
			parts[i].CRC32C = p.sent(part.Number).CRC32C
		}
		got = append(got, part.Number)
		sent := p.sent(part.Number)
		if part.ETag == "" || !part.Holds(sent) {
			t.Errorf("part %d is listed as %+v, not as it was sent", part.Number, part)
		}
		if sent.CRC32C, sent.ETag = sent.CRC32C+1, store.PutETag(nil); part.Holds(sent) {
			t.Errorf("part %d holds other bytes", part.Number)
		}
	}
	if !slices.Equal(got, numbers) {
		t.Errorf("%q: parts %v are there, not %v", key, got, numbers)
	}
	if u.ID() != id {
		t.Errorf("the id is %q, not %q", u.ID(), id)
	}
	return u, parts
}

// sent describes a part, to be compared with a listed one.
func (p parted) sent(number int) store.Part {
	body := p.part(number)
	return store.Part{Number: number, Size: int64(len(body)), CRC32C: store.CRC32C(body), ETag: store.PutETag(body)}
}

// RunResume tests that one store's unfinished uploads are taken up by another store value of the same
// place, as the next process has it. Each call of open gives both, of an empty place.
func RunResume(t *testing.T, open func(testing.TB) (first, next store.Store)) {
	for name, test := range map[string]func(t *testing.T, first, next store.Store){
		"Resumed": testResumed, "Gone": testResumeGone, "OtherParts": testResumeOtherParts,
	} {
		t.Run(name, func(t *testing.T) {
			first, next := open(t)
			test(t, first, next)
		})
	}
}

// testResumed: parts of three Upload values make one object, in which a part that was sent again has
// its last bytes.
func testResumed(t *testing.T, first, next store.Store) {
	p, o := newParted("resumed", first, 4, 17), store.PutOptions{Meta: meta(), Class: "STANDARD_IA"}
	u := create(t, first, "home/k", p.options(o))
	p.resume(t, next, "home/k", u.ID(), o)
	p.send(t, u, 4, 2)
	for range 2 { // it stays as it is
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
	u, _ = p.resume(t, first, "home/k", u.ID(), o, 2, 4)
	other := newParted("other bytes", first, 4, 17)
	other.send(t, u, 1)

	again, parts := p.resumeWithout(t, next, "home/k", u.ID(), o, 1)
	parts = append(parts, p.send(t, again, 1)...)
	third, held := p.resume(t, first, "home/k", u.ID(), o, 1, 2, 4)
	if len(held) != len(parts) {
		t.Errorf("%d parts, not %d", len(held), len(parts))
	}
	if _, err := third.Complete(t.Context(), held, store.CRC32C(p.body)); err == nil {
		t.Error("completed without part 3")
	}
	done := p.complete(t, third, append(held, p.send(t, third, 3)...))
	if head := MustHold(t, next, "home/k", p.body, o); head.ETag != done.ETag {
		t.Errorf("complete returned %+v, head %+v", done, head)
	}
}

// resumeWithout resumes an upload, of whose parts one holds other bytes, and returns the others.
func (p parted) resumeWithout(t testing.TB, s store.Store, key, id string, o store.PutOptions, bad int) (store.Upload, []store.Part) {
	t.Helper()
	u, parts, err := s.ResumeUpload(t.Context(), key, id, p.options(o))
	if err != nil {
		t.Fatal(err)
	}
	return u, slices.DeleteFunc(parts, func(part store.Part) bool {
		holds := part.Holds(p.sent(part.Number))
		if holds == (part.Number == bad) {
			t.Errorf("part %d: holds the bytes: %v", part.Number, holds)
		}
		return !holds
	})
}

// testResumeGone: an upload that is over is not resumed; whether it made its object, Head tells.
func testResumeGone(t *testing.T, first, next store.Store) {
	p := newParted("gone", first, 2, 5)
	for name, end := range map[string]func(u store.Upload, parts []store.Part){
		"completed": func(u store.Upload, parts []store.Part) { p.complete(t, u, parts) },
		"aborted": func(u store.Upload, _ []store.Part) {
			if err := u.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		u := create(t, first, name, p.options(store.PutOptions{Meta: meta()}))
		parts := p.send(t, u, 1, 2)
		end(u, parts)
		if _, _, err := next.ResumeUpload(t.Context(), name, u.ID(), p.options(store.PutOptions{Meta: meta()})); !errors.Is(err, store.ErrNoUpload) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want ErrNoUpload", name, err)
		}
		there, err := next.Head(t.Context(), name, "")
		made := err == nil && store.IsMade(there, meta(), int64(len(p.body)), store.CRC32C(p.body), func() string { return store.MultipartETag(parts) })
		if made != (name == "completed") {
			t.Errorf("%s: made: %v (%v)", name, made, err)
		}
	}
	for _, id := range []string{"", "none", "../../k", "20260101T000000Z-aaaaaaaaaaaaaaaa"} {
		if _, _, err := next.ResumeUpload(t.Context(), "k", id, p.options(store.PutOptions{})); !errors.Is(err, store.ErrNoUpload) {
			t.Errorf("id %q: %v, want ErrNoUpload", id, err)
		}
	}
	u := create(t, first, "k", p.options(store.PutOptions{}))
	if _, _, err := next.ResumeUpload(t.Context(), "other", u.ID(), p.options(store.PutOptions{})); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("the upload of another key: %v, want ErrNoUpload", err)
	}
}

func testResumeOtherParts(t *testing.T, first, next store.Store) {
	p := newParted("part size", first, 3, 5)
	u := create(t, first, "k", p.options(store.PutOptions{}))
	p.send(t, u, 1, 2)
	for _, size := range []int{p.partSize + 1, 2 * p.partSize} {
		if _, _, err := next.ResumeUpload(t.Context(), "k", u.ID(), store.PutOptions{PartSize: int64(size)}); !errors.Is(err, store.ErrOtherParts) {
			t.Errorf("parts of %d, not of %d: %v, want ErrOtherParts", size, p.partSize, err)
		}
	}
	p.resume(t, next, "k", u.ID(), store.PutOptions{}, 1, 2)
}

// testReplaces: an object takes the place of the one that was named, and of no other.
func testReplaces(t *testing.T, s store.Store) {
	p := newParted("second", s, 2, 17)
	for name, save := range map[string]func(key string, o store.PutOptions) error{
		"put": func(key string, o store.PutOptions) error {
			o.CRC32C = store.CRC32C(p.body)
			_, err := s.Put(t.Context(), key, p.body, o)
			return err
		},
		"upload": func(key string, o store.PutOptions) error {
			u := create(t, s, key, p.options(o))
			_, err := u.Complete(t.Context(), p.send(t, u, 1, 2), store.CRC32C(p.body))
			return err
		},
	} {
		first := Put(t, s, name, Bytes("first", 100), store.PutOptions{})
		if err := save(name, store.PutOptions{Replaces: first.ETag}); err != nil {
			t.Errorf("%s in the place of what was named: %v", name, err)
		}
		head := MustHold(t, s, name, p.body, store.PutOptions{})
		// What an upload made is named as a listing names it.
		if err := save(name, store.PutOptions{Replaces: head.ETag, Meta: meta()}); err != nil {
			t.Errorf("%s in its own place: %v", name, err)
		}
		third := Bytes("third", 100)
		Put(t, s, name, third, store.PutOptions{})
		if err := save(name, store.PutOptions{Replaces: first.ETag}); !errors.Is(err, store.ErrReplaced) {
			t.Errorf("%s in the place of another: %v, want ErrReplaced", name, err)
		}
		MustHold(t, s, name, third, store.PutOptions{})
		if err := save(name+" none", store.PutOptions{Replaces: first.ETag}); !errors.Is(err, store.ErrReplaced) {
			t.Errorf("%s where nothing is: %v, want ErrReplaced", name, err)
		}
		mustMiss(t, s, name+" none")
	}
	if _, err := s.CreateUpload(t.Context(), "k", p.options(store.PutOptions{Replaces: "x", New: true})); err == nil {
		t.Error("an object is both new and in another's place")
	}
}

// testRace: of uploads of one key, begun by several runs that saw the same, one is completed.
func testRace(t *testing.T, s store.Store) {
	old := Put(t, s, "replaced", Bytes("old", 100), store.PutOptions{})
	for key, tt := range map[string]struct {
		o    store.PutOptions
		lost error
	}{
		"new": {store.PutOptions{New: true}, store.ErrExists}, "replaced": {store.PutOptions{Replaces: old.ETag}, store.ErrReplaced},
	} {
		const runs = 4
		errs, ps := make([]error, runs), make([]parted, runs)
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range runs {
			ps[i] = newParted(string(rune('a'+i)), s, 1, 900+i)
			u := create(t, s, key, ps[i].options(tt.o))
			parts := ps[i].send(t, u, 1)
			wg.Go(func() {
				<-begin
				_, errs[i] = u.Complete(t.Context(), parts, store.CRC32C(ps[i].body))
			})
		}
		close(begin)
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won >= 0:
				t.Errorf("%s: both %d and %d were completed", key, won, i)
			case err == nil:
				won = i
			case !errors.Is(err, tt.lost):
				t.Errorf("%s: %v, want %v", key, err, tt.lost)
			}
		}
		if won < 0 {
			t.Fatalf("%s: none was completed: %v", key, errs)
		}
		MustHold(t, s, key, ps[won].body, store.PutOptions{})
	}
}
