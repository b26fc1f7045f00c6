package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// AbortTimeout bounds how long a cancelled run waits for an abort; the rest is the next run's.
const AbortTimeout = 30 * time.Second

// PartSize returns the size of parts of an object of size bytes: want, or more if there would be
// too many. Errors: ErrTooLarge; ErrPartMemory if a part is larger than memory bytes.
func (l Limits) PartSize(size, want, memory int64) (int64, error) {
	if size > l.MaxObject {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, l.MaxObject)
	}
	const unit = 1 << 20
	least := (size + int64(l.MaxParts) - 1) / int64(l.MaxParts)
	least = (least + unit - 1) / unit * unit
	part := min(max(want, l.MinPart, least), l.MaxPart)
	if part > memory {
		return 0, fmt.Errorf("%w: an object of %d bytes needs parts of %d, the limit is %d", ErrPartMemory, size, part, memory)
	}
	return part, nil
}

// PutWhole stores the next size bytes of r in parts, or by one Put if they fit into one. It holds
// one part in memory, and aborts a failed upload, also when ctx has ended.
func PutWhole(ctx context.Context, s Store, key string, r io.Reader, size, partSize int64, o PutOptions) (_ Object, err error) {
	limits := s.Limits()
	if o.PartSize, err = limits.PartSize(size, partSize, limits.MaxPart); err != nil {
		return Object{}, fmt.Errorf("storing %s: %w", key, err)
	}
	buf := make([]byte, min(o.PartSize, size))
	if size <= o.PartSize {
		if _, err := io.ReadFull(r, buf); err != nil {
			return Object{}, err
		}
		o.CRC32C = CRC32C(buf)
		return s.Put(ctx, key, buf, o)
	}
	up, err := s.CreateUpload(ctx, key, o)
	if err != nil {
		return Object{}, err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), AbortTimeout)
			defer cancel()
			err = errors.Join(err, up.Abort(ctx))
		}
	}()
	var parts []Part
	var sum uint32
	for left := size; left > 0; left -= int64(len(buf)) {
		buf = buf[:min(o.PartSize, left)]
		if _, err := io.ReadFull(r, buf); err != nil {
			return Object{}, err
		}
		crc := CRC32C(buf)
		sum = CombineCRC32C(sum, crc, int64(len(buf)))
		p, err := up.Part(ctx, len(parts)+1, buf, crc)
		if err != nil {
			return Object{}, err
		}
		parts = append(parts, p)
	}
	return up.Complete(ctx, parts, sum)
}
