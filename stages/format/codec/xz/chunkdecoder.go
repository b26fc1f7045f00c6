package xz

import "encoding/binary"

// maxRaw stands for an unknown size of a block: more than can be decoded, but sums do not overflow.
const maxRaw = 1 << 62

// slack is how far behind the end of what it decodes a chunkDecoder may write.
const slack = 16

// A chunkDecoder decodes the chunks of a block's LZMA2 data to the end of buf[:pos].
type chunkDecoder struct {
	decoderModel
	in     chunkBytes
	head   [chunkHeader]byte
	dict   int   // how far back a match may reach, in bytes
	slide  bool  // buf need not keep more than dict
	left   int64 // what the block may still become, in bytes; at most maxRaw
	wanted byte  // the least reset with which the next compressed chunk has to begin; resetDictionary: any chunk
	buf    []byte
	pos    int
	origin int // where the dictionary began, which may be before buf: the position counts from here
}

// begin prepares u for a block of at most size bytes, decoded into buf's array while it has room.
func (u *chunkDecoder) begin(buf []byte, dict int, size int64, slide bool) {
	u.buf, u.pos, u.origin = buf[:cap(buf)], 0, 0
	u.dict, u.left, u.slide = dict, size, slide
	u.wanted = resetDictionary
}

// chunk decodes the next chunk and returns what it becomes, which is valid until the next call.
// After the last chunk more is false. It must not be called then, or after an error.
func (u *chunkDecoder) chunk(in input) (data []byte, more bool, err error) {
	if err := in.full(u.head[:1]); err != nil {
		return nil, false, err
	}
	control := u.head[0]
	if control == chunkEnd {
		return nil, false, nil
	}
	n, err := u.next(in, control)
	return u.buf[u.pos-n : u.pos], true, err
}

// next decodes a chunk that begins with a control byte and returns how many bytes it becomes.
func (u *chunkDecoder) next(in input, control byte) (int, error) {
	if control == chunkStoredReset || control >= chunkLZMA|resetDictionary {
		u.origin = u.pos
		u.wanted = resetProperties
	} else if u.wanted == resetDictionary {
		return 0, corrupt("a block that does not begin with a new dictionary")
	}
	if control >= chunkLZMA {
		return u.compressed(in, control)
	}
	if control > chunkStored {
		return 0, corrupt("a chunk of an unknown kind")
	}
	if err := in.full(u.head[:2]); err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(u.head[:])) + 1
	if err := u.room(n); err != nil {
		return 0, err
	}
	if err := in.full(u.buf[u.pos : u.pos+n]); err != nil {
		return 0, err
	}
	u.pos += n
	return n, nil
}

func (u *chunkDecoder) compressed(in input, control byte) (int, error) {
	reset := control & resetDictionary
	if reset < u.wanted {
		return 0, corrupt("a chunk without the properties that it needs")
	}
	h := u.head[:4]
	if reset >= resetProperties {
		h = u.head[:5]
	}
	if err := in.full(h); err != nil {
		return 0, err
	}
	if reset >= resetProperties && !u.setProperties(h[4]) {
		return 0, corrupt("a chunk with impossible properties")
	}
	if reset >= resetState {
		u.reset()
	}
	u.wanted = 0
	n := int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(h)) + 1
	size := int(binary.BigEndian.Uint16(h[2:])) + 1
	if err := u.room(n); err != nil {
		return 0, err
	}
	if err := in.full(u.in[:size]); err != nil {
		return 0, err
	}
	if err := u.symbols(size, n); err != nil {
		return 0, err
	}
	return n, nil
}

// room makes room for n bytes of a chunk, and for the block as it grows.
func (u *chunkDecoder) room(n int) error {
	if u.left -= int64(n); u.left < 0 {
		return corrupt("a block that is longer than its header says")
	}
	need := u.pos + n + slack
	if need <= len(u.buf) {
		return nil
	}
	if u.slide && u.pos >= u.dict+u.dict/2 {
		drop := (u.pos - u.dict) &^ (1<<maxPositionBits - 1)
		u.pos = copy(u.buf, u.buf[drop:u.pos])
		if u.origin -= drop; u.origin < 0 { // only its place among the positions matters now
			u.origin = u.origin&(1<<maxPositionBits-1) - 1<<maxPositionBits
		}
		need -= drop
	}
	if need > len(u.buf) {
		most := u.left + int64(need) // all of the block
		if u.slide {
			most = min(most, int64(u.dict+u.dict/2+chunkInput+slack))
		}
		size := max(int64(need), min(most, 2*int64(len(u.buf))))
		u.buf = append(make([]byte, 0, size), u.buf[:u.pos]...)[:size]
	}
	return nil
}

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
