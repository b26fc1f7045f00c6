package store

import (
	"fmt"
	"strings"
)

// MaxMeta is how many bytes of names and values an object's user metadata may have (S3 user guide,
// "Working with object metadata").
const MaxMeta = 2048

// CheckPut returns an error if no store takes an object with that key and those options.
func CheckPut(key string, o PutOptions) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := CheckClass(o.Class); err != nil {
		return err
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

// CheckPartSize returns an error if the store takes no upload with parts of that size.
func (l Limits) CheckPartSize(partSize int64) error {
	if partSize < l.MinPart || partSize > l.MaxPart {
		return fmt.Errorf("part size of %d bytes: it must be %d to %d", partSize, l.MinPart, l.MaxPart)
	}
	return nil
}

// CheckParts sorts parts by number and returns how many bytes they are and the CRC-32C of the
// whole, or an error if they are not all parts from 1 on, each but the last of partSize bytes.
func CheckParts(parts []Part, partSize int64) (sorted []Part, size int64, crc uint32, err error) {
	if len(parts) == 0 {
		return nil, 0, 0, fmt.Errorf("an upload without parts can't be completed")
	}
	sorted = sortedParts(parts)
	for i, p := range sorted {
		if p.Number != i+1 {
			return nil, 0, 0, fmt.Errorf("part %d is missing or given twice among the %d parts", i+1, len(parts))
		}
		if last := i == len(sorted)-1; p.Size < 1 || p.Size > partSize || !last && p.Size != partSize {
			return nil, 0, 0, fmt.Errorf("part %d has %d bytes, parts are of %d", p.Number, p.Size, partSize)
		}
		crc = CombineCRC32C(crc, p.CRC32C, p.Size)
		size += p.Size
	}
	return sorted, size, crc, nil
}
