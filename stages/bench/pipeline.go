package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/sample"
)

// leastBackup is the least time for backups: one of a small tree ends in it on a busy machine.
const leastBackup = 4 * time.Second

// backup runs whole backups of the tree, or one for as long as there is time.
func (b *bench) backup(ctx context.Context) error {
	if b.Backup == nil {
		return nil
	}
	slot := max(b.share(backupShare), leastBackup)
	var runs []*Pipeline
	for start := time.Now(); len(runs) == 0 || len(runs) < passes && time.Since(start) < slot/2; {
		p, err := b.rehearse(ctx, slot-time.Since(start))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			b.missing("backup", err)
			return nil
		}
		if p.Bytes == 0 {
			b.missing("backup", errNothing)
			return nil
		}
		if runs = append(runs, p); !p.Whole {
			break
		}
	}
	last := runs[len(runs)-1]
	if len(runs) > 1 && last.Whole { // each whole run is one measurement
		var rates, cpu []float64
		for _, p := range runs {
			rates, cpu = append(rates, p.Rate.Value), append(cpu, p.CPU)
		}
		last.Rate, last.CPU = sample.Spread(rates), sample.Spread(cpu).Value
	}
	b.result.Backup = last
	return nil
}

// rehearse runs one backup for a while.
func (b *bench) rehearse(ctx context.Context, slot time.Duration) (_ *Pipeline, err error) {
	r, err := b.Backup(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	stop := time.AfterFunc(slot, r.Stop)
	defer stop.Stop()
	cpu := sample.CPU()
	var mu sync.Mutex
	var start, last report.Progress // after a sixth of the time, and at the end
	w := watching(func() int64 {
		p := r.Progress()
		mu.Lock()
		defer mu.Unlock()
		last = p
		return stage(p, report.StageCompress).BytesIn
	})
	early := time.AfterFunc(slot/windows, func() {
		p := r.Progress()
		mu.Lock()
		defer mu.Unlock()
		start = p
	})
	err = r.Wait()
	early.Stop()
	w.stop()
	took := w.elapsed()
	if err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	c := stage(last, report.StageCompress)
	p := &Pipeline{Bytes: c.BytesIn, Whole: took < slot, Seconds: took.Seconds()}
	if c.BytesIn == 0 {
		return p, nil
	}
	p.CPU = (sample.CPU() - cpu).Seconds() / float64(c.BytesIn)
	if c.BytesOut > 0 {
		p.Ratio = float64(c.BytesIn) / float64(c.BytesOut)
	}
	if p.Whole {
		rate := float64(c.BytesIn) / took.Seconds()
		p.Rate = sample.Spread([]float64{rate})
		start = report.Progress{}
	} else {
		p.Rate = w.steady()
	}
	for _, s := range last.Stages {
		before := stage(start, s.Stage)
		p.Stages = append(p.Stages, Busy{s.Stage, s.Workers, s.BusyShare(before)})
	}
	p.Limit = limitOf(last, start)
	return p, nil
}

// limitOf is the stage that was busiest between two moments.
func limitOf(now, before report.Progress) (name string) {
	most := 0.0
	for _, s := range now.Stages {
		if share := s.BusyShare(stage(before, s.Stage)); share > most {
			name, most = s.Stage, share
		}
	}
	return name
}

func stage(p report.Progress, name string) (c pipeline.Counters) {
	if i := slices.IndexFunc(p.Stages, func(c pipeline.Counters) bool { return c.Stage == name }); i >= 0 {
		c = p.Stages[i]
	}
	return c
}
