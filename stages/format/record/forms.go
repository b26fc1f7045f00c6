package record

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the fields, in S3 user metadata and in a table alike. "md5" is the old script's.
const (
	nameMD5         = "md5"
	nameFormat      = "firn-format"
	nameTarSHA256   = "firn-tar-sha256"
	nameHMAC        = "firn-hmac-sha256"
	nameKeyID       = "firn-key-id"
	nameArchiveSize = "firn-archive-size"
	nameTarSize     = "firn-tar-size"
	nameChanged     = "firn-changed"

	nameVersion    = "firn-version-id"
	nameETag       = "firn-etag"
	nameClass      = "firn-storage-class"
	nameObjectSize = "firn-object-size"
	nameSaved      = "firn-saved"
)

// Attribute is one field of a record in its table form.
type Attribute struct {
	Name, Value string
	Number      bool // Value is a whole decimal number
}

// Meta returns an object's S3 user metadata: names lower case, values printable ASCII. Fields of a
// table alone are not in it; a record of format 0 has only its MD5.
func (r Record) Meta() map[string]string {
	m := make(map[string]string, 8)
	for _, a := range r.contentAttributes() {
		m[a.Name] = a.Value
	}
	return m
}

// FromMeta reads an object's user metadata. Names have no case; unknown ones are ignored. Without
// an md5 it returns the zero Record. A malformed value is an error.
func FromMeta(meta map[string]string) (Record, error) {
	var r Record
	for _, name := range slices.Sorted(maps.Keys(meta)) { // so that of two that differ in case the same one always holds
		if err := r.set(strings.ToLower(name), meta[name], false); err != nil {
			return Record{}, fmt.Errorf("object metadata %s: %w", name, err)
		}
	}
	if r.MD5 == "" {
		return Record{}, nil
	}
	return r, nil
}

// Attributes returns the table form: the fields of Meta, and a table's own. Empty ones are left
// out.
func (r Record) Attributes() []Attribute {
	as := r.contentAttributes()
	as = appendText(as, nameVersion, r.Version)
	as = appendText(as, nameETag, r.ETag)
	as = appendText(as, nameClass, r.Class)
	if r.Format > 0 {
		as = append(as, number(nameObjectSize, r.ObjectSize))
	}
	if !r.Saved.IsZero() {
		as = append(as, Attribute{Name: nameSaved, Value: r.Saved.UTC().Format(time.RFC3339)})
	}
	return as
}

// FromAttributes reads the table form by the rules of FromMeta; names have their case.
func FromAttributes(as []Attribute) (Record, error) {
	var r Record
	for _, a := range as {
		if err := r.set(a.Name, a.Value, true); err != nil {
			return Record{}, fmt.Errorf("table attribute %s: %w", a.Name, err)
		}
	}
	if r.MD5 == "" {
		return Record{}, nil
	}
	return r, nil
}

// contentAttributes are the fields that S3 metadata and a table both hold.
func (r Record) contentAttributes() []Attribute {
	as := appendText(make([]Attribute, 0, 13), nameMD5, r.MD5)
	if r.Format == 0 {
		return as
	}
	as = append(as, number(nameFormat, int64(r.Format)))
	as = appendText(as, nameTarSHA256, r.TarSHA256)
	as = appendText(as, nameHMAC, r.HMAC)
	as = appendText(as, nameKeyID, r.KeyID)
	as = append(as, number(nameArchiveSize, r.ArchiveSize), number(nameTarSize, r.TarSize))
	if r.Changed {
		as = append(as, Attribute{Name: nameChanged, Value: "true"})
	}
	return as
}

func appendText(as []Attribute, name, value string) []Attribute {
	if value == "" {
		return as
	}
	return append(as, Attribute{Name: name, Value: value})
}

func number(name string, n int64) Attribute {
	return Attribute{Name: name, Value: strconv.FormatInt(n, 10), Number: true}
}

// set reads one field. Names that only a table holds are ignored unless table is set.
func (r *Record) set(name, value string, table bool) (err error) {
	tableOnly := []string{nameVersion, nameETag, nameClass, nameObjectSize, nameSaved}
	if !table && slices.Contains(tableOnly, name) {
		return nil
	}
	switch name {
	case nameMD5:
		r.MD5, err = parseHex(value, 16)
	case nameFormat:
		var n int64
		if n, err = parseNumber(value); err == nil && (n < 1 || n > 1<<20) {
			err = fmt.Errorf("%q is no format version", value)
		}
		r.Format = int(n)
	case nameTarSHA256:
		r.TarSHA256, err = parseHex(value, 32)
	case nameHMAC:
		r.HMAC, err = parseHex(value, 32)
	case nameKeyID:
		r.KeyID = value
	case nameArchiveSize:
		r.ArchiveSize, err = parseNumber(value)
	case nameTarSize:
		r.TarSize, err = parseNumber(value)
	case nameChanged:
		r.Changed, err = strconv.ParseBool(value)
	case nameVersion:
		r.Version = value
	case nameETag:
		r.ETag = value
	case nameClass:
		r.Class = value
	case nameObjectSize:
		r.ObjectSize, err = parseNumber(value)
	case nameSaved:
		r.Saved, err = time.Parse(time.RFC3339, value)
	}
	return err
}

// parseHex reads size bytes of hex digits, which some tools write in upper case.
func parseHex(s string, size int) (string, error) {
	s = strings.ToLower(s)
	if b, err := hex.DecodeString(s); err != nil || len(b) != size {
		return "", fmt.Errorf("%q is not %d hex digits", s, 2*size)
	}
	return s, nil
}

func parseNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no size", s)
	}
	return n, nil
}
