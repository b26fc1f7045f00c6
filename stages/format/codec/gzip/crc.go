package gzip

// A CRC-32 is a polynomial over GF(2), bit 31 the coefficient of x^0, modulo
//
//	P = x^32 + x^26 + x^23 + x^22 + x^16 + x^12 + x^11 + x^10 + x^8 + x^7 + x^5 + x^4 + x^2 + x + 1.
//
// With crc(A) and crc(B) inverted before and after, as usual, crc(AB) = crc(A)·x^(8·|B|) + crc(B)
// mod P.
const polynomial = 0xedb88320

// one is the polynomial 1.
const one = 1 << 31

// A shift multiplies by x^(8n).
type shift struct {
	n      int
	factor uint32
}

func newShift(n int) shift {
	factor, square := uint32(one), uint32(one>>8) // 1 and x^8
	for k := uint(n); k != 0; k >>= 1 {
		if k&1 != 0 {
			factor = multiply(factor, square)
		}
		square = multiply(square, square)
	}
	return shift{n: n, factor: factor}
}

func (s shift) apply(crc uint32) uint32 { return multiply(crc, s.factor) }

// multiply returns a·b mod P.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}
