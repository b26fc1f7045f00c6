package job

import (
	"context"
	"hash/maphash"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
)

// Cuts are the keys of archives that runs cut: eight bytes and a map's share for each. A key is taken
// for another of n with a probability of n/2^64.
type Cuts struct {
	ledger *ledger.Ledger
	runs   []catalogue.Run // those that are still to be read, the newest first
	seed   maphash.Seed
	keys   map[uint64]struct{}
	proven bool // only archives with an HMAC count
	closed bool // some can't be read
}

// NewCuts returns the keys of runs, the newest first. They are read when they are needed.
func NewCuts(l *ledger.Ledger, runs []catalogue.Run) *Cuts {
	return &Cuts{ledger: l, runs: runs, seed: maphash.MakeSeed(), keys: map[uint64]struct{}{}}
}

// NewProven is NewCuts for the archives that are listed with an HMAC.
func NewProven(l *ledger.Ledger, runs []catalogue.Run) *Cuts {
	c := NewCuts(l, runs)
	c.proven = true
	return c
}

// Closed reports whether some of what Has has read can't be read.
func (c *Cuts) Closed() bool { return c.closed }

// Has reports whether a run cut an archive. No more runs are read than are needed to tell. Errors:
// those of the store as a whole, or ctx's cause.
func (c *Cuts) Has(ctx context.Context, key string) (bool, error) {
	at := maphash.String(c.seed, key)
	for {
		if _, ok := c.keys[at]; ok || len(c.runs) == 0 {
			return ok, nil
		}
		run := c.runs[0]
		c.runs = c.runs[1:]
		err := c.ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if !c.proven || line.HMAC != "" {
				c.keys[maphash.String(c.seed, line.Key)] = struct{}{}
			}
			return nil
		})
		if err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return false, err
		}
		c.closed = c.closed || err != nil
	}
}
