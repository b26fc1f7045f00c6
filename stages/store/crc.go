package store

import "hash/crc32"

// CRC32C is the CRC-32C (Castagnoli; RFC 3720, B.4) of b.
func CRC32C(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// CombineCRC32C returns the CRC-32C of two runs of bytes, one after the other, from the CRC-32C of
// each; size is the length of the second in bytes. It costs the same for any size.
//
// A CRC is a remainder of polynomials over GF(2). Appending size bytes multiplies the first
// remainder by x^(8·size), and what the initial and final inversions add cancels out.
func CombineCRC32C(first, second uint32, size int64) uint32 {
	return multiply(first, power(uint64(size)*8)) ^ second
}

// multiply returns a·b mod P in the reflected order of bits, in which x^0 is the highest bit.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

// power returns x^n mod P.
func power(n uint64) uint32 {
	result, square := uint32(1)<<31, uint32(1)<<30 // x^0, x^1
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = multiply(square, result)
		}
		square = multiply(square, square)
	}
	return result
}
