package page

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/service/report"
)

// began is when runs of tests begin.
var began = time.Date(2026, 11, 29, 12, 46, 9, 0, time.UTC)

// A simulation is a run whose clock and counters a test sets.
type simulation struct {
	*Page
	totals report.Totals
	tee    *report.Tee
	now    report.Progress
	warned []error
}

func newSimulation(t testing.TB, words ui.Operation, o Options) *simulation {
	s := new(simulation)
	if o.File == "" {
		o.File = filepath.Join(t.TempDir(), "report.html")
	}
	o.AtEnds, o.Totals, o.Teller = true, &s.totals, ui.NewTeller(ui.Options{Operation: words}, &s.totals)
	o.Warn = func(err error) { s.warned = append(s.warned, err) }
	o.now = func() time.Time { return began.Add(s.now.Elapsed) }
	s.Page = Start(o)
	s.tee = &report.Tee{Totals: &s.totals, To: s.Page}
	return s
}

// starts begins to sample by hand, not by the clock.
func (s *simulation) starts() {
	s.progress, s.start = func() report.Progress { return s.now }, began
	s.Page.sample()
}

// step passes time, with the busy shares and the bytes a second of stages.
func (s *simulation) step(d time.Duration, busy map[string]float64, in, out map[string]float64) {
	s.now.Elapsed += d
	stages := make([]pipeline.Counters, len(s.now.Stages)) // a snapshot is never changed
	copy(stages, s.now.Stages)
	for i := range stages {
		c := &stages[i]
		c.Offered += time.Duration(c.Workers) * d
		c.Busy += time.Duration(busy[c.Stage] * float64(c.Workers) * float64(d))
		c.BytesIn += int64(in[c.Stage] * d.Seconds())
		c.BytesOut += int64(out[c.Stage] * d.Seconds())
	}
	s.now.Stages = stages
	s.now.Sent += int64(out[report.StageUpload] * d.Seconds())
	s.now.Received += int64(in[report.StageFetch] * d.Seconds())
	s.Page.sample()
}

func (s *simulation) ends(code int, end report.Summary) {
	end.Progress = s.now
	s.Finish(code, end)
}

// outage tells of one of the store.
func (s *simulation) outage(since, lasts time.Duration, cause string, busy, over bool) {
	o := report.Outage{Service: "S3", Cause: cause, Busy: busy, Since: began.Add(since), For: lasts}
	kind := report.OutageOver
	if !over {
		o.Next = began.Add(since + lasts + time.Second)
		kind = report.OutageLasts
	}
	s.totals.Outages.Note(o)
	s.tee.Event(report.Event{Kind: kind, Outage: &o})
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

var backupSettings = []Setting{
	{"backup-path", "/srv/data", true}, {"bucket-name", "example-archives", true}, {"cache-path", "/var/cache/firn", true}, {"depth", "2", true},
	{"exclude", "*.o, /srv/data/scratch, node_modules/", true}, {"compression-algorithm", "zstd", true}, {"compression-level", "3", false},
	{"storage-class", "GLACIER", false}, {"upload-workers", "auto", false}, {"compress-workers", "8", false}, {"memory-limit", "209MiB", false}, {"part-size", "8MiB", false},
}

// exampleBackup is a first backup of 2 hours, with an outage, that is slow in its first half because of
// bzip2-like work, and later because of the link.
func exampleBackup(t testing.TB, file string) *simulation {
	s := newSimulation(t, ui.Backup(), Options{
		File: file, Command: "backup", From: "/srv/data", To: "s3://example-archives/hosts/alpha", Host: "alpha", Version: "1.4.0", Settings: backupSettings,
	})
	for i, name := range []string{"cut", "walk", "lookup", "archive", "compress", "hash", "spool", "check", "encrypt", "upload", "record"} {
		s.now.Stages = append(s.now.Stages, pipeline.Counters{Stage: name, Workers: []int{1, 4, 8, 4, 8, 12, 4, 2, 4, 16, 1}[i]})
	}
	s.now.MemoryLimit, s.now.SpoolLimit = 209*mib, 500*gib
	r := rand.New(rand.NewPCG(1, 2))
	s.starts()
	const length, tick = 134 * time.Minute, 5 * time.Second
	for s.now.Elapsed < length {
		at := float64(s.now.Elapsed) / float64(length)
		noise := func(v float64) float64 { return v * (1 + .25*r.NormFloat64()*math.Exp(-at)) }
		read, sent, busyUpload, busyCompress := noise(310*mib), noise(60*mib), .6, .97
		if at > .45 {
			read, sent, busyUpload, busyCompress = noise(190*mib), noise(98*mib), .98, .6
		}
		if at > .62 && at < .68 {
			sent, busyUpload = 0, 1
		}
		if at > .9 {
			read, busyCompress = 0, 0
		}
		s.totals.Subtrees.Store(int64(14220 * min(at*6, 1)))
		s.totals.Cut.Store(at > .17)
		done := int64(14220 * at * at)
		s.totals.DoneSubtrees.Store(done)
		s.now.SpoolUsed = int64(480 * gib * math.Sin(math.Pi*at) * min(1, .8+.2*r.Float64()))
		s.now.MemoryUsed = int64((150 + 50*r.Float64()) * mib)
		s.step(tick, map[string]float64{
			"walk": .3 * (1 - at), "lookup": .02, "archive": .35 * busyCompress, "compress": busyCompress, "hash": .18 * busyCompress, "spool": .1, "encrypt": .12, "upload": busyUpload, "record": .006,
		}, map[string]float64{"compress": max(read, 0)}, map[string]float64{"archive": max(read, 0), "compress": max(read, 0) / 3.1, "upload": max(sent, 0)})
	}
	s.outage(83*time.Minute, 8*time.Minute, "connection reset by peer", false, false)
	s.outage(83*time.Minute, 8*time.Minute+12*time.Second, "connection reset by peer", false, true)
	s.outage(40*time.Minute, 90*time.Second, "503 SlowDown", true, false)
	s.outage(40*time.Minute, 95*time.Second, "503 SlowDown", true, true)
	for i := range 23 {
		h := report.Host{Name: fmt.Sprintf("node-%02d.cluster.example.com:%d", i, 4000+i), State: report.HostWorks, Done: 600 - int64(i), Read: gib * int64(500-i), Sent: gib * int64(200-i)}
		switch i {
		case 1:
			h.Name, h.State, h.Failed = nasty[1], report.HostLost, 3
		case 2:
			h.State = report.HostLeft
		}
		if h.State == report.HostWorks {
			s.now.Hosts = append(s.now.Hosts, h)
		} else {
			s.now.Gone = append(s.now.Gone, h)
		}
	}
	for i := range 40 {
		size := int64(118*gib) / int64(i+1)
		s.tee.Event(report.Event{
			Kind: report.Saved, Path: fmt.Sprintf("/srv/data/lab/run%02d", i*7%40), Source: size, Stored: size / int64(2+i%3), Took: time.Duration(i*37%50) * 61 * time.Second,
		})
	}
	s.tee.Event(report.Event{Kind: report.Saved, Path: "/srv/data/photos/2019/a very long name of a directory that goes on and on, Fotos von der Reise nach Grönland im Sommer/raw", Source: 62 * gib, Stored: 61 * gib, Took: 41 * time.Minute})
	s.tee.Event(report.Event{Kind: report.Failed, Path: "/srv/data/home/<script>alert(1)</script>", Err: errors.New("reading the directory: permission denied")})
	for i := range 900 {
		name := fmt.Sprintf("/srv/data/home/mail/%d\x1b[2J", i)
		s.tee.Event(report.Event{Kind: report.Entry, Path: name, Err: fmt.Errorf("reading %q: input/output error", name)})
	}
	s.tee.Event(report.Event{Kind: report.Warning, Text: "made a new key file, /root/firn.key: copy it elsewhere; without it nothing can be opened"})
	s.tee.Event(report.Event{Kind: report.Warning, Key: "hosts/alpha/srv/data/x.tar.zst", Text: "the object is not the one that was recorded at http://user:secret@proxy:3128/"})
	return s
}

// exampleRestore is a restore of three days, most of which it waits for a thaw.
func exampleRestore(t testing.TB, file string) *simulation {
	s := newSimulation(t, ui.Restore(), Options{File: file, Command: "restore", From: "s3://example-archives", To: "/mnt/restored", Host: "beta", Version: "1.4.0"})
	for _, name := range []string{"find", "compare", "lookup", "fetch", "decrypt", "extract", "settle"} {
		s.now.Stages = append(s.now.Stages, pipeline.Counters{Stage: name, Workers: 4})
	}
	s.now.Load.Second = report.StageExtract
	s.now.MemoryLimit, s.now.SpoolLimit = 272*mib, math.MaxInt64/2
	s.totals.Subtrees.Store(800)
	s.totals.Cut.Store(true)
	s.starts()
	for s.now.Elapsed < 72*time.Hour {
		const tick = time.Minute
		fetch := 90.0 * mib
		busy := map[string]float64{"fetch": .9, "decrypt": .3, "extract": .5, "settle": .1}
		if s.now.Waits = nil; s.now.Elapsed > 5*time.Hour && s.now.Elapsed < 53*time.Hour {
			s.now.Waits, fetch, busy = new(report.Waits), 0, map[string]float64{"lookup": .01}
		} else {
			s.totals.DoneSubtrees.Add(1)
		}
		s.now.Load.Sent += int64(3 * fetch * tick.Seconds())
		s.now.SpoolUsed, s.now.MemoryUsed = int64(fetch*200), int64(fetch)
		s.step(tick, busy, map[string]float64{"fetch": fetch}, nil)
	}
	for i := range 30 {
		s.tee.Event(report.Event{Kind: report.Cold, Path: fmt.Sprintf("srv/data/old/%d", 1990+i), Class: "DEEP_ARCHIVE", Stored: gib})
	}
	return s
}

// exampleHostile is a run of which every name is chosen to harm.
func exampleHostile(t testing.TB, file string) *simulation {
	s := newSimulation(t, ui.Verify(), Options{File: file, Command: "verify", From: nasty[1], To: nasty[2], Host: nasty[3], Version: nasty[4]})
	for _, name := range []string{nasty[1], nasty[2], report.StageFetch} {
		s.now.Stages = append(s.now.Stages, pipeline.Counters{Stage: name, Workers: 1})
	}
	s.starts()
	for i := range 20 {
		busy := map[string]float64{}
		for j, c := range s.now.Stages {
			busy[c.Stage] = float64(i+j*5) / 30
		}
		s.step(time.Second, busy, map[string]float64{report.StageFetch: 1e9}, nil)
	}
	s.outage(time.Second, 5*time.Second, nasty[1], false, false)
	for i, name := range nasty {
		for _, kind := range []report.Kind{report.Verified, report.Damaged, report.Lost, report.Older, report.Warning, report.Cold} {
			s.tee.Event(report.Event{Kind: kind, Path: name, Key: name, Text: name, Run: name, Err: errors.New(name), Source: int64(1000 * i), Stored: 900, Took: time.Duration(i) * time.Second})
		}
	}
	return s
}
