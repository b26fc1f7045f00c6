package bench

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/archive"
	"firn/stages/stage/sample"
	"firn/stages/stage/walk"
)

const (
	// mostPieces are read: the time is over before they are compressed, unless all is fast.
	mostPieces = 24
	// pieceSize is small: many pieces tell more of the spread than a few large ones.
	pieceSize = 2 << 20
)

// passes is how often something short is measured.
const passes = 5

// walk takes the census, and measures walks.
func (b *bench) walk(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, max(b.share(walkShare), time.Second))
	defer cancel()
	disk, start := fromDisk(), time.Now()
	c, err := sample.Take(limited, b.tree)
	took := time.Since(start).Seconds()
	cut := limited.Err() != nil
	if ctx.Err() != nil || err != nil && (!cut || c == nil) {
		return err
	}
	b.census = c
	b.result.Tree = Tree{Path: b.tree.Path(), Entries: c.Entries, Files: c.Files, Bytes: c.Bytes, Tar: c.Tar, Part: cut}
	if b.result.Tree.Disk = -1; disk >= 0 {
		b.result.Tree.Disk = fromDisk() - disk
	}
	b.result.Tree.First = sample.Spread([]float64{float64(c.Entries) / took})
	if cut {
		return nil // one more walk would not end either
	}
	var rates []float64
	for len(rates) < passes && (len(rates) < 2 || limited.Err() == nil) {
		start := time.Now()
		s, err := b.tree.Scan(ctx, walk.Subtree{Base: path.Base(b.tree.Path())})
		if err != nil {
			return err
		}
		rates = append(rates, float64(s.Entries)/time.Since(start).Seconds())
	}
	b.result.Tree.Again = sample.Spread(rates)
	return nil
}

// sample reads the pieces.
func (b *bench) sample(ctx context.Context) error {
	b.census.Piece = pieceSize
	n := min(b.census.Pieces(1), mostPieces)
	pieces, _, err := b.census.Read(ctx, b.tree, 0, n)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if len(p.Data) > 0 {
			b.pieces = append(b.pieces, p.Data)
		}
	}
	if len(b.pieces) == 0 {
		b.missing("compression", errNothing)
	}
	return nil
}

// A tap counts what is written to it, and ends after a time.
type tap struct {
	bytes *atomic.Int64
	ctx   context.Context
}

func (t tap) Write(p []byte) (int, error) {
	t.bytes.Add(int64(len(p)))
	return len(p), context.Cause(t.ctx)
}

// read makes tars of the tree's subtrees side by side, as a backup does, and forgets them.
func (b *bench) read(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, max(b.share(readShare), time.Second))
	defer cancel()
	var read atomic.Int64
	before := fromDisk()
	watch := watching(func() int64 { return read.Load() })
	whole := 0
	for whole == 0 || limited.Err() == nil && (whole < passes && watch.elapsed() < b.share(readShare)/2) {
		if err := b.readOnce(limited, &read); err != nil && limited.Err() == nil {
			watch.stop()
			return err
		}
		if limited.Err() != nil {
			break
		}
		whole++
	}
	watch.stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &b.result.Read
	r.Workers, r.Bytes, r.Disk = b.Settings.Archive, read.Load(), -1
	r.Rate = watch.rate()
	if disk := fromDisk(); r.Bytes > 0 && disk >= 0 {
		r.Disk = min(float64(disk-before)/float64(r.Bytes), 1)
	}
	return nil
}

// readOnce reads the tree once.
func (b *bench) readOnce(ctx context.Context, read *atomic.Int64) error {
	subtrees := make(chan walk.Subtree)
	a := archive.New()
	var all sync.WaitGroup
	for range max(b.Settings.Archive, 1) {
		all.Go(func() {
			for s := range subtrees {
				_, _ = a.Write(ctx, tap{read, ctx}, b.tree, s, archive.Observer{Member: func(*tarfmt.Header) error { return nil }})
			}
		})
	}
	err := b.tree.Cut(ctx, func(s walk.Subtree) error {
		select {
		case subtrees <- s:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, func(string, error) {}, func(walk.Left) {})
	close(subtrees)
	all.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// fromDisk is how many bytes this process has had read from disks; -1 if the system does not tell.
func fromDisk() int64 {
	var u unix.Rusage
	if !tellsDisk || unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return int64(u.Inblock) * 512
}
