package restore

import (
	"fmt"
	"io"

	"firn/stages/prove"
	"firn/stages/stage/extract"
)

// Limits bounds what one archive may unpack to; 0 is the default.
type Limits struct {
	Entries int64 // default: none
	Bytes   int64 // of its tar and of the files in it, holes included; default: none if its HMAC is verified, else by its size
}

// The default limit in bytes of an archive without HMAC: a base, and a multiple of its size. Sparse
// disk images come near 1000; nested zeros go far beyond.
const (
	unprovenBase  = 1 << 30
	unprovenRatio = 1000
)

// limitsOf are the limits of an archive.
func (r *restore) limitsOf(a *item) extract.Limits {
	proven := a.Record.HasProof()
	limits := extract.Limits{Top: a.Top(), Harmless: !proven, MaxEntries: r.options.Limits.Entries, MaxBytes: r.options.Limits.Bytes}
	if limits.MaxBytes == 0 && !proven {
		limits.MaxBytes = unprovenBase + unprovenRatio*min(a.Object.Size, (1<<62)/unprovenRatio)
	}
	return limits
}

// boundedTar ends the tar with an error where it exceeds the size in the archive's record, or, of
// an archive without HMAC, the limit of its files.
func (r *restore) boundedTar(a *item, tar io.Reader) io.Reader {
	if a.Record.HasProof() {
		return prove.Bound(tar, a.Record.TarSize, fmt.Errorf("%w: its tar has more than the %d bytes in its record", prove.ErrDamaged, a.Record.TarSize))
	}
	most := r.limitsOf(a).MaxBytes
	return prove.Bound(tar, most, &extract.LimitError{What: "bytes", Limit: most})
}
