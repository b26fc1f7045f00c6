package main

import (
	"fmt"
	"sync"

	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/format/prices"
	"firn/stages/service/report"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// A dryRun adds up what a dry run sees, for the report of firn plan.
type dryRun struct {
	flags  *backupFlags
	tally  forecast.Tally
	assume forecast.Assume
	walk   walk.Options
	store  store.Store

	mu    sync.Mutex // guards what follows
	depth *forecast.Depth
}

func newDryRun(b *backupFlags) *dryRun {
	d := &dryRun{flags: b}
	if b.dryRun {
		a := &assumedFlags{}
		_ = a.Validate(nil) // what is not given is always right
		d.assume = a.assume(b)
		d.depth = forecast.NewDepth(b.tree.depth, &d.assume)
	}
	return d
}

// watch makes the walk tell what it leaves out.
func (d *dryRun) watch(m *means, w *walk.Options) {
	if d.depth != nil {
		d.store, w.Excluded, w.Estimate = m.Store, d.tally.Add, true
		d.walk = *w
	}
}

// foresee is told of each archive; nil if the run is none.
func (d *dryRun) foresee() func(forecast.Archive) {
	if d.depth == nil {
		return nil
	}
	return func(a forecast.Archive) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.depth.Add(&a)
	}
}

// print prints the report.
func (d *dryRun) print(p *program) error {
	b := d.flags
	out := show.New(show.Options{JSON: b.output.JSON, Width: ui.Width(p.stdout), Stdout: p.stdout, Stderr: p.stderr})
	r := &forecast.Report{
		Path: b.tree.path, Class: b.remote.class, Prices: prices.Default(), Assume: &d.assume, Depths: []*forecast.Depth{d.depth},
		Excluded: d.tally.Excluded(d.walk.Exclude), Idle: d.walk.Exclude.Idle(), Bucket: &forecast.Bucket{URL: d.store.URL(), Exact: true},
	}
	tree, err := walk.Open(b.tree.path, walk.Options{Prefix: b.store.Prefix, Ext: "tar." + b.archive.format.Ext()})
	if err == nil {
		d.assume.KeySpaces = len(tree.KeySpace())
		err = tree.Close()
	}
	if err != nil {
		return err
	}
	r.Bucket.Versions, r.Bucket.Unknown = d.store.KeepsVersions(p.signals.ctx)
	if err := r.Price(); err != nil {
		out.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("the prices of %s: %s", r.Prices.Region, ui.JoinHint(ui.Message(err), hint(err)))})
		return out.Flush()
	}
	out.Plan(r, nil)
	return out.Flush()
}
