package hosts

// recent keeps what is known of the slots that were put last, of mostRecent of them at least. The zero value
// has none.
type recent[T any] struct{ now, before map[string]T }

// mostRecent bounds what is kept of items that have ended, twice.
const mostRecent = 1 << 15

func (r *recent[T]) put(slot string, v T) {
	if r.now == nil || len(r.now) >= mostRecent {
		r.now, r.before = map[string]T{}, r.now
	}
	r.now[slot] = v
}

// of is what was put for a slot, else the zero value.
func (r *recent[T]) of(slot string) T {
	if v, ok := r.now[slot]; ok {
		return v
	}
	return r.before[slot]
}
