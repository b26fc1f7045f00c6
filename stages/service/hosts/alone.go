package hosts

import (
	"context"
	"time"
)

// suspect is the try from which on an item may be what kills its workers. One is worked on alone, so that
// nothing else dies with it until that has been handed out too often as well.
const suspect = 3

// suspects reports whether a suspect is in work. The caller holds mu.
func (m *Member) suspects() bool {
	for w := range m.works {
		if w.try >= suspect {
			return true
		}
	}
	return false
}

// alone waits until a suspect is the only work that is held; its lease lasts as long as the others move.
// It is false if the lease ended, or ctx did: the item is not to be worked on.
func (m *Member) alone(ctx context.Context, w *Work) bool {
	for w.try >= suspect {
		m.mu.Lock()
		others := len(m.works) > 1
		m.mu.Unlock()
		if !others {
			break
		}
		select {
		case <-m.fewer:
		case <-time.After(looksForRoom):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || w.Late() {
			w.HandBack()
			return false
		}
	}
	return true
}
