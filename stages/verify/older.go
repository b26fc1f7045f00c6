package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/store"
)

// harmed keeps what is damaged, to look for what stands in for it.
type harmed struct {
	mu     sync.Mutex
	byPath map[string][]victim
	count  int
	left   int64 // damaged archives for which there was no room

	laterOnce sync.Once
	later     map[[2]uint64]int // by key and tag: the run that tells of the object last, by its place among all
	laterErr  error
}

// mostHarmed bounds the damaged archives for which others are looked for, some
// 300 bytes each.
const mostHarmed = 100_000

// A victim is a damaged archive.
type victim struct {
	key, version, etag string
	entries, bytes     int64
	shell, unfinished  bool
}

func (h *harmed) add(a *examined) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byPath == nil {
		h.byPath = map[string][]victim{}
	}
	s := &a.Line
	if h.count == mostHarmed {
		h.left++
		return
	}
	h.count++
	h.byPath[s.Path] = append(h.byPath[s.Path], victim{s.Key, s.Version, s.ETag, s.Entries, s.Bytes, s.Shell, a.unfinished})
}

// standIns says of each damaged archive which run knows of another version
// that the store still holds, the newest first, or what is lost with it.
func (v *verify) standIns(ctx context.Context) error {
	h := &v.harmed
	for i := len(v.runs.all) - 1; i >= 0 && len(h.byPath) > 0; i-- {
		run := v.runs.all[i]
		err := v.eachSubtree(ctx, run, func(s catalogue.Subtree) error {
			found := h.byPath[s.Path]
			if found == nil || !s.HasObject() || slices.ContainsFunc(found, func(x victim) bool { return x.is(&s) }) {
				return nil
			}
			ok, err := v.stands(ctx, &s)
			if ok {
				delete(h.byPath, s.Path)
				v.Report.Event(report.Event{
					Kind: report.Older, Path: s.Path, Key: s.Key, Run: run.ID, Stored: s.ObjectSize, Source: s.Bytes,
					Text: "the store holds the version that this run tells of",
				})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for path, lost := range h.byPath {
		v.Report.Event(report.Event{Kind: report.Lost, Path: path, Key: lost[0].key, Source: lost[0].bytes, Text: lost[0].text()})
	}
	if h.left > 0 {
		v.Report.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("too much is damaged: whether older versions are intact was not looked up for %d more archives", h.left)})
	}
	return nil
}

// is tells whether a run's line tells of the damaged object itself.
func (x victim) is(s *catalogue.Subtree) bool {
	return s.Key == x.key && s.Version == x.version && (s.ETag == x.etag || s.Version == "")
}

// text says what is lost with a damaged archive.
func (x victim) text() string {
	what := "all that was saved below it"
	if x.shell {
		what = "the directory's own entry and the plain files in it"
	}
	if x.entries > 0 {
		what += fmt.Sprintf(" (entries: %d; bytes of files: %d)", x.entries, x.bytes)
	}
	if x.unfinished {
		what += ", if it was not stored again by a run that was killed, or is under way: the next backup tells, and so does --read-data where it can be read"
	}
	return what
}

// stands tells whether the store holds an object as its run says.
func (v *verify) stands(ctx context.Context, s *catalogue.Subtree) (bool, error) {
	o, err := v.Store.Head(ctx, s.Key, s.Version)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) || ctx.Err() == nil && !pipeline.IsFatal(err) {
			err = nil
		}
		return false, err
	}
	kept, err := record.FromMeta(o.Meta)
	return err == nil && o.Size == s.ObjectSize && (s.ETag == "" || o.ETag == s.ETag) && differs(s.Record(), kept) == "", nil
}
