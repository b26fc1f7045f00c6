package tarfmt

import (
	"encoding/binary"
	"strconv"
)

var zeros [BlockSize]byte

// appendUstar appends one header block.
func appendUstar(dst []byte, u *ustar) []byte {
	n := len(dst)
	dst = append(dst, zeros[:]...)
	b := dst[n : n+BlockSize]
	copy(b[offName:offName+lenName], u.name)
	octal(b[offMode:], u.mode, 7)
	octal(b[offUID:], u.uid, 7)
	octal(b[offGID:], u.gid, 7)
	if u.size <= max11 {
		octal(b[offSize:], u.size, 11)
	} else {
		b[offSize] = 0x80
		binary.BigEndian.PutUint64(b[offSize+4:], uint64(u.size))
	}
	octal(b[offTime:], u.mtime, 11)
	b[offType] = u.typeflag
	copy(b[offLink:offLink+lenLink], u.link)
	copy(b[offMagic:], "ustar\x0000")
	copy(b[offUser:offUser+lenUser-1], u.user)
	copy(b[offGroup:offGroup+lenGroup-1], u.group)
	octal(b[offMajor:], u.major, 7)
	octal(b[offMinor:], u.minor, 7)
	copy(b[offPrefix:offPrefix+lenPrefix], u.prefix)
	// The checksum is taken over its own field as blanks; every tar writes six digits, NUL, blank.
	octal(b[offSum:], sum(b)+8*' ', 6)
	b[offSum+7] = ' '
	return dst
}

// octal writes v as n digits; the byte behind them stays NUL.
func octal(b []byte, v int64, n int) {
	for i := n - 1; i >= 0; i-- {
		b[i] = '0' + byte(v&7)
		v >>= 3
	}
}

// sum adds up a block's bytes, eight at a time: four sums of 16 bits can't overflow in 64 words.
func sum(b []byte) int64 {
	const even = 0x00ff00ff00ff00ff
	var s uint64
	for i := 0; i < BlockSize; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		s += w&even + w>>8&even
	}
	return int64(s&0xffff + s>>16&0xffff + s>>32&0xffff + s>>48)
}

// appendPadded appends p and zeros up to the next block.
func appendPadded(dst, p []byte) []byte {
	dst = append(dst, p...)
	return append(dst, zeros[:Padding(int64(len(p)))]...)
}

// record appends one record: "LENGTH keyword=value\n", where LENGTH counts itself.
func (e *Encoder) record(keyword, value string) { appendRecord(e, keyword, value) }

func appendRecord[V string | []byte](e *Encoder, keyword string, value V) {
	e.begin(len(keyword) + len(value))
	e.records = append(e.records, keyword...)
	e.records = append(e.records, '=')
	e.records = append(e.records, value...)
	e.records = append(e.records, '\n')
}

func (e *Encoder) recordInt(keyword string, v int64) {
	e.text = strconv.AppendInt(e.text[:0], v, 10)
	appendRecord(e, keyword, e.text)
}

// begin appends the length of a record whose keyword and value take n bytes.
func (e *Encoder) begin(n int) {
	n += len(" =\n")
	total := n + digits(n)
	if digits(total) > digits(n) {
		total = n + digits(total)
	}
	e.records = strconv.AppendInt(e.records, int64(total), 10)
	e.records = append(e.records, ' ')
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// appendTime appends seconds since the epoch in decimal, exact to the nanosecond. nsec counts
// forward from sec, but the text's fraction away from zero.
func appendTime(dst []byte, sec int64, nsec int) []byte {
	if sec < 0 {
		dst = append(dst, '-')
		if nsec > 0 {
			sec, nsec = sec+1, 1e9-nsec
		}
		sec = -sec
	}
	dst = strconv.AppendUint(dst, uint64(sec), 10)
	if nsec == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int(1e8); nsec > 0; unit /= 10 {
		dst = append(dst, '0'+byte(nsec/unit))
		nsec %= unit
	}
	return dst
}
