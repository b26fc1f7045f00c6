package page

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/bench"
	"firn/stages/stage/sample"
)

// around is a range of ± 10 %.
func around(value float64) sample.Range {
	return sample.Range{Value: value, Low: .9 * value, High: 1.1 * value, Count: 5}
}

// exampleBench is a benchmark that is compared with an earlier one.
func exampleBench(t testing.TB, file string) *simulation {
	s := newSimulation(t, ui.Backup(), Options{File: file, Command: "bench", From: "/srv/data", To: "s3://example-archives", Host: "alpha", Version: "1.4.0", Settings: backupSettings})
	s.now.Elapsed = time.Minute
	s.Measured(0, exampleMeasured())
	return s
}

func exampleMeasured() show.Measured {
	r := &bench.Result{
		Version: bench.Version, Made: began, Host: "alpha", System: "linux/amd64", Cores: 8, Seconds: 61,
		Tree:     bench.Tree{Path: "/srv/data", Files: 11478, Entries: 12802, Bytes: 122 * mib, Tar: 131 * mib, First: sample.Range{Value: 41_000, Low: 41_000, High: 41_000, Count: 1}, Again: around(310_000)},
		Read:     bench.Reading{Rate: around(900 * mib), Workers: 4, Bytes: 131 * mib, Disk: -1},
		Settings: bench.Settings{Algorithm: "bzip2", Level: 9, Depth: 1, Compress: 8},
		Upload:   &bench.Link{Store: "s3://example-archives", Bytes: 300 * mib, Requests: 60},
		Backup:   &bench.Pipeline{Rate: around(101 * mib), Ratio: 4.43, Bytes: 131 * mib, Whole: true, CPU: 7e-8, Limit: "compress", Seconds: 10},
	}
	for i, name := range []string{"gzip", "bzip2", "lzma", "zstd"} {
		for j, level := range []int{1, 6, 9} {
			r.Codecs = append(r.Codecs, bench.Codec{Name: name, Level: level, Rate: around(float64(180*mib) / float64(1+i*j+j*j)), Ratio: around(3.9 + float64(i+j)/3)})
		}
	}
	used := r.Codecs[5] // bzip2 -9
	for i := range r.Codecs {
		c := &r.Codecs[i]
		c.Cost, c.Size = around(used.Rate.Value/c.Rate.Value), around(used.Ratio.Value/c.Ratio.Value)
	}
	r.Codecs[1].Rate.Unbounded = true
	for i, workers := range []int{1, 2, 4, 8} {
		r.Scaling = append(r.Scaling, bench.Scaled{Workers: workers, Rate: around(float64((10 + 14*i) * mib))})
		r.Upload.By = append(r.Upload.By, bench.Scaled{Workers: workers, Rate: around(float64((90 - 20*(i-2)*(i-2)) * mib))})
		r.Backup.Stages = append(r.Backup.Stages, bench.Busy{Stage: []string{"walk", "archive", "compress", "upload"}[i], Workers: 4, Share: []float64{.03, .2, .97, .4}[i]})
	}
	r.Sums = []bench.Rated{{Name: bench.SumTar, Rate: around(gib)}, {Name: "AES-256-CBC", Rate: around(gib / 2)}}
	m := show.Measured{Result: r}
	m.Forecast, _ = r.Project(20 << 40)
	before := *r
	before.Codecs = append([]bench.Codec(nil), r.Codecs...)
	before.Codecs[4].Rate = around(3 * mib)
	before.Host = "beta"
	m.Before = &before
	return m
}

// A page of a benchmark has what was measured and what is projected in tables of their own.
func TestMeasured(t *testing.T) {
	s := exampleBench(t, "")
	page, err := os.ReadFile(s.o.File)
	if err != nil {
		t.Fatal(err)
	}
	texts := sound(t, page)
	for _, want := range []string{"a backup reads 101 MiB/s, and compress is its limit", "bzip2 -9", "± 10 %", "nothing changes", "+100 %", "nothing in this table was measured", "differs: machine: beta then, alpha now", "8 connections"} {
		if !strings.Contains(texts, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	measured, projected, _ := strings.Cut(string(page), "<h2>Projected")
	if strings.Contains(measured, "nothing changes") || !strings.Contains(projected, "nothing changes") || strings.Contains(projected, `class="bar"`) {
		t.Error("what is measured and what is projected are mixed")
	}
	for _, err := range s.warned {
		t.Error(err)
	}
}

// Whatever a result holds, which may be somebody else's if it is compared with: the page is sound.
func TestMeasuredAnything(t *testing.T) {
	for i, value := range []float64{0, -1, math.NaN(), math.Inf(1), 1e300, 5e-324} {
		s := newSimulation(t, ui.Backup(), Options{Command: "bench"})
		m := exampleMeasured()
		of := sample.Range{Value: value, Low: -value, High: value, Count: 1 + i}
		m.Tree.First, m.Read.Rate, m.Backup.Rate, m.Codecs[0].Rate, m.Codecs[1].Ratio, m.Upload.By[0].Rate, m.Scaling[3].Rate = of, of, of, of, of, of, of
		m.Forecast.Cases[0].Hours, m.Forecast.Cases[1].Rate, m.Backup.Ratio, m.Backup.Stages[0].Share = of, of, value, value
		for j, name := range nasty {
			m.Codecs = append(m.Codecs, bench.Codec{Name: name, Level: j, Rate: of, Ratio: of})
			m.Sums = append(m.Sums, bench.Rated{Name: name, Rate: of})
			m.Missing = append(m.Missing, bench.Missing{What: name, Why: name}, bench.Missing{What: name, Err: errors.New(name)})
		}
		m.Backup.Limit, m.Upload.Store, m.Settings.Algorithm, m.Tree.Path, m.Before.Firn = nasty[1], nasty[2], nasty[4], nasty[3], nasty[4]
		m.Before.Codecs, m.Before.Sums = m.Codecs, m.Sums
		s.Measured(3, m)
		page, err := os.ReadFile(s.o.File)
		if err != nil {
			t.Fatal(err)
		}
		if texts := sound(t, page); strings.Contains(texts, "\x1b") || strings.Contains(texts, "secret@") {
			t.Error("a name is as it was")
		}
	}
}
