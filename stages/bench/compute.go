package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/stage/sample"
)

// codecs compresses one piece after the other with all contenders in turn, so that all of them have
// the same pieces and the same minutes.
func (b *bench) codecs(ctx context.Context) error {
	if len(b.pieces) == 0 {
		return nil
	}
	all := b.contenders()
	start := time.Now()
	const least, most = 3, 40 // rounds
	for round := range most {
		if round >= least && time.Since(start)*time.Duration(round+1)/time.Duration(round) > b.share(codecShare) {
			break
		}
		piece := b.pieces[round%len(b.pieces)]
		for _, c := range all {
			trial, err := c.try(ctx, piece, b.long())
			if err != nil {
				return err
			}
			c.trials = append(c.trials, trial)
		}
	}
	base := all[slices.IndexFunc(all, func(c *contender) bool { return c.is(b.Format) })]
	for _, c := range all {
		c.Cost = c.over(base, func(t sample.Trial) float64 { return t.CPU.Seconds() })
		c.Size = c.over(base, func(t sample.Trial) float64 { return float64(t.Out) })
		c.Rate = c.trials.Rate()
		c.Ratio = c.trials[:min(len(c.trials), len(b.pieces))].Ratio()
		b.result.Codecs = append(b.result.Codecs, c.Codec)
	}
	runtime.GC() // what the encoders held is not to be cleared up in the next measurement
	return nil
}

// long is how long a single measurement has to take at least to mean something.
func (b *bench) long() time.Duration { return min(50*time.Millisecond, b.Time/200) }

// try compresses a piece as often as it takes to measure the time, which is at least long.
func (c *contender) try(ctx context.Context, piece []byte, least time.Duration) (sum sample.Trial, err error) {
	const most = 10
	for n := 0; n == 0 || n < most && sum.CPU < least; n++ {
		if err := context.Cause(ctx); err != nil {
			return sum, err
		}
		t, err := c.algorithm.Try(piece)
		if err != nil {
			return sum, err
		}
		sum = sample.Trial{In: sum.In + t.In, Out: sum.Out + t.Out, CPU: sum.CPU + t.CPU}
	}
	return sum, nil
}

// over is the range of a figure of the trials, over that of another contender in the same rounds.
func (c *contender) over(base *contender, of func(sample.Trial) float64) sample.Range {
	var shares []float64
	for i, t := range c.trials {
		if b := of(base.trials[i]) / float64(base.trials[i].In); b > 0 {
			shares = append(shares, of(t)/float64(t.In)/b)
		}
	}
	return sample.Spread(shares)
}

// scale compresses with the backup's format in 1, 2, 4 … goroutines, as many as there are cores.
func (b *bench) scale(ctx context.Context) error {
	if len(b.pieces) == 0 {
		return nil
	}
	cores := runtime.GOMAXPROCS(0)
	var counts []int
	for n := 1; n < cores; n *= 2 {
		counts = append(counts, n)
	}
	counts = append(counts, cores)
	workers := make([]*sample.Algorithm, cores)
	for i := range workers {
		workers[i] = sample.Of(b.Format)
	}
	for _, n := range counts {
		slot := b.share(scaleShare) / time.Duration(len(counts))
		var rates []float64
		cpu, began := sample.CPU(), time.Now()
		for len(rates) < 3 || len(rates) < 10 && time.Since(began) < slot {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			rate, err := b.together(workers[:n], slot/4)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
		}
		had := float64(sample.CPU()-cpu) / float64(time.Since(began))
		b.result.Scaling = append(b.result.Scaling, Scaled{n, sample.Spread(rates), had})
	}
	return nil
}

// together has workers compress at the same time for a while, each a piece at least, and returns the
// bytes a second of all: those of each until it ended.
func (b *bench) together(workers []*sample.Algorithm, least time.Duration) (rate float64, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for i, w := range workers {
		all.Go(func() {
			n := 0
			var failed error
			for k := i; failed == nil && (n == 0 || time.Since(start) < least); k++ {
				piece := b.pieces[k%len(b.pieces)]
				_, failed = w.Try(piece)
				n += len(piece)
			}
			took := time.Since(start).Seconds()
			mu.Lock()
			defer mu.Unlock()
			rate, err = rate+float64(n)/took, errors.Join(err, failed)
		})
	}
	all.Wait()
	return rate, err
}

// sums measures the hashes and the cipher on the bytes of the sample.
func (b *bench) sums(ctx context.Context) error {
	if len(b.pieces) == 0 {
		return nil
	}
	keys, err := encryption.NewKeys(passphrase(), nil)
	if err != nil {
		return err
	}
	sums, tar := hash.NewArchive(keys.MAC("a")), hash.NewTar()
	buf := make([]byte, 1<<20)
	for _, of := range []struct {
		name string
		do   func(p []byte) (time.Duration, error)
	}{
		{SumArchive, timed(func(p []byte) { sums.MD5Block(p); sums.MACBlock(p) })},
		{SumTar, timed(tar.Block)},
		{SumEncrypt, func(p []byte) (time.Duration, error) {
			e, err := encryption.NewEncrypter(keys.Passphrase(), bytes.NewReader(p)) // it derives a key, once an archive
			if err != nil {
				return 0, err
			}
			before := sample.CPU()
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{e}, buf)
			return sample.CPU() - before, err
		}},
	} {
		rate, err := b.sum(ctx, of.do)
		if err != nil {
			return err
		}
		b.result.Sums = append(b.result.Sums, Rated{of.name, rate})
	}
	return nil
}

// Names of what Result.Sums has.
const (
	SumArchive = "MD5 and HMAC of archives"
	SumTar     = "SHA-256 of tars"
	SumEncrypt = "AES-256-CBC"
)

func timed(do func(p []byte)) func(p []byte) (time.Duration, error) {
	return func(p []byte) (time.Duration, error) {
		before := sample.CPU()
		do(p)
		return sample.CPU() - before, nil
	}
}

// sum measures do on pieces, some rounds of a few hundredths of a second.
func (b *bench) sum(ctx context.Context, do func(p []byte) (time.Duration, error)) (sample.Range, error) {
	var rates []float64
	for start := time.Now(); len(rates) < 3 || len(rates) < 10 && time.Since(start) < b.share(sumShare)/3; {
		var bytes int64
		var took time.Duration
		for i := 0; took < b.long(); i++ {
			if err := context.Cause(ctx); err != nil {
				return sample.Range{}, err
			}
			piece := b.pieces[i%len(b.pieces)]
			t, err := do(piece)
			if err != nil {
				return sample.Range{}, err
			}
			took, bytes = took+t, bytes+int64(len(piece))
		}
		rates = append(rates, float64(bytes)/took.Seconds())
	}
	return sample.Spread(rates), nil
}
