package xz

import "encoding/binary"

// symbols decodes a compressed chunk, the first size bytes of u.in, to n bytes of buf.
func (u *chunkDecoder) symbols(size, n int) error {
	v, ok := begin(&u.in)
	if !ok {
		return corrupt("a chunk that does not begin with zero")
	}
	buf, pos, end, in := u.buf, u.pos, u.pos+n, &u.in
	for pos < end {
		position := uint32(pos - u.origin)
		state := u.state & stateMask
		var bit uint32
		v, bit = v.fill(in).bit(&u.isMatch[state<<maxPositionBits|position&u.positionMask&(1<<maxPositionBits-1)])
		if bit == 0 {
			var before byte
			if pos > u.origin {
				before = buf[pos-1]
			}
			ps := u.literals(position, before)
			if state < firstMatch {
				v, buf[pos] = v.literal(in, ps)
			} else {
				v, buf[pos] = v.literalAfterMatch(in, ps, uint32(buf[pos-int(u.reps[0])-1]))
			}
			u.state = uint32(afterLiteral(uint8(state)))
			pos++
			continue
		}
		var length uint32
		v, bit = v.fill(in).bit(&u.isRep[state])
		if bit == 0 {
			v, length = v.length(in, &u.match, position&u.positionMask)
			u.reps[3], u.reps[2], u.reps[1] = u.reps[2], u.reps[1], u.reps[0]
			v, u.reps[0] = u.distance(v, in, length)
			u.state = uint32(afterMatch(uint8(state)))
		} else {
			v, length = u.repeated(v, in, position&u.positionMask)
		}
		if int64(u.reps[0]) >= int64(min(pos-u.origin, u.dict)) {
			return corrupt("a match from before the dictionary")
		}
		if int(length) > end-pos {
			return corrupt("a match that goes on after its chunk")
		}
		repeat(buf, pos, int(u.reps[0])+1, int(length))
		pos += int(length)
	}
	v = v.fill(in)
	if int(v.at) != size || v.code != 0 {
		return corrupt("a chunk that does not end where it should")
	}
	u.pos = pos
	return nil
}

// repeat copies length bytes from distance before pos to pos, and may write 7 bytes more.
func repeat(buf []byte, pos, distance, length int) {
	from := pos - distance
	if distance >= 8 {
		if length > 64 && distance >= length {
			copy(buf[pos:pos+length], buf[from:])
			return
		}
		for end := pos + length; pos < end; pos, from = pos+8, from+8 {
			binary.LittleEndian.PutUint64(buf[pos:], binary.LittleEndian.Uint64(buf[from:]))
		}
		return
	}
	to := buf[pos : pos+length]
	src := buf[from : from+len(to)]
	for i := range to {
		to[i] = src[i]
	}
}
