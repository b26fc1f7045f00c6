package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// file is an open regular file.
type file interface {
	// ReadAt is io.ReaderAt's: io.EOF where the file ends before p is full.
	ReadAt(p []byte, offset int64) (int, error)
	// State is what the file is at this moment.
	State() (state, error)
	// NextData and NextHole are lseek(2)'s SEEK_DATA and SEEK_HOLE. NextData's error is errNoData
	// behind the last data; any other error of the two means that holes can't be found.
	NextData(offset int64) (int64, error)
	NextHole(offset int64) (int64, error)
	// Xattrs returns names and values, also those read before an error. scratch is memory to work in.
	Xattrs(scratch []byte) (map[string][]byte, error)
	// Ahead lets the system read the file's beginning into memory.
	Ahead()
	Close() error
}

// state shows whether a file was written to.
type state struct {
	size       int64
	modTime    time.Time
	changeTime time.Time
}

// filesystem is how entries are read; tests put faults in its place.
type filesystem interface {
	open(e *walk.Entry) (file, error)
	// xattrs are those of an entry that is not opened.
	xattrs(e *walk.Entry) (map[string][]byte, error)
}

var errNoData = errors.New("no data behind this offset")

// settle reports what happened to the file since the walk saw it.
func (st *stream) settle(m *member) {
	path, size := m.path, m.header.Size
	now, err := m.file.State()
	failed, at := st.body.failed, st.body.failedAt
	switch {
	case failed != nil && !errors.Is(failed, io.EOF):
		if read := (*fs.PathError)(nil); errors.As(failed, &read) {
			failed = read.Err // the path is named once
		}
		st.report(Fault{Path: path, What: Truncated, Read: at, Err: fmt.Errorf("reading %s at byte %d of %d (zeros stand for the rest): %w", path, at, size, failed)})
	case failed != nil || err == nil && now.size < size:
		st.fault(path, Changed, fmt.Errorf("%s %w (%d bytes, now %d)", path, ErrShrank, size, now.size))
	case err != nil:
		st.fault(path, Changed, fmt.Errorf("looking at %s after reading it: %w", path, err))
	case now.size > size:
		st.fault(path, Changed, fmt.Errorf("%s %w (%d bytes, now %d)", path, ErrGrew, size, now.size))
	case !now.modTime.Equal(m.header.ModTime) || !now.changeTime.Equal(m.changeTime):
		st.fault(path, Changed, fmt.Errorf("%s %w", path, ErrModified))
	}
}

// findHoles returns the map of a file that takes less room than its size, nil if it has no holes or
// the file system does not show them. The error is the context's.
func (st *stream) findHoles(m *member) ([]tarfmt.Segment, error) {
	size := m.header.Size
	if m.blocks*512 >= size {
		return nil, nil
	}
	if st.holes == nil {
		st.holes = make([]tarfmt.Segment, 0, 16)
	}
	segments, gap := st.holes[:0], int64(0)
	for at := int64(0); at < size; {
		if st.ctx.Err() != nil {
			return nil, context.Cause(st.ctx)
		}
		data, err := m.file.NextData(at)
		if errors.Is(err, errNoData) || err == nil && data >= size {
			break
		}
		if err != nil || data < at {
			return nil, nil
		}
		hole, err := m.file.NextHole(data)
		if err != nil || hole <= data {
			return nil, nil
		}
		at = min(hole, size)
		if n := len(segments); n > 0 && data-end(segments[n-1]) <= gap {
			segments[n-1].Length = at - segments[n-1].Offset
		} else {
			segments = append(segments, tarfmt.Segment{Offset: data, Length: at - data})
		}
		if len(segments) == tarfmt.MaxSegments {
			segments, gap = coarsen(segments, gap)
		}
	}
	st.holes = segments
	if len(segments) == 1 && segments[0].Length == size {
		return nil, nil
	}
	return segments, nil
}

// coarsen halves a map that has grown too long: the smallest holes become data, which reads as
// zeros. It depends on the map alone, so that a file always gets the same one.
func coarsen(segments []tarfmt.Segment, gap int64) ([]tarfmt.Segment, int64) {
	n := len(segments)
	for gap = max(gap, 2048); len(segments) > n/2; {
		gap *= 2
		kept := segments[:1]
		for _, s := range segments[1:] {
			if last := &kept[len(kept)-1]; s.Offset-end(*last) <= gap {
				last.Length = end(s) - last.Offset
			} else {
				kept = append(kept, s)
			}
		}
		segments = kept
	}
	return segments, gap
}

func end(s tarfmt.Segment) int64 { return s.Offset + s.Length }
