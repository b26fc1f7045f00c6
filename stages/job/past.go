package job

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// A Past tells which run listed a content of an archive last: some forty bytes for each content and
// each key in the runs that it has read. One content is taken for another of n with a probability of
// n/2^64. It is for many goroutines.
type Past struct {
	ledger *ledger.Ledger
	runs   []catalogue.Run // the oldest first
	lost   []lostRun

	mu   sync.Mutex
	seed maphash.Seed
	last map[uint64]int32  // places in runs
	part map[uint64]string // of the contents that are partial, the runs that have more
	left int               // of the first runs, which are still to be read
	gap  error
}

// A lostRun is one that a later run of its backup path names, and that is not among the runs.
type lostRun struct{ path, id string }

// NewPast returns the past of runs, the oldest first. They are read when they are needed.
func NewPast(l *ledger.Ledger, runs []catalogue.Run) *Past {
	return &Past{ledger: l, runs: runs, lost: lostRuns(runs), seed: maphash.MakeSeed(), last: map[uint64]int32{}, part: map[uint64]string{}, left: len(runs)}
}

// lostRuns finds the runs that are gone, were replaced or can't be read. Where the oldest runs of a
// path went before, by their age, that is no sign of one.
func lostRuns(runs []catalogue.Run) (lost []lostRun) {
	for _, b := range ledger.Breaks(runs, nil) { // without faults, one that can't be read counts as gone
		if b.Kind == ledger.Forked || b.Moved {
			continue
		}
		if path, err := catalogue.Unescape(b.Path); err == nil {
			lost = append(lost, lostRun{path, b.Run})
		}
	}
	return lost
}

// Lost returns the id of a run that may have listed what is saved at a path, and is gone, was replaced
// or can't be read, as later runs show; "" if none is known.
func (p *Past) Lost(path string) string {
	for _, lost := range slices.Backward(p.lost) {
		if treepath.Within(lost.path, path) {
			return lost.id
		}
	}
	return ""
}

// IsBefore reports whether the run at a place was made before another one. Of two that ran at the same
// time, which gives both one number, neither was.
func (p *Past) IsBefore(at int, id string) bool {
	other := slices.IndexFunc(p.runs, func(run catalogue.Run) bool { return run.ID == id })
	return at < other && (p.runs[at].Number == 0 || p.runs[at].Number < p.runs[other].Number)
}

// Run is the id of the run at a place.
func (p *Past) Run(at int) string { return p.runs[at].ID }

// content stands for what an object with a key holds: by its HMAC, or by its ETag if it has none.
func (p *Past) content(key string, r record.Record) uint64 {
	if r.HasProof() {
		return maphash.Comparable(p.seed, [2]string{key, r.HMAC})
	}
	return maphash.Comparable(p.seed, [2]string{key, r.ETag})
}

// any stands for whatever an object with a key holds.
func (p *Past) any(key string) uint64 { return maphash.Comparable(p.seed, [2]string{key}) }

// Superseded returns the newest run that lists, under a key, the content that a record describes, and
// a newer run that lists another content there; both are "" if there is none. Errors: those of Last.
func (p *Past) Superseded(ctx context.Context, key string, r record.Record) (older, newer string, err error) {
	by, err := p.Last(ctx, key, r)
	if err != nil || by < 0 {
		return "", "", err
	}
	p.mu.Lock()
	at := int(p.last[p.any(key)]) // no older than by, up to which all runs are read
	p.mu.Unlock()
	if newer = p.Run(at); !p.IsBefore(by, newer) {
		return "", "", nil
	}
	return p.Run(by), newer, nil
}

// Last returns the place of the newest run that lists, under a key, the content that a record
// describes; -1 if none does. No more runs are read than are needed to tell. Errors: those of the
// store as a whole, or ctx's cause; see Gap for those of single runs.
func (p *Past) Last(ctx context.Context, key string, r record.Record) (int, error) {
	if !r.HasProof() && r.ETag == "" {
		return -1, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := p.content(key, r)
	for {
		if at, ok := p.last[wanted]; ok {
			return int(at), nil
		}
		if p.left == 0 {
			return -1, nil
		}
		p.left--
		if err := p.read(ctx, p.left); err != nil {
			return -1, err
		}
	}
}

func (p *Past) read(ctx context.Context, at int) error {
	for i := range p.runs[at].Manifest {
		err := p.ledger.Volume(ctx, p.runs[at], i, func(line catalogue.Subtree) error {
			if line.HasObject() {
				content := p.content(line.Key, line.Record())
				if _, newer := p.last[content]; !newer && line.Partial {
					p.part[content] = line.Better
				}
				for _, c := range []uint64{content, p.any(line.Key)} {
					if _, newer := p.last[c]; !newer {
						p.last[c] = int32(at)
					}
				}
			}
			return nil
		})
		if err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil && p.gap == nil {
			p.gap = err
		}
	}
	return nil
}

// Partial reports whether the archive that Last found lacks what could not be read, and which run has
// some of that; "" if none is known.
func (p *Past) Partial(key string, r record.Record) (partial bool, better string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	better, partial = p.part[p.content(key, r)]
	return partial, better
}

// Gap is why a run that Last was to read can't be read: it may list what Last did not find.
func (p *Past) Gap() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gap
}
