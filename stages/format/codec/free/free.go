// Package free keeps buffers for decoders that work on several blocks at once.
package free

// A List keeps buffers that are not in use, as many as the channel holds. It is safe for concurrent
// use.
type List chan []byte

// Get returns an empty buffer: one that was put, or nil.
func (l List) Get() []byte {
	select {
	case b := <-l:
		return b[:0]
	default:
		return nil
	}
}

// Put gives a buffer back.
func (l List) Put(b []byte) {
	if cap(b) == 0 {
		return
	}
	select {
	case l <- b:
	default:
	}
}
