package main

import (
	"strings"
	"testing"

	"firn/bench/hosts/rates"
)

// What is printed of a measurement: speed against one worker, and the limit that binds.
func TestPrintMeasured(t *testing.T) {
	r := record{Link: 1e6, Sets: []measuredSet{{Skew: 1, Outcomes: []outcome{
		{Workers: 1, Kind: "plain", Wall: 110, Stored: 100e6, Largest: 40e6},
		{Workers: 1, Wall: 120, Stored: 100e6, Largest: 40e6},
		{Workers: 2, Wall: 60, Stored: 100e6, Largest: 40e6},
		{Workers: 4, Wall: 50, Stored: 100e6, Largest: 40e6, Lead: 1, Work: 2, Others: 3},
	}}}, Tiny: &tinySet{Items: 1000, Outcomes: []outcome{{Kind: "plain", Workers: 1, Lead: 4}, {Workers: 2, Lead: 1, Work: 3.5}}}}
	var out strings.Builder
	v := &measuredView{r}
	v.table(&out, nil)
	for _, want := range []string{
		"the largest subtree is 40.0 % of all, so it binds from 2.5 workers",
		"| no queue | 110.0 | 0.91 | 1.09 | 1.09 | 100.0 | 0.91 | links |",
		"| 2 | 60.0 | 1.67 | 2.00 | 1.00 | 50.0 | 0.83 | links |",
		"| 4 | 50.0 | 2.00 | 2.40 | 0.60 | 40.0 | 0.80 | largest subtree | 1.0 | 2.0 | 3.0 |",
		"| 2 workers | 0.0 | 1.00 | 3.50 | 4.50 | 0.50 |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if got := v.coordinator(); got != 0.001 {
		t.Errorf("the coordinator takes %v s an item", got)
	}
}

// All that a simulation takes was measured, and a small one prints and draws what it should.
func TestSimulate(t *testing.T) {
	table, err := rates.Measured()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{measured: table, shown: &measuredView{}, cores: 16, link: 10 * gbit, writes: 3500, part: 64 << 20, ahead: 10_000, hold: 8}
	s.load.Entries, s.load.Subtrees, s.load.Bytes = 1e6, 1000, 1e12
	for _, s.algorithm = range []string{"gzip", "bzip2", "lzma", "zstd"} {
		if r, err := s.rates(); err != nil || r.PerByte <= 0 || r.Broker <= 0 || r.Record <= 0 || r.Scan <= 0 {
			t.Fatalf("%s: %+v, %v", s.algorithm, r, err)
		}
	}
	y := &study{}
	var out strings.Builder
	for _, make := range []func(*site, *study) (view, error){newSpeed, newLimits, newFailures, newAhead, newHold} {
		v, err := make(s, y)
		if err == nil {
			err = y.run(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		v.table(&out, y)
		for name, d := range v.drawings(y) {
			var svg strings.Builder
			if err := d.Write(&svg); err != nil || !strings.Contains(svg.String(), "</svg>") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if rows := strings.Count(out.String(), "\n| "); rows < 35 {
		t.Errorf("%d rows in\n%s", rows, out.String())
	}
}
