package verify

import (
	"errors"
	"fmt"

	"firn/stages/service/report"
)

// remember tells the state file of an archive that was read now, and that its run took over by its
// metadata: the next backup knows it as proven.
func (v *verify) remember(a *item) {
	if !a.Line.Adopted || a.run == "" || !a.proven || v.options.State == nil {
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

// errNothingProven: what an archive says of itself is all that was compared.
var errNothingProven = errors.New("there is none, and no content was read: nothing is proven, for only their own metadata vouch for the archives")

// tellAdopted reports how many archives are not proven until they are read.
func (v *verify) tellAdopted() {
	n := v.Totals.Adopted.Load()
	switch {
	case n == 0:
	case len(v.runs.all) == 0 && v.Totals.Checks.Read.Load() == 0:
		v.Report.Event(report.Event{Kind: report.NoCatalogue, Problem: report.ProblemNoCatalogue, Err: errNothingProven})
	default:
		v.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("archives for which only their own metadata vouch: %d; their content is not proven until it is read", n)})
	}
}
