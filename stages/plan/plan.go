// Package plan says what a backup of a tree would come to at every depth, and which to choose. It
// walks the tree once and reads no file, unless a sample is asked for. A store need not be there; if
// there is one, it is listed.
package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firn/stages/format/prices"
	"firn/stages/job"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/index"
)

// Deepest is the largest depth that is looked at.
const Deepest = 6

// Options say what to plan. A field without a stated default must be set.
type Options struct {
	Path   string
	Walk   walk.Options // Prefix and Ext are those of the keys; Run sets Excluded
	Class  string
	Prices *prices.Table
	Assume forecast.Assume // Run sets KeySpaces
	Given  bool            // see forecast.Report
	Store  store.Store     // nil: none is asked
	Sampling

	// Fault is told of what could not be read; nil is allowed. What vanished is counted.
	Fault func(path string, err error)
}

// Run plans. Errors: those of the backup path, of the store, *prices.MissingError, and ctx's cause.
func Run(ctx context.Context, o Options) (*forecast.Report, error) {
	p := &plan{Options: o, report: &forecast.Report{Path: o.Path, Class: o.Class, Prices: o.Prices, Given: o.Given}}
	p.Walk.Excluded = p.tally.Add
	var err error
	if p.tree, err = walk.Open(o.Path, p.Walk); err != nil {
		return nil, err
	}
	err = p.flow(ctx)
	return p.report, errors.Join(err, p.tree.Close())
}

// flow is the plan.
func (p *plan) flow(ctx context.Context) error {
	p.begin()                           // sums for each depth
	if err := p.list(ctx); err != nil { // what the store holds, and when it was stored
		return err
	}
	if err := p.survey(ctx); err != nil { // one walk: sizes, days, faults, what is left out
		return err
	}
	if err := p.sample(ctx); err != nil { // ratios and rates, measured on a share of the tree
		return err
	}
	return p.report.Price() // dollars and hours, and which depth
}

type plan struct {
	Options
	tree   *walk.Tree
	report *forecast.Report
	tally  forecast.Tally
	stored *index.Index[int64] // key → when it was stored, in nanoseconds; nil if no store is asked
}

func (p *plan) begin() {
	p.Assume.KeySpaces = len(p.tree.KeySpace())
	p.report.Assume = &p.Assume
	for depth := range Deepest + 1 {
		p.report.Depths = append(p.report.Depths, forecast.NewDepth(depth, &p.Assume))
	}
}

// list lists the archives in the store, if there is one.
func (p *plan) list(ctx context.Context) error {
	if p.Store == nil {
		return nil
	}
	b := &forecast.Bucket{URL: p.Store.URL()}
	p.report.Bucket, p.stored = b, index.New[int64]()
	for _, prefix := range p.tree.KeySpace() {
		err := p.Store.List(ctx, prefix, func(o store.Object) error {
			if job.IsArchive(o.Key) {
				p.stored.Add(o.Key, o.Modified.UnixNano())
				b.Archives++
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("listing what is stored: %w", err)
		}
	}
	p.stored.Sort()
	b.Versions, b.Unknown = p.Store.KeepsVersions(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (p *plan) survey(ctx context.Context) error {
	err := p.tree.Survey(ctx, Deepest, p.add, p.fault, p.report.Left)
	p.report.Excluded, p.report.Idle = p.tally.Excluded(p.Walk.Exclude), p.Walk.Exclude.Idle()
	return err
}

func (p *plan) add(s walk.Piece) {
	a := forecast.Archive{Sum: s.Sum, Path: s.Path, Shell: s.Shell, Socket: s.Socket}
	if p.stored != nil {
		a.What = p.what(s)
	}
	p.report.Depths[s.Depth].Add(&a)
}

// what is what becomes of a piece, as far as times tell it: a time of modification is set by programs,
// too, and what has only another owner or mode shows nowhere.
func (p *plan) what(s walk.Piece) forecast.What {
	saved := p.stored.Find(p.tree.KeyOf(s))
	switch {
	case saved == nil:
		return forecast.New
	case s.Newest.After(time.Unix(0, *saved)):
		return forecast.Changed
	}
	return forecast.Unchanged
}

func (p *plan) fault(path string, err error) {
	if p.report.Fault(err) && p.Fault != nil {
		p.Fault(path, err)
	}
}
