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
	"firn/stages/prove"
	"firn/stages/service/report"
	"firn/stages/store"
)

// losses are the damaged archives, for which other versions are looked up at the end.
type losses struct {
	mu     sync.Mutex
	byPath map[string][]loss
	count  int
	left   int64 // had no room
}

// maxLosses bounds the losses that are kept, some 300 bytes each.
const maxLosses = 100_000

// A loss is a damaged archive.
type loss struct {
	key, version, etag string
	entries, bytes     int64
	shell, unfinished  bool
}

func (l *losses) add(a *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == maxLosses {
		l.left++
		return
	}
	l.count++
	s := &a.Line
	l.byPath[s.Path] = append(l.byPath[s.Path], loss{s.Key, s.Version, s.ETag, s.Entries, s.Bytes, s.Shell, a.unfinished})
}

// findOlder reports for each damaged archive the newest run with another version that the store
// still has, or what is lost.
func (v *verify) findOlder(ctx context.Context) error {
	damaged := v.losses.byPath
	for _, run := range slices.Backward(v.runs.all) {
		if len(damaged) == 0 {
			break
		}
		err := v.eachSubtree(ctx, run, func(s catalogue.Subtree) error {
			lost := damaged[s.Path]
			if lost == nil || !s.HasObject() || slices.ContainsFunc(lost, func(x loss) bool { return x.is(&s) }) {
				return nil
			}
			ok, err := v.present(ctx, &s)
			if ok {
				delete(damaged, s.Path)
				v.Report.Event(report.Event{
					Kind: report.Older, Path: s.Path, Key: s.Key, Run: run.ID, Stored: s.ObjectSize, Source: s.Bytes,
					Text: "the store has the version of this run",
				})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for path, lost := range damaged {
		e := report.Event{Kind: report.Lost, Path: path, Key: lost[0].key, Source: lost[0].bytes, Text: lost[0].text()}
		if lost[0].unfinished {
			e.Problem = report.ProblemUnfinishedRun
		}
		v.Report.Event(e)
	}
	if v.losses.left > 0 {
		v.Report.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("too many archives are damaged: older versions were not looked up for %d of them", v.losses.left)})
	}
	return nil
}

// is reports whether a line names the damaged object itself.
func (x loss) is(s *catalogue.Subtree) bool {
	return s.Key == x.key && s.Version == x.version && (s.ETag == x.etag || s.Version == "")
}

// text names what is lost.
func (x loss) text() string {
	what := "everything below it"
	if x.shell {
		what = "the directory itself and the plain files in it"
	}
	if x.entries > 0 {
		what += fmt.Sprintf(" (entries: %d; bytes of files: %d)", x.entries, x.bytes)
	}
	if x.unfinished {
		what += ", unless a run that was killed, or is under way, stored it again"
	}
	return what
}

// present reports whether the store has the object of a line, whole: runs also list what was cut
// short before they began.
func (v *verify) present(ctx context.Context, s *catalogue.Subtree) (bool, error) {
	o, standsIn, err := prove.Head(ctx, v.Store, s)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)):
		return false, err
	case err != nil:
		return false, nil
	}
	own, err := record.FromMeta(o.Meta)
	return err == nil && o.Size == s.ObjectSize && own.FitsObject(o.Size) && (standsIn || s.ETag == "" || o.ETag == s.ETag) && differs(s.Record(), own) == "", nil
}
