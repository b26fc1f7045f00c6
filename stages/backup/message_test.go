package backup

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
)

// TestAnswersHaveBounds: of faults that have no room in a message, each is counted; and nothing is read
// that makes no sense.
func TestAnswersHaveBounds(t *testing.T) {
	sum := hex.EncodeToString(bytes.Repeat([]byte{1}, 32))
	entry := state.Entry{Record: record.Record{Format: record.Format, MD5: sum[:32], HMAC: sum, ETag: "e", ObjectSize: 5}}
	for _, n := range []int{0, 1, 3, 10_000} {
		a := answer{Outcome: wasSaved, Entry: entry.Bytes(), Entries: 7}
		for i := range n {
			var noise [500]byte // does not compress
			_, _ = rand.Read(noise[:])
			kind := []archive.Kind{archive.Unreadable, archive.Changed, archive.Skipped}[i%3]
			a.Faults = append(a.Faults, faultSaid{Path: noise[:], What: string(kind), Why: []byte("why\xff")})
			a.Events = append(a.Events, eventSaid{Kind: report.Warning, Path: noise[:]})
		}
		body, err := a.message()
		if err != nil || len(body) > mostSaid {
			t.Fatal(len(body), err)
		}
		got, is, err := readAnswer(body)
		if err != nil || is != entry || got.Entries != 7 {
			t.Fatalf("%+v %+v %v", got, is, err)
		}
		if all := int64(len(got.Faults)) + got.More.Entries + got.More.Changed + got.More.Skipped; all != int64(n) || n <= 3 && len(got.Faults) != n {
			t.Errorf("%d faults of %d, and %+v", len(got.Faults), n, got.More)
		}
	}
	for name, change := range map[string]func(*answer){
		"no outcome":         func(a *answer) { a.Outcome = "" },
		"other outcome":      func(a *answer) { a.Outcome = "done" },
		"no object":          func(a *answer) { a.Entry = nil },
		"damaged object":     func(a *answer) { a.Entry = a.Entry[1:] },
		"fewer than none":    func(a *answer) { a.Stored = -1 },
		"counts":             func(a *answer) { a.Counts.Spared = -1 },
		"event of an end":    func(a *answer) { a.Events = []eventSaid{{Kind: report.Saved}} },
		"fault of some kind": func(a *answer) { a.Faults = []faultSaid{{What: "some"}} },
	} {
		a := answer{Outcome: wasSaved, Entry: entry.Bytes()}
		change(&a)
		body, err := a.message()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readAnswer(body); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	fmt.Fprintf(zip, `{"outcome":"left out","why":"`)
	for range mostUnsaid / 1000 {
		_, _ = zip.Write(bytes.Repeat([]byte{'A'}, 1100))
	}
	fmt.Fprintf(zip, `"}`)
	_ = zip.Close()
	if _, _, err := readAnswer(bomb.Bytes()); err == nil || bomb.Len() > mostSaid {
		t.Errorf("%d bytes that become many were read: %v", bomb.Len(), err)
	}
}

// TestStoredByAnother: an answer that found what an answer before it stored, and what that one proves.
func TestStoredByAnother(t *testing.T) {
	sum := func(b byte) string { return hex.EncodeToString(bytes.Repeat([]byte{b}, 32)) }
	stored := state.Entry{Record: record.Record{Format: record.Format, MD5: sum(1)[:32], TarSHA256: sum(2), HMAC: sum(3), KeyID: "key", ETag: "e", ObjectSize: 5}}
	for name, tt := range map[string]struct {
		change func(first *answer, own, found *state.Entry)
		saved  bool
	}{
		"the same":          {func(*answer, *state.Entry, *state.Entry) {}, true},
		"another object":    {func(_ *answer, _, found *state.Entry) { found.Record.ETag = "f" }, false},
		"another content":   {func(_ *answer, _, found *state.Entry) { found.Record.MD5, found.Record.TarSHA256 = sum(4)[:32], sum(4) }, false},
		"another key":       {func(_ *answer, own, _ *state.Entry) { own.Record.KeyID = "other" }, false},
		"it found it, too":  {func(first *answer, _, _ *state.Entry) { first.Outcome = wasIdentical }, false},
		"it says of none":   {func(_ *answer, own, _ *state.Entry) { *own = state.Entry{} }, false},
		"it was put beside": {func(_ *answer, _, found *state.Entry) { found.Record.ObjectSize = 6 }, false},
	} {
		first, own, found := answer{Outcome: wasSaved, Stored: 5, Uploaded: "u"}, stored, stored
		found.Adopted, found.Partial, found.Record.HMAC = true, true, sum(9)
		tt.change(&first, &own, &found)
		first.Entry = own.Bytes()
		a, was := answer{Outcome: wasIdentical}, found
		a.storedBy(&first, &found)
		switch {
		case !tt.saved && (a.Outcome != wasIdentical || a.Stored != 0 || found != was):
			t.Errorf("%s: %+v %+v", name, a, found)
		case tt.saved && (a.Outcome != wasSaved || a.Stored != 5 || a.Uploaded != "u" || found.Adopted || !found.Partial || found.Record != stored.Record):
			t.Errorf("%s: %+v %+v", name, a, found)
		}
	}
}
