package browse

import (
	"context"
	"sync"

	"firn/stages/service/ledger"
)

// openPacks is how many packs Entries and Diff keep at a time, each a scratch file of the size of a pack.
const openPacks = 32

// packs keeps packs that will be asked for again. Those not in use are let go of when there are more than openPacks, the
// longest unused first.
type packs struct {
	ledger *ledger.Ledger

	mu    sync.Mutex
	known map[string]*kept
	order []string // the longest unused first
}

type kept struct {
	pack  *ledger.Pack
	err   error // why it can't be had
	users int
}

func newPacks(l *ledger.Ledger) *packs { return &packs{ledger: l, known: map[string]*kept{}} }

// get returns a pack, to be given back with put. What could not be had is not asked for again.
func (p *packs) get(ctx context.Context, key string) (*ledger.Pack, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.known[key]
	if k == nil {
		p.makeRoom()
		k = &kept{}
		if k.pack, k.err = p.ledger.Pack(ctx, key); k.err != nil && stops(ctx, k.err) {
			return nil, reason(ctx, k.err)
		}
		p.known[key] = k
	}
	if k.err != nil {
		return nil, k.err
	}
	k.users++
	p.touch(key)
	return k.pack, nil
}

func (p *packs) put(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[key].users--
}

func (p *packs) touch(key string) {
	for i, o := range p.order {
		if o == key {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
	p.order = append(p.order, key)
}

func (p *packs) makeRoom() {
	for i := 0; len(p.order) >= openPacks && i < len(p.order); {
		key := p.order[i]
		if p.known[key].users > 0 {
			i++
			continue
		}
		p.known[key].pack.Close()
		delete(p.known, key)
		p.order = append(p.order[:i], p.order[i+1:]...)
	}
}

// close lets go of all packs; none may be in use.
func (p *packs) close() {
	for _, key := range p.order {
		p.known[key].pack.Close()
	}
}
