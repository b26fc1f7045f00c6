package backup

import (
	"fmt"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// addList adds the list of s to a pack of the run that its line is for. The place is zero if there is
// none.
func (a *answers) addList(s *subtree, md5 string) catalogue.Place {
	place, err := a.backup.addList(s, md5, func(list content) (catalogue.Place, error) { return a.packs(s).AddList(a.ctx, list) })
	if err != nil {
		a.noList(s, err)
		return catalogue.Place{}
	}
	return place
}

// noList reports that a list is in no pack.
func (a *answers) noList(s *subtree, err error) {
	switch {
	case a.ctx.Err() != nil:
	case pipeline.IsFatal(err):
		a.Run.Fail(err)
	default:
		a.tell(s, report.Event{Kind: report.NoCatalogue, Path: s.String(), Key: s.Key, Err: err})
	}
}

// packs returns what is written for the run of s.
func (a *answers) packs(s *subtree) *ledger.Packs {
	a.mu.Lock()
	defer a.mu.Unlock()
	run := s.hand.order.Run
	if p := a.writing[run]; p != nil {
		return p
	}
	var p *ledger.Packs
	p = a.Ledger.BeginPacks(run, fmt.Sprint(a.by, len(a.sealed), "w"), a.volume, func(pack string, err error) { a.sealing(run, p, pack, err) })
	a.writing[run] = p
	return p
}

// sealing notes that a pack is stored, or was not, and answers for what waited for it. Packs of which
// one was not stored take no more.
func (a *answers) sealing(run string, p *ledger.Packs, pack string, err error) {
	a.mu.Lock()
	a.sealed[pack] = err
	waiting := a.waiting[pack]
	delete(a.waiting, pack)
	if err != nil && a.writing[run] == p {
		delete(a.writing, run)
		a.sending.Go(func() {
			_ = p.Seal(a.ctx) // who waits for another pack is told
			p.Discard()
		})
	}
	a.mu.Unlock()
	if err != nil && (pipeline.IsFatal(err) || a.ctx.Err() != nil) {
		a.Run.Fail(err) // close hands back what waits
		return
	}
	for _, s := range waiting {
		if err != nil {
			a.noList(s, err)
		}
		a.mu.Lock()
		a.sendAnswer(s, err)
		a.mu.Unlock()
	}
}

// schedule sets when the packs are sealed. The caller holds mu.
func (a *answers) schedule() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if len(a.waiting) == 0 || a.closed {
		return
	}
	wait := time.Until(a.since.Add(sealAfter))
	if a.busy == 0 {
		wait = min(wait, sealIdle)
	}
	a.timer = time.AfterFunc(wait, a.due)
}

// due seals the packs.
func (a *answers) due() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.since = time.Now()
	for _, p := range a.writing {
		a.sending.Go(func() { _ = p.Seal(a.ctx) }) // who waits for it is told
	}
}
