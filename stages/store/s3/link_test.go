package s3_test

import (
	"testing"
	"time"

	"firn/bench/harness"
	"firn/stages/store"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

// TestBandwidth: the limit reaches the connections that the SDK's client really uses.
func TestBandwidth(t *testing.T) {
	s := serve(t)
	st := s.open(t, func(o *s3.Options) { o.Bandwidth = func(time.Time) (up, down int64) { return 20 * mib, 20 * mib } })
	body := storetest.Bytes("body", 6*mib)
	start := time.Now()
	storetest.Put(t, st, "k", body, store.PutOptions{})
	if took := time.Since(start); took < 280*time.Millisecond {
		t.Errorf("sent 6 MiB at 20 MiB/s within %s", took)
	}
	start = time.Now()
	storetest.Read(t, st, "k", store.GetOptions{})
	if took := time.Since(start); took < 280*time.Millisecond {
		t.Errorf("read 6 MiB at 20 MiB/s within %s", took)
	}
}

// TestSilentServer: a server that takes a request and says nothing is given up, and what gets
// through later is taken.
func TestSilentServer(t *testing.T) {
	s := serve(t)
	open := func(tries int) *s3.Store {
		return s.open(t, s.faulty, func(o *s3.Options) { o.Silence, o.Attempts, o.RetryFor = 100*time.Millisecond, tries, -1 })
	}
	silent := harness.Fault{Hold: make(chan struct{})}
	s.rule(once("PutObject", 1000, silent))
	_, err := open(3).Put(t.Context(), "k", []byte("x"), store.PutOptions{CRC32C: store.CRC32C([]byte("x"))})
	mustSay(t, err, false, "check the network")
	s.rule(once("PutObject", 2, silent))
	storetest.Put(t, open(1000), "k", []byte("x"), store.PutOptions{})
}
