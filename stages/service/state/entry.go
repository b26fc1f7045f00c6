package state

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"

	"firn/stages/format/catalogue"
)

// form is the version of an entry's form.
const form = 1

// Flags of an entry.
const (
	flagAdopted = 1 << iota
	flagChanged
	flagSaved
	flagList
	flagPartial
	flagBetter
	flagHolds1 // the bits of Holds
	flagHolds2
)

// encode returns form, flags, fingerprint and table, then the record and the place of the list:
// texts with their length before them, hex digits as bytes, numbers as varints.
func encode(e Entry) []byte {
	r, flags := e.Record, byte(0)
	for _, f := range []struct {
		set  bool
		flag byte
	}{{e.Adopted, flagAdopted}, {r.Changed, flagChanged}, {r.Saved.Unix() > 0, flagSaved}, {e.List != (catalogue.Place{}), flagList}, {e.Partial, flagPartial}, {e.Better != "", flagBetter}, {e.Holds&1 != 0, flagHolds1}, {e.Holds&2 != 0, flagHolds2}} {
		if f.set {
			flags |= f.flag
		}
	}
	b := append([]byte{form, flags}, e.Fingerprint[:]...)
	b = append(b, e.Table[:]...)
	for _, digits := range []string{r.MD5, r.TarSHA256, r.HMAC} {
		sum, _ := hex.DecodeString(digits) // a record has nothing else
		b = appendText(b, string(sum))
	}
	for _, text := range []string{r.KeyID, r.ETag, r.Version, r.Class} {
		b = appendText(b, text)
	}
	numbers := []int64{int64(r.Format), r.ArchiveSize, r.TarSize, r.ObjectSize}
	if flags&flagSaved != 0 {
		numbers = append(numbers, r.Saved.Unix())
	}
	if flags&flagList != 0 {
		b = appendText(b, e.List.Pack)
		numbers = append(numbers, e.List.Offset, e.List.Length)
	}
	if flags&flagBetter != 0 {
		b = appendText(b, e.Better)
	}
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decode reads what encode wrote; false for anything else.
func decode(b []byte) (e Entry, ok bool) {
	if len(b) < 2 || b[0] != form {
		return Entry{}, false
	}
	d := decoder{rest: b[2:], ok: true}
	flags, r := b[1], &e.Record
	copy(e.Fingerprint[:], d.take(len(e.Fingerprint)))
	copy(e.Table[:], d.take(len(e.Table)))
	for _, to := range []*string{&r.MD5, &r.TarSHA256, &r.HMAC} {
		*to = hex.EncodeToString(d.text())
	}
	for _, to := range []*string{&r.KeyID, &r.ETag, &r.Version, &r.Class} {
		*to = string(d.text())
	}
	if flags&flagList != 0 {
		e.List.Pack = string(d.text())
	}
	if flags&flagBetter != 0 {
		e.Better = string(d.text())
	}
	r.Format = int(d.number())
	r.ArchiveSize, r.TarSize, r.ObjectSize = d.number(), d.number(), d.number()
	if flags&flagSaved != 0 {
		r.Saved = time.Unix(d.number(), 0).UTC()
	}
	if flags&flagList != 0 {
		e.List.Offset, e.List.Length = d.number(), d.number()
	}
	e.Holds = Holds(flags/flagHolds1) & 3
	e.Adopted, r.Changed, e.Partial = flags&flagAdopted != 0, flags&flagChanged != 0, flags&flagPartial != 0
	if !d.ok || len(d.rest) > 0 {
		return Entry{}, false
	}
	return e, true
}

// A decoder takes bytes from their front. ok is false after the first that are missing.
type decoder struct {
	rest []byte
	ok   bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.ok, d.rest = false, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) number() int64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > math.MaxInt64 {
		d.ok, d.rest = false, nil
		return 0
	}
	d.rest = d.rest[size:]
	return int64(n)
}

func (d *decoder) text() []byte { return d.take(int(min(d.number(), math.MaxInt32))) }

// Bytes are the entry as Parse reads it.
func (e Entry) Bytes() []byte { return encode(e) }

// Parse reads what Bytes returned; false for anything else.
func Parse(b []byte) (e Entry, ok bool) { return decode(b) }
