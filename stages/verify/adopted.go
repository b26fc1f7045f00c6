package verify

import (
	"fmt"

	"firn/stages/service/report"
)

// adopted counts an archive whose run took it over by its metadata, unless it was read now: then the
// state file is told, so that the next backup knows it as proven.
func (v *verify) adopted(a *item, read bool) {
	if !a.Line.Adopted || a.run == "" {
		return
	}
	if !read || a.Record.HMAC == "" {
		v.Totals.Adopted.Add(1)
		return
	}
	if v.options.State == nil {
		return
	}
	entry, ok := v.options.State.Get(v.Store.URL(), a.Line.Key)
	if !ok || !entry.Adopted || !entry.Same(a.Object.Describe(a.Record)) || entry.Record.HMAC != a.Record.HMAC {
		return
	}
	entry.Adopted = false
	if err := v.options.State.Put(v.Store.URL(), a.Line.Key, entry); err != nil {
		v.Report.Event(report.Event{Kind: report.Warning, Problem: report.ProblemState, Key: a.Line.Key, Text: "the next backup will show it as adopted again", Err: err})
	}
}

// tellAdopted reports how many archives are not proven until they are read.
func (v *verify) tellAdopted() {
	if n := v.Totals.Adopted.Load(); n > 0 {
		v.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("archives that a backup adopted by their metadata, because it knew nothing else of them: %d; their content is not proven until it is read", n)})
	}
}
