package backup

import (
	"fmt"
	"sync/atomic"

	"firn/stages/service/report"
	"firn/stages/stage/check"
)

// An origin is who made an object that has the key of an archive, if it was not a run with this key file.
type origin int

const (
	ofThisKey origin = iota // or there is no object
	ofOtherKey
	ofScript // it has an MD5 alone
	ofOther  // its metadata are not those of an archive
	origins
)

func originOf(k *check.Known) origin {
	switch {
	case k.Err != nil || !k.Stored:
	case k.Record.KeyID != "" && !k.Ours:
		return ofOtherKey
	case k.Recorded || k.Replaced || k.Record.Format > 0:
	case k.Record.MD5 != "":
		return ofScript
	default:
		return ofOther
	}
	return ofThisKey
}

// strangers counts objects of other origins; told are those of the announcement.
type strangers [origins]struct{ found, told atomic.Int64 }

// announce warns of objects of other origins among the subtrees of a batch before the first of them is
// replaced: once for each origin, with an example, and how many are known until then.
func (b *backup) announce(batch []*subtree) {
	var examples [origins]*subtree
	for _, s := range batch {
		o := originOf(&s.known)
		if o == ofThisKey || o == ofOtherKey && b.options.Rekey {
			continue
		}
		if b.strangers[o].found.Add(1); examples[o] == nil {
			examples[o] = s
		}
	}
	for o, s := range examples {
		if n := b.strangers[o].found.Load(); s != nil && b.strangers[o].told.CompareAndSwap(0, n) {
			b.Report.Event(b.stranger(origin(o), s.Key, n))
		}
	}
}

// stranger is the warning of an object of another origin, one of n that are known.
func (b *backup) stranger(o origin, key string, n int64) report.Event {
	e := report.Event{Kind: report.Warning, Key: key, Problem: report.ProblemOtherOrigin}
	switch o {
	case ofOtherKey:
		e.Problem = report.ProblemOtherKey
		e.Text = "it was made with another key file, and other archives may be too: they are stored again with this key file"
	case ofScript:
		e.Text = "its metadata have only an MD5, as those of the old script, and others may be like it: they are replaced unless they hold what is to be saved"
	case ofOther:
		e.Text = "it is not an archive that firn made, and other objects may be like it: archives take their place"
	}
	e.Text += fmt.Sprintf(" (found until now: %d)", n)
	return e
}

// countStrangers says at the end how many objects of other origins there were, if more were found after the
// announcement.
func (b *backup) countStrangers() {
	for o := range b.strangers {
		n := b.strangers[o].found.Load()
		if n == b.strangers[o].told.Load() {
			continue
		}
		what := [origins]string{ofOtherKey: "archives of another key file", ofScript: "objects with only an MD5, as those of the old script", ofOther: "objects that firn did not make"}[o]
		b.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("in all, this run found %s under the keys of its archives: %d", what, n)})
	}
}
