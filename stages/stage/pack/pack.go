// Package pack makes the archive of a tar. Blocks of the tar are compressed on a pool that all
// archives share, joined in order, hashed and written while the tar is still being made. The same
// tar always gives the same archive.
//
//	write ─▶ cutter ─┬▶ compress pool ─▶ join ─┬▶ MD5
//	                 └▶ SHA-256 of the tar     ├▶ HMAC
//	                                           └▶ sink (the spool)
package pack

import (
	"context"
	"errors"
	stdhash "hash"
	"io"
	"sync"

	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/format/hash"
)

// Stages are the stages that a Packer counts for.
type Stages struct {
	Archive  *pipeline.Stage // makes the tar; Pack runs in its workers
	Compress *pipeline.Stage
	Hash     *pipeline.Stage
	Spool    *pipeline.Stage // writes to the sink
}

// A Packer makes archives in one format, any number at once.
type Packer struct {
	format codec.Format
	memory *pipeline.Budget
	stages Stages
	pool   *pipeline.Pool

	blocks sync.Pool // *block
	pieces sync.Pool // *[]byte

	mu       sync.Mutex
	encoders []codec.Encoder // idle; at most one for each worker of the pool
}

// New makes a Packer. Its blocks take their memory from the budget.
func New(format codec.Format, memory *pipeline.Budget, s Stages) *Packer {
	p := &Packer{format: format, memory: memory, stages: s, pool: pipeline.NewPool(s.Compress)}
	p.blocks.New = func() any { return &block{packer: p, buf: make([]byte, format.Window()+format.BlockSize())} }
	p.pieces.New = func() any { return new([]byte) }
	return p
}

// BlockMemory is the memory of one block in flight, in bytes.
func BlockMemory(f codec.Format) int64 {
	return int64(f.Window()+f.BlockSize()) + f.BlockMemory()
}

// Sums are the hashes and sizes of an archive.
type Sums struct {
	hash.Sums        // of the archive
	TarSHA256 string // of the tar in it; hex, lower case
	TarSize   int64  // bytes
}

// Pack calls write once, in the caller's goroutine, and compresses what it writes to sink. passed is
// called with the bytes of what it writes as they come. mac is the archive's keyed hash. The first error
// of write, sink or ctx ends it; sink is incomplete then.
func (p *Packer) Pack(ctx context.Context, mac stdhash.Hash, sink io.Writer, passed func(bytes int64), write func(context.Context, io.Writer) error) (Sums, error) {
	tar, sums := hash.NewTar(), hash.NewArchive(mac)
	raw := pipeline.NewFan(ctx, 2, (*block).done, pipeline.Consumer[*block]{Stage: p.stages.Hash, Do: func(b *block) error {
		tar.Block(b.data())
		return nil
	}})
	out := pipeline.NewFan(ctx, 2, chunk.done,
		pipeline.Consumer[chunk]{Stage: p.stages.Hash, Do: func(c chunk) error {
			p.stages.Hash.AddIn(int64(len(*c.buf)))
			sums.MD5Block(*c.buf)
			return nil
		}},
		pipeline.Consumer[chunk]{Stage: p.stages.Hash, Do: func(c chunk) error {
			sums.MACBlock(*c.buf)
			return nil
		}},
		pipeline.Consumer[chunk]{Stage: p.stages.Spool, Do: func(c chunk) error {
			n, err := sink.Write(*c.buf)
			p.stages.Spool.AddOut(int64(n))
			return err
		}})
	joiner := p.format.NewJoiner()

	window := p.stages.Compress.Workers() + 2 // blocks of one archive between the cutter and the joiner
	err := pipeline.Ordered(ctx, p.stages.Archive, p.pool, window,
		func(ctx context.Context, emit func(*block) error) error {
			cut := &cutter{ctx: ctx, packer: p, cut: p.format.NewCut(), passed: passed, emit: func(b *block) error {
				if err := p.stages.Archive.Blocked(func() error { return raw.Send(b) }); err != nil {
					b.Drop(err)
					return err
				}
				return emit(b)
			}}
			err := write(ctx, cut)
			return cut.close(err)
		},
		p.encode,
		func(e *piece) error {
			c := chunk{packer: p, buf: p.pieces.Get().(*[]byte), of: e.of}
			*c.buf = joiner.Join((*c.buf)[:0], e.Piece)
			p.pieces.Put(e.buf)
			return out.Send(c)
		})
	if err == nil {
		c := chunk{packer: p, buf: p.pieces.Get().(*[]byte)}
		*c.buf = joiner.Close((*c.buf)[:0])
		err = out.Send(c)
	}
	if err = firstOf(err, raw.Close(), out.Close()); err != nil {
		return Sums{}, err
	}
	archive, err := sums.Sums()
	if err != nil {
		return Sums{}, err
	}
	sha, size := tar.Sum()
	return Sums{Sums: archive, TarSHA256: sha, TarSize: size}, nil
}

// firstOf returns the first error that is not just the end of a context.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// encode compresses one block, on the pool.
func (p *Packer) encode(b *block) (*piece, error) {
	encoder := p.encoder()
	buf := p.pieces.Get().(*[]byte)
	encoded, err := encoder.Encode((*buf)[:0], b.before(), b.data())
	p.mu.Lock()
	p.encoders = append(p.encoders, encoder)
	p.mu.Unlock()
	p.stages.Compress.AddIn(int64(len(b.data())))
	if err != nil {
		p.pieces.Put(buf)
		b.Drop(err)
		return nil, err
	}
	p.stages.Compress.AddOut(int64(len(encoded.Data)))
	*buf = encoded.Data
	b.done()
	return &piece{Piece: encoded, buf: buf, of: b}, nil
}

func (p *Packer) encoder() codec.Encoder {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.encoders); n > 0 {
		e := p.encoders[n-1]
		p.encoders = p.encoders[:n-1]
		return e
	}
	return p.format.NewEncoder()
}
