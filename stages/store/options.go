package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxMeta bounds an object's user metadata in bytes (S3 user guide, "Working with object
// metadata").
const MaxMeta = 2048

// CheckPut returns an error if no store takes an object with that key and those options.
func CheckPut(key string, o PutOptions) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := CheckClass(o.Class); err != nil {
		return err
	}
	if o.New && o.Replaces != "" {
		return fmt.Errorf("an object can't both be new and replace another (%s)", o.Replaces)
	}
	total := 0
	for name, value := range o.Meta {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return fmt.Errorf("object metadata name %q: only a-z, 0-9, '-', '_' and '.' are allowed", name)
		}
		if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("object metadata %s: value %q is not plain printable ASCII", name, value)
		}
		total += len(name) + len(value)
	}
	if total > MaxMeta {
		return fmt.Errorf("object metadata of %d bytes: at most %d are allowed", total, MaxMeta)
	}
	return nil
}

// CheckPart returns an error if body can't be part number of an upload with that part size.
func (l Limits) CheckPart(number int, body []byte, partSize int64) error {
	switch size := int64(len(body)); {
	case number < 1 || number > l.MaxParts:
		return fmt.Errorf("part number %d: it must be 1 to %d", number, l.MaxParts)
	case size == 0 || size > partSize:
		return fmt.Errorf("part %d of %d bytes: it must have 1 to %d", number, size, partSize)
	}
	return nil
}

// CheckUpload is CheckPut for an upload: its parts must have a size that the store takes.
func (l Limits) CheckUpload(key string, o PutOptions) error {
	if err := CheckPut(key, o); err != nil {
		return err
	}
	if o.PartSize < l.MinPart || o.PartSize > l.MaxPart {
		return fmt.Errorf("part size of %d bytes: it must be %d to %d", o.PartSize, l.MinPart, l.MaxPart)
	}
	return nil
}

// CheckParts sorts parts by number and returns their size. They must be all parts from 1 on, each
// but the last of partSize bytes, else it is an error; ErrChecksum if their CRC-32C is not want.
func CheckParts(parts []Part, partSize int64, want uint32) (sorted []Part, size int64, err error) {
	if len(parts) == 0 {
		return nil, 0, fmt.Errorf("an upload without parts can't be completed")
	}
	sorted = slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	sum := uint32(0)
	for i, p := range sorted {
		if p.Number != i+1 {
			return nil, 0, fmt.Errorf("part %d is missing or given twice among the %d parts", i+1, len(parts))
		}
		if last := i == len(sorted)-1; p.Size < 1 || p.Size > partSize || !last && p.Size != partSize {
			return nil, 0, fmt.Errorf("part %d has %d bytes, parts are of %d", p.Number, p.Size, partSize)
		}
		sum = CombineCRC32C(sum, p.CRC32C, p.Size)
		size += p.Size
	}
	if sum != want {
		return nil, 0, fmt.Errorf("%w (CRC-32C of all parts %08x, not %08x)", ErrChecksum, sum, want)
	}
	return sorted, size, nil
}

// CheckListed returns an error unless parts, as a store lists them, rise in number and can be parts of
// an upload with that part size: ErrOtherParts if only their sizes are wrong.
func (l Limits) CheckListed(parts []Part, partSize int64) error {
	last := 0
	for i, p := range parts {
		if p.Number <= last || p.Number > l.MaxParts {
			return fmt.Errorf("part %d is listed after part %d: their numbers must rise, to %d at most", p.Number, last, l.MaxParts)
		}
		if last = p.Number; p.Size < 1 || p.Size > partSize || i < len(parts)-1 && p.Size != partSize {
			return fmt.Errorf("%w: part %d has %d bytes, parts are of %d", ErrOtherParts, p.Number, p.Size, partSize)
		}
	}
	return nil
}

// CheckSum returns ErrChecksum unless want is the CRC-32C of body.
func CheckSum(body []byte, want uint32) error {
	if sum := CRC32C(body); sum != want {
		return fmt.Errorf("%w (CRC-32C %08x, not %08x)", ErrChecksum, sum, want)
	}
	return nil
}
