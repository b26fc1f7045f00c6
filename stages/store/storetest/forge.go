package storetest

import (
	"encoding/binary"
	"slices"

	"firn/stages/store"
)

// Forge returns other bytes than b with the same CRC-32C: b with a bit changed and other last 4 bytes,
// which are solved for, since a CRC is linear in them.
func Forge(b []byte) []byte {
	forged, last := slices.Clone(b), len(b)-4
	forged[0] ^= 1
	begin := store.CRC32C(forged[:last])
	crc := func(x uint32) uint32 {
		binary.LittleEndian.PutUint32(forged[last:], x)
		return store.CombineCRC32C(begin, store.CRC32C(forged[last:]), 4)
	}
	none := crc(0)
	want := store.CRC32C(b) ^ none
	var x uint32
	var rows [32][2]uint32 // what a change of the last bytes changes, by its highest bit
	for bit := range 32 {
		change, by := crc(1<<bit)^none, uint32(1)<<bit
		for high := 31; high >= 0 && change != 0; high-- {
			if change>>high&1 == 0 {
				continue
			}
			if rows[high][0] == 0 {
				rows[high] = [2]uint32{change, by}
				break
			}
			change, by = change^rows[high][0], by^rows[high][1]
		}
	}
	for high := 31; high >= 0; high-- {
		if want>>high&1 == 1 {
			want, x = want^rows[high][0], x^rows[high][1]
		}
	}
	crc(x)
	return forged
}
