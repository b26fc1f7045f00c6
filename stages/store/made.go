package store

import (
	"crypto/md5" // what S3 makes ETags of, not a safeguard
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
)

// IsMade reports whether o, as Head returned it, is what was to be stored: its size and metadata, and
// its bytes by their CRC-32C or, on a server that keeps none, by the ETag that S3 makes of them (see
// PutETag and MultipartETag).
func IsMade(o Object, meta map[string]string, size int64, crc uint32, etag func() string) bool {
	if o.Size != size || !maps.Equal(o.Meta, meta) { // no map equals an empty one
		return false
	}
	if o.HasCRC32C {
		return o.CRC32C == crc
	}
	return o.ETag != "" && o.ETag == etag()
}

// PutETag is the ETag that S3 makes of an object stored by one Put: its MD5.
func PutETag(body []byte) string { return fmt.Sprintf("%x", md5.Sum(body)) }

// MultipartETag is the ETag that S3 makes of an object of these parts, sorted by number: the MD5 of
// the parts' MD5s; "" if their ETags are none, as with own keys.
func MultipartETag(parts []Part) string {
	h := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil || len(sum) != md5.Size {
			return ""
		}
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// Cut returns what parts of partSize bytes r makes, with the ETags that S3 gives them, and the CRC-32C
// of the whole.
func Cut(r io.Reader, partSize int64) (parts []Part, crc32c uint32, err error) {
	for n := 1; ; n++ {
		etag, crc := md5.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
		size, err := io.Copy(io.MultiWriter(etag, crc), io.LimitReader(r, partSize))
		if err != nil {
			return nil, 0, err
		}
		if size > 0 {
			parts = append(parts, Part{Number: n, Size: size, ETag: fmt.Sprintf("%x", etag.Sum(nil)), CRC32C: crc.Sum32(), HasCRC32C: true})
			crc32c = CombineCRC32C(crc32c, crc.Sum32(), size)
		}
		if size < partSize {
			return parts, crc32c, nil
		}
	}
}
