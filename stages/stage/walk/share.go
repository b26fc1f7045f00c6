package walk

// share hands work to an idle worker, if there is one. Otherwise the caller does it, so that nothing
// is queued and no deadlock is possible.
type share struct{ idle chan struct{} }

func newShare(workers int) share {
	return share{idle: make(chan struct{}, workers)}
}

// offer runs fn on its own goroutine and returns true if a worker is idle. The caller must wait for fn to end.
func (s share) offer(fn func()) bool {
	select {
	case s.idle <- struct{}{}:
		go func() {
			defer func() { <-s.idle }()
			fn()
		}()
		return true
	default:
		return false
	}
}
