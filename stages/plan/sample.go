package plan

import (
	"context"
	"time"

	"firn/stages/format/codec"
	"firn/stages/stage/forecast"
	"firn/stages/stage/sample"
)

const (
	leastPieces = 6                // that tell a spread
	mostPieces  = 64               // 256 MiB: more tell little more
	batch       = 8                // pieces that are in memory at once
	mostTime    = 20 * time.Second // of a processor, for one algorithm, if it has leastPieces
)

// A Sampling says what of the tree is read, and what is tried on it.
type Sampling struct {
	Share   float64        // of the tar of the tree, from 0 to 1; 0: nothing is read
	Formats []codec.Format // the first is that of the backup
	Workers int            // that compress at the same time in a backup
	// Begin is told how many bytes will be read.
	Begin func(bytes, of int64)
}

// A trial is one algorithm on its way through the pieces.
type trial struct {
	*sample.Algorithm
	done  sample.Trials
	spent time.Duration
}

// wants reports whether the trial takes another piece.
func (t *trial) wants() bool { return t.spent < mostTime || len(t.done) < leastPieces }

// sample compresses a share of the tree, and sets the ratio that was measured.
func (p *plan) sample(ctx context.Context) error {
	if p.Sampling.Share == 0 {
		return nil
	}
	census, err := sample.Take(ctx, p.tree)
	if err != nil {
		return err
	}
	whole := max(1, int(min(census.Tar/sample.PieceSize, mostPieces))) // pieces that have little in common
	n := min(max(census.Pieces(p.Sampling.Share), leastPieces), whole)
	p.Sampling.Begin(min(int64(n)*sample.PieceSize, census.Tar), census.Tar)
	s := &forecast.Sample{Workers: p.Sampling.Workers, Tree: census.Tar, Capped: n == mostPieces}
	trials := make([]trial, len(p.Sampling.Formats))
	for i, f := range p.Sampling.Formats {
		trials[i].Algorithm = sample.Of(f)
	}
	for first := 0; first < n; first += batch {
		pieces, faults, err := census.Read(ctx, p.tree, first, min(batch, n-first))
		if err != nil {
			return err
		}
		s.Faults += faults.Count
		for _, piece := range pieces {
			s.Read += int64(len(piece.Data))
			if err := try(ctx, trials, piece.Data); err != nil {
				return err
			}
		}
	}
	for i, f := range p.Sampling.Formats {
		s.Trials = append(s.Trials, forecast.Trial{Algorithm: f.Name(), Level: f.Level(), Ratio: trials[i].done.Ratio(), Rate: trials[i].done.Rate()})
	}
	if p.report.Sample = s; s.Read > 0 {
		p.assumeMeasured(s.Trials[0].Ratio.Value)
	}
	return nil
}

// try compresses a piece with each algorithm that wants one.
func try(ctx context.Context, trials []trial, piece []byte) error {
	for i := range trials {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t := &trials[i]
		if len(piece) == 0 || !t.wants() {
			continue
		}
		one, err := t.Try(piece)
		if err != nil {
			return err
		}
		t.done = append(t.done, one)
		t.spent += one.CPU
	}
	return nil
}

// assumeMeasured makes the plan one of another ratio.
func (p *plan) assumeMeasured(ratio float64) {
	a := p.Assume
	a.Ratio = ratio
	for i, d := range p.report.Depths {
		p.report.Depths[i] = d.At(&a)
	}
	p.report.Assume, p.report.Given = &a, true
}
