package xz

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The filters that may go before LZMA2 (section 5.3).
const (
	filterDelta = 0x03 + iota
	filterX86
	filterPowerPC
	filterIA64
	filterARM
	filterARMThumb
	filterSPARC
	filterARM64
	filterRISCV
)

func filterName(id uint64) string {
	names := map[uint64]string{
		filterDelta: "Delta", filterX86: "x86", filterPowerPC: "PowerPC", filterIA64: "IA-64", filterARM: "ARM",
		filterARMThumb: "ARM-Thumb", filterSPARC: "SPARC", filterARM64: "ARM64", filterRISCV: "RISC-V", filterLZMA2: "LZMA2",
	}
	if name, ok := names[id]; ok {
		return "the filter " + name
	}
	return fmt.Sprintf("the filter %#x", id)
}

// A filter undoes an encoder's filter.
type filter interface {
	// decode changes p in place and returns how many of its bytes are done. The others are passed
	// again with what follows them; at the end of the block they stay unchanged.
	decode(p []byte) int
}

// newFilters makes a block's filters, in the order in which a decoder applies them.
func newFilters(flags []filterFlags) ([]filter, error) {
	var all []filter
	for _, flags := range slices.Backward(flags) {
		f, err := newFilter(flags)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func newFilter(f filterFlags) (filter, error) {
	if f.id == filterDelta {
		if len(f.properties) != 1 {
			return nil, unsupported("Delta with properties %#x", f.properties)
		}
		return &delta{distance: int(f.properties[0]) + 1}, nil
	}
	branch := newConverter(f.id)
	if branch.convert == nil {
		return nil, unsupported("%s before the last", filterName(f.id))
	}
	switch len(f.properties) {
	case 0:
	case 4:
		branch.position = binary.LittleEndian.Uint32(f.properties)
		if branch.position%branch.align != 0 {
			return nil, unsupported("%s from offset %d on", filterName(f.id), branch.position)
		}
	default:
		return nil, unsupported("%s with properties %#x", filterName(f.id), f.properties)
	}
	return &branch, nil
}

// A chain is a block's filters, and what each of them has not done yet.
type chain struct {
	filters []filter
	held    [][]byte
}

// appendTo appends the decoded p to dst. last says that nothing follows.
func (c *chain) appendTo(dst, p []byte, last bool) []byte {
	for i, f := range c.filters {
		p = append(c.held[i], p...)
		n := f.decode(p)
		c.held[i] = nil
		if !last {
			c.held[i] = append([]byte(nil), p[n:]...)
			p = p[:n]
		}
	}
	return append(dst, p...)
}

// A delta adds to each byte the one a distance before it (section 5.3.3).
type delta struct {
	distance int
	history  [256]byte
	at       byte
}

func (d *delta) decode(p []byte) int {
	for i, b := range p {
		b += d.history[d.at-byte(d.distance)]
		d.history[d.at] = b
		d.at++
		p[i] = b
	}
	return len(p)
}
