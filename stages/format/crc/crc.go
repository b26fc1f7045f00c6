// Package crc computes the CRC-32 of two runs of bytes from the CRC-32 of each. A CRC is a
// remainder of polynomials over GF(2): n more bytes multiply it by x^(8n). Inversions cancel out.
package crc

// A Shift multiplies a CRC by x^(8n). The zero value is not usable.
type Shift struct{ polynomial, factor uint32 }

// NewShift returns the Shift for n bytes. It costs about the same for any n.
func NewShift(polynomial uint32, n int64) Shift {
	factor, square := uint32(1)<<31, uint32(1)<<23 // 1 and x^8: bit 31 is the coefficient of x^0
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			factor = multiply(polynomial, factor, square)
		}
		square = multiply(polynomial, square, square)
	}
	return Shift{polynomial, factor}
}

// Combine returns the CRC of two runs, of which the second has the Shift's n bytes.
func (s Shift) Combine(first, second uint32) uint32 {
	return multiply(s.polynomial, first, s.factor) ^ second
}

func multiply(polynomial, a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		b = b>>1 ^ polynomial&-(b&1)
	}
	return product
}
