package sim

import (
	"math"
	"testing"
)

// BenchmarkMillion is a million subtrees on 256 hosts.
func BenchmarkMillion(b *testing.B) {
	c := simple()
	c.Load = Load{Entries: 1e9, Subtrees: 1e6, Bytes: 1e15, Skew: 1}
	c.Hosts = 256
	c.Rates = Rates{
		Walk: 5e5, Record: 5000, Broker: 20_000, Writes: 3500, Scan: 1e5, Cores: 16, PerByte: 15e-9,
		PerItem: 0.005, Serial: 5e8, Link: 1.25e9, Encrypt: 1e9, Ratio: 2, PartSize: 64e6, Latency: 0.05,
	}
	for b.Loop() {
		r, err := Run(c)
		if err != nil || math.IsNaN(r.Seconds) {
			b.Fatal(r, err)
		}
		b.ReportMetric(r.Seconds, "simulated-s")
	}
}
