package storetest

import (
	"encoding/binary"
	"slices"

	"firn/stages/store"
)

// Forge returns b with other last 4 bytes, so that it has a CRC-32C. They are solved for, since a CRC is
// linear in them.
func Forge(b []byte, crc32c uint32) []byte {
	forged, last := slices.Clone(b), len(b)-4
	begin := store.CRC32C(forged[:last])
	crc := func(x uint32) uint32 {
		binary.LittleEndian.PutUint32(forged[last:], x)
		return store.CombineCRC32C(begin, store.CRC32C(forged[last:]), 4)
	}
	none := crc(0)
	want := crc32c ^ none
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
