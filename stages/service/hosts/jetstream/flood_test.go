package jetstream_test

import (
	"runtime"
	"testing"

	"firn/bench/harness"
)

// TestManyAdvisories: what anybody says of items that were handed out too often takes no memory, though
// nobody looks at it yet.
func TestManyAdvisories(t *testing.T) {
	s := harness.NATS(t)
	o := options(s.URL)
	boss := link(t, o)
	check(t, boss.Lead(t.Context(), 30*lease))
	nc := connect(t, s.URL).Conn()
	for range 100 {
		check(t, nc.Publish("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.FIRN_"+o.Name+"_items.workers", make([]byte, 1<<20)))
	}
	check(t, nc.Flush())
	if _, err := boss.Kept(t.Context()); err != nil { // it has all that was sent before the reply
		t.Error(err)
	}
	runtime.GC()
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > 50<<20 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(boss)
}
