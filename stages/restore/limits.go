package restore

import (
	"errors"
	"fmt"
	"io"

	"firn/stages/prove"
	"firn/stages/stage/extract"
)

// Limits bounds what one archive may unpack to; 0 is the default.
type Limits struct {
	Entries int64 // default: none
	Bytes   int64 // of files, holes included, and of the tar that holds them; default: none for an archive that is proven to be ours, else by its size
}

const (
	// unprovenRatio is how many times its own size an archive may unpack to of which nobody knows who made it: a sparse disk image comes near,
	// nested zeros go far beyond.
	unprovenRatio = 1000
	// unprovenLeast is how much it may unpack to however small it is, in bytes.
	unprovenLeast = 1 << 30
)

// limitsOf are the limits of an archive.
func (r *restore) limitsOf(a *wanted) extract.Limits {
	limits := extract.Limits{MaxEntries: r.options.Limits.Entries, MaxBytes: r.options.Limits.Bytes}
	if limits.MaxBytes == 0 && a.Record.Format == 0 {
		limits.MaxBytes = unprovenLeast + unprovenRatio*min(a.Object.Size, (1<<62)/unprovenRatio)
	}
	return limits
}

// boundedTar is the tar of an archive, and an error where it is longer than it may be. That of a proven archive has as many bytes as its record says
// (its files may be larger, for a hole takes no room in it); that of any other, as its files may have together.
func (r *restore) boundedTar(a *wanted, tar io.Reader) io.Reader {
	if a.Record.Format > 0 {
		return prove.Bound(tar, a.Record.TarSize, fmt.Errorf("%w: its tar is longer than the %d bytes that its record says", prove.ErrDamaged, a.Record.TarSize))
	}
	most := r.limitsOf(a).MaxBytes
	return prove.Bound(tar, most, &extract.LimitError{What: "bytes", Limit: most})
}

// overLimit says of an archive that met a limit what raises it.
func overLimit(err error) error {
	var limit *extract.LimitError
	if !errors.As(err, &limit) {
		return err
	}
	return fmt.Errorf("%w; --max-%s raises it", err, limit.What)
}
