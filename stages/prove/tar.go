package prove

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"firn/stages/format/hash"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
)

var errTooLong = errors.New("it is longer than when it was saved")

// Walk decompresses an archive that Bring has verified, calls fn for each member of its tar, and
// compares the tar with the record, and its names with the path, which the first member of an
// archive with a shortened key has. An error of fn ends it and is returned as it is.
func (p *Prover) Walk(ctx context.Context, a *Archive, fn func(name string, h *tar.Header) error) (err error) {
	t, err := p.Open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	sum := hash.NewTar()
	var own, outside error
	first := true
	counted := io.TeeReader(t, writerFunc(sum.Block))
	err = extract.Members(ctx, Bound(counted, a.Record.TarSize, errTooLong), func(name string, h *tar.Header) error {
		if first && a.Pathless {
			a.findPath(p.job.Prefix, h)
		}
		first = false
		if outside = extract.Outside(a.Top(), h); outside != nil {
			return outside
		}
		own = fn(name, h)
		return own
	})
	switch {
	case outside != nil:
		return &Damage{report.ProblemEntries, outside}
	case own != nil, err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return t.Blame(fmt.Errorf("reading its tar: %w", err))
	}
	switch sha256, size := sum.Sum(); {
	case a.Record.TarSize > 0 && size != a.Record.TarSize:
		return Damagef(report.ProblemTar, "its tar has %d bytes, and had %d when it was saved", size, a.Record.TarSize)
	case a.Record.TarSHA256 != "" && sha256 != a.Record.TarSHA256:
		return Damagef(report.ProblemTar, "the SHA-256 of its tar is %s, and was %s when it was saved", sha256, a.Record.TarSHA256)
	}
	return nil
}

// Bound reads r, and ends with the error over if r has more than most bytes; 0 is no bound.
func Bound(r io.Reader, most int64, over error) io.Reader {
	if most == 0 {
		return r
	}
	return &bounded{r: r, left: most, over: over}
}

type bounded struct {
	r    io.Reader
	left int64
	over error
}

func (b *bounded) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 { // look for the end
		n, err := b.r.Read(p[:1])
		if n > 0 {
			err = b.over
		}
		return 0, err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
