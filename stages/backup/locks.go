package backup

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/recovery"
	"firn/stages/service/report"
	"firn/stages/store"
)

// renewCatalogue keeps the catalogue and the recovery files locked: a run refers to lists of the runs
// before it. It costs a listing, and a request for each lock of which half is over.
func (b *backup) renewCatalogue(ctx context.Context) {
	if b.locks == nil {
		return
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(job.MostLookups)
	renew := func(key string) { group.Go(func() error { return b.locks.Renew(inner, key) }) }
	for _, f := range recovery.Files() {
		renew(key.Prefix(b.Prefix) + f.Name)
	}
	err := b.Store.List(inner, ledger.Dir(b.Prefix), func(o store.Object) error {
		renew(o.Key)
		return nil
	})
	if err = errors.Join(group.Wait(), err); err != nil {
		b.Report.Event(report.Event{Kind: report.NoCatalogue, Err: fmt.Errorf("keeping it locked: %w", err)})
	}
}
