package ledger

import (
	"context"
	"fmt"
	"slices"

	"firn/stages/format/catalogue"
)

// Packs writes lists of a run into packs, in a process that does not write its manifest: that of another
// one names the packs, by Writer.Refer. Its methods may be called from many goroutines.
type Packs struct{ w *Writer }

// BeginPacks begins packs of a run. by names this process, and no other one of the run: it has no "-".
// A pack is stored when it has limit bytes; sealed is told of each pack that is stored, or that was not.
func (l *Ledger) BeginPacks(id, by string, limit int64, sealed func(pack string, err error)) *Packs {
	return &Packs{&Writer{l: l, id: id, by: by, limit: limit, sealed: sealed}}
}

// AddList is Writer.AddList, but the place is valid once its pack is sealed.
func (p *Packs) AddList(ctx context.Context, list content) (catalogue.Place, error) {
	return p.w.AddList(ctx, list)
}

// Seal stores the pack that is being filled, if there is one.
func (p *Packs) Seal(ctx context.Context) error {
	w := p.w
	w.mu.Lock()
	full := w.pack
	w.pack = nil
	if w.err != nil {
		defer w.mu.Unlock()
		if full != nil {
			full.Close()
			w.sealed(full.key, w.err)
		}
		return w.err
	}
	return w.unlock(ctx, full, nil)
}

// Discard ends the packs: it removes the scratch file. What it held is not stored.
func (p *Packs) Discard() { p.w.Discard() }

// Refer names a pack that another process wrote for this run, and sealed.
func (w *Writer) Refer(pack string) error {
	if !w.l.Has(pack) || !IsPack(pack) || RunOf(pack) != w.id {
		return fmt.Errorf("%s is no pack of run %s", pack, w.id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.packs, pack) {
		w.packs = append(w.packs, pack)
	}
	return nil
}
