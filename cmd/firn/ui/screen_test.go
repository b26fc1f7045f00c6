package ui

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

const (
	gib = 1 << 30
	tib = 1 << 40
)

var noon = time.Date(2026, 11, 28, 17, 20, 0, 0, time.UTC)

// A scene is a run at a moment.
type scene struct {
	o Operation
	m *moment
}

// saving is the operation of scenes that save.
func saving() Operation {
	o := Backup()
	o.Task = Task{From: "/srv/data", To: "s3://example-archives", Class: "GLACIER", Algorithm: "zstd"}
	return o
}

// begin is a moment of a run that found so much, of which so many archives are done.
func begin(final bool, found, done, bytes int64) *moment {
	t := new(report.Totals)
	t.Subtrees.Store(found)
	t.DoneSubtrees.Store(done)
	t.Bytes.Store(bytes)
	if t.Cut.Store(final); final {
		t.Scanned.Store(found)
	}
	return &moment{now: noon, t: t, out: report.Outlook{Left: -1}, p: report.Progress{Stages: []pipeline.Counters{{Stage: report.StageArchive}}}}
}

// scenes are what the screen is for.
func scenes() map[string]scene {
	first := begin(false, 5012, 14, 6<<40+tib/8)
	first.p.Elapsed = 4*time.Minute + 7*time.Second
	first.p.MemoryUsed, first.p.MemoryLimit, first.p.SpoolUsed, first.p.SpoolLimit = 150*mib, 209*mib, 12*gib, 500*gib
	first.p.Now = []report.Work{{Path: "/srv/data/photos/2019", Doing: report.StageRead, Source: 62 * gib, Done: 12 * gib, Total: 62 * gib}}
	first.out.Flows = []report.Flow{
		{Stage: report.StageRead, Done: 91 * gib, Share: -1, Rate: 390 * mib},
		{Stage: report.StageCompress, Done: 90 * gib, Share: -1, Busy: 0.99, Ratio: 1.4},
		{Stage: report.StageUpload, Done: 51 * gib, Share: -1, Rate: 230 * mib},
	}

	nightly := begin(false, 9120, 8950, 13<<40)
	nightly.t.Unchanged.Store(8945)
	nightly.t.UnreadBytes.Store(12<<40 + 900*gib)
	nightly.p.Elapsed = 52 * time.Second
	nightly.p.Last = &report.Past{Subtrees: 14220, Bytes: 20 << 40, Read: 31 * gib, Stored: 11 * gib}
	nightly.p.Now = []report.Work{{Path: "/srv/data/mail", Doing: report.StageCompress, Source: 8 * gib}, {Path: "/srv/data/home/ann", Doing: report.StageUpload, Source: 2 * gib, Done: 41, Total: 100}}
	nightly.out.Flows = []report.Flow{
		{Stage: report.StageRead, Done: 9 * gib, Total: 31 * gib, About: true, Share: 0.29, Rate: 212 * mib},
		{Stage: report.StageCompress, Done: 9 * gib, Share: 0.29, Busy: 0.71, Ratio: 2.8},
		{Stage: report.StageUpload, Done: 2 * gib, Total: 11 * gib, About: true, Share: 0.18, Rate: 88 * mib},
	}
	nightly.out.Left, nightly.out.Limit = 95*time.Second, report.StageUpload

	upload := func() *moment {
		m := begin(true, 14220, 12852, 20<<40+tib/10)
		m.t.Unchanged.Store(7840)
		m.t.UnreadBytes.Store(8<<40 + tib/5)
		m.told = tally{warnings: 2}
		m.p.Elapsed = 2*time.Hour + 14*time.Minute + 7*time.Second
		m.p.MemoryUsed, m.p.MemoryLimit, m.p.SpoolUsed, m.p.SpoolLimit = 190*mib, 209*mib, 480*gib, 500*gib
		m.p.Now = []report.Work{
			{Path: "/srv/data/lab/run7", Doing: report.StageCompress, Source: 118 * gib},
			{Path: "/srv/data/photos/2019", Doing: report.StageUpload, Source: 62 * gib, Done: 41, Total: 100},
			{Path: "/srv/data/a path that is so long that it is cut, for no terminal is wide enough to show all of it", Doing: report.StageArchive, Source: 7 * gib, Done: 1, Total: 3},
		}
		m.out.Flows = []report.Flow{
			{Stage: report.StageRead, Done: 6<<40 + tib/5, Total: 11<<40 + 9*tib/10, Share: 0.52, Rate: 212 * mib},
			{Stage: report.StageCompress, Done: 6 << 40, Share: 0.52, Busy: 0.96, Ratio: 3.1},
			{Stage: report.StageUpload, Done: 3<<40 + 2*tib/5, Total: 10<<40 + 9*tib/10, About: true, Share: 0.31, Rate: 98 * mib},
		}
		m.out.Left, m.out.Limit = 23*time.Hour, report.StageUpload
		return m
	}
	outage := upload()
	outage.t.Outages.Note(report.Outage{Service: "S3", Cause: "connection refused", Since: noon.Add(-130 * time.Second), Next: noon.Add(12 * time.Second)})
	stop := upload()
	stop.p.Stopping, stop.out.Left = true, 4*time.Minute
	stop.p.Stages = []pipeline.Counters{{Stage: report.StageArchive, InFlight: 3}, {Stage: report.StageUpload, InFlight: 12}}

	thaw := begin(true, 90, 41, 800*gib)
	thaw.p.Elapsed = 4*time.Hour + 12*time.Second
	thaw.p.Stages = []pipeline.Counters{{Stage: report.StageFind, InFlight: 1}}
	thaw.p.Waits = &report.Waits{Archives: 49, Bytes: 430 * gib, Since: noon.Add(-3 * time.Hour), Next: noon.Add(9*time.Minute + 30*time.Second)}
	thaw.out.Flows = []report.Flow{
		{Stage: report.StageFetch, Done: 370 * gib, Total: 800 * gib, Share: 0.46},
		{Stage: report.StageExtract, Done: 900 * gib, Total: 1900 * gib, About: true, Share: 0.47},
	}
	thaw.out.Thaw, thaw.out.Left = true, 0
	restoring, verifying := Restore(), Verify()
	restoring.Task = Task{From: "s3://example-archives/nas", To: "/mnt/restored"}
	verifying.Task = Task{From: "s3://example-archives/nas"}
	verify := begin(true, 5000, 1250, 9<<40)
	verify.p.Elapsed = 61 * time.Second
	verify.told = tally{faults: 1}
	verify.out.Left = 3 * time.Minute

	many := upload()
	many.p.Queue = &report.Queue{Joined: 7}
	for i, name := range []string{"node-01:4121", "node-02:993", "node-03:17", "node-04:88", "node-05:1", "node-06:12"} {
		n := int64(i)
		many.p.Hosts = append(many.p.Hosts, report.Host{Name: name, Work: 3 + 4*i, Done: 200*n + 7, Read: (9 - n) * gib, ReadRate: float64((9 - n*n%8) * 20 * mib), SentRate: float64(98 * mib / (n + 1)),
			Now: []report.Work{{Path: "/srv/data/lab/run" + name[5:7], Doing: report.StageUpload, Done: 10 * n, Total: 100}}})
	}
	many.p.Hosts[1].Silent, many.p.Hosts[2].Failed = 74*time.Second, 2
	many.p.Gone = []report.Host{{Name: "node-01a:5", State: report.HostLost, Silent: 3 * time.Minute, Done: 12}, {Name: "node-07:8", State: report.HostLeft}}
	back := begin(true, 90, 41, 800*gib)
	back.p.Elapsed, back.p.Queue, back.out.Flows = 61*time.Second, &report.Queue{Joined: 14}, thaw.out.Flows
	for i := range 14 {
		h := report.Host{Name: fmt.Sprintf("node-%02d:7", i), Done: int64(i), Sent: int64(14-i) * gib}
		if i%3 == 2 {
			h.Work, h.SentRate, h.Now = i, float64(i*mib), []report.Work{{Path: "lab", Doing: report.StageExtract, Done: 1, Total: 2}}
		}
		back.p.Hosts = append(back.p.Hosts, h)
	}
	back.p.Hosts[13].Silent, back.p.Hosts[11].Now = 12*time.Second, []report.Work{{Path: "lab"}}
	alone := upload()
	alone.p.Queue = new(report.Queue)

	idle := begin(false, 0, 3, 0)
	idle.part = true

	helping := Worker("backup")
	helping.Task = saving().Task
	work := upload()
	work.t = new(report.Totals)
	work.t.DoneSubtrees.Store(1507)
	for i := range work.out.Flows {
		work.out.Flows[i].Total, work.out.Flows[i].Share = 0, -1
	}
	work.out.Left, work.out.Limit = -1, ""
	work.part, work.p.Held = true, 5

	return map[string]scene{
		"worker": {helping, work}, "idle": {Worker("restore"), idle}, "returning": {restoring, back},
		"hosts": {saving(), many}, "nobody": {saving(), alone},
		"first": {saving(), first}, "nightly": {saving(), nightly}, "upload": {saving(), upload()}, "outage": {saving(), outage},
		"stop": {saving(), stop}, "thaw": {restoring, thaw}, "verify": {verifying, verify},
	}
}

func (s scene) on(l look) *screen {
	return &screen{look: l, o: &Options{Operation: s.o}, bars: map[string]*bar{}}
}

// TestScreens compares the rows of each scene, at each width, with those that were looked at.
func TestScreens(t *testing.T) {
	for name, s := range scenes() {
		var b strings.Builder
		for _, columns := range []int{200, 120, 80, 40} {
			fmt.Fprintf(&b, "-- %d columns --\n", columns)
			for _, row := range s.on(look{}).draw(s.m, columns, 24) {
				if columnsOf(row) >= columns {
					t.Errorf("%s at %d columns: %d in %q", name, columns, columnsOf(row), row)
				}
				b.WriteString(row + "\n")
			}
		}
		path := filepath.Join("testdata", "screens", name+".txt")
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || string(want) != b.String() {
			t.Errorf("%s is not what is drawn (%v):\n%s", path, err, b.String())
		}
	}
}

// Every row of every scene fits any terminal, and no number in it is cut.
func TestRowsFit(t *testing.T) {
	for name, s := range scenes() {
		whole := map[string]bool{}
		for _, row := range s.on(look{ascii: true}).draw(s.m, 1000, 24) {
			for _, word := range numbers(row) {
				whole[word] = true
			}
		}
		for columns := 30; columns < 210; columns++ {
			for _, row := range s.on(look{ascii: true}).draw(s.m, columns, 24) {
				if columnsOf(row) >= columns {
					t.Errorf("%s at %d columns: %q", name, columns, row)
				}
				for _, word := range numbers(row) {
					if !whole[word] {
						t.Errorf("%s at %d columns: %s in %q", name, columns, word, row)
					}
				}
			}
		}
		for lines := range 12 {
			if rows := s.on(look{}).draw(s.m, 80, lines); len(rows) > max(lines-1, 1) {
				t.Errorf("%s: %d rows in %d lines", name, len(rows), lines)
			}
		}
	}
}

// numbers are the words of a row that are numbers.
func numbers(row string) (all []string) {
	for _, word := range strings.FieldsFunc(row, func(r rune) bool { return strings.ContainsRune(" ()[]?", r) }) {
		if strings.Trim(word, "0123456789.,:~%$") == "" && strings.ContainsAny(word, "0123456789") {
			all = append(all, strings.Trim(word, ",~"))
		}
	}
	return all
}

// TestLooks: ASCII where the locale has no other characters, and no styles where none are wanted.
func TestLooks(t *testing.T) {
	for _, tt := range []struct {
		env          string
		ascii, color bool
	}{
		{"LANG=C.UTF-8", false, true}, {"LC_ALL=C LANG=de_CH.UTF-8", true, true}, {"LC_CTYPE=UTF-8 LANG=C", false, true}, {"LC_CTYPE=de_CH.ISO-8859-1 LANG=C.UTF-8", true, true},
		{"", true, true}, {"LANG=en_US.utf8@euro NO_COLOR=1", false, false}, {"LC_ALL=C.UTF-8 TERM=dumb", false, false},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(tt.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		if got := lookOf(func(name string) string { return env[name] }); got != (look{tt.ascii, tt.color}) {
			t.Errorf("%s: %+v", tt.env, got)
		}
	}
	for name, s := range scenes() {
		plain := strings.Join(s.on(look{ascii: true}).draw(s.m, 120, 24), "\n")
		if i := strings.IndexFunc(plain, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("%s: %q", name, plain[i:])
		}
		colored := strings.Join(s.on(look{color: true}).draw(s.m, 120, 24), "\n")
		if !strings.Contains(colored, "\x1b[36m") && name != "verify" && name != "worker" && name != "idle" {
			t.Errorf("%s has no colors: %q", name, colored)
		}
	}
}

// TestNoGhosts: whatever becomes of the size of the screen, there is one set of rows on it, in the last
// lines, and above it each line that was printed.
func TestNoGhosts(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 11))
		term := newTTY(80, 30, seed%2 == 0)
		s := scenes()[[]string{"upload", "nightly", "outage"}[seed/2%3]]
		p, screen := term.shown(s.o, s.m.t)
		stale := 0 // so many updates see the size of before
		columns, lines := term.Size()
		screen.size = func() (int, int) {
			if stale--; stale < 0 {
				columns, lines = term.Size()
			}
			return columns, lines
		}
		said := 0
		var steps []string
		for step := range 40 {
			warned := false
			switch random.IntN(4) {
			case 0:
				wide, high := 30+random.IntN(90), 18+random.IntN(14)
				steps = append(steps, fmt.Sprintf("%d × %d", wide, high))
				term.resize(wide, high)
				if stale = random.IntN(2); stale > 0 {
					s.m.p.Elapsed += time.Second
					screen.update(s.m)
					steps = append(steps, "rows for the size of before")
				}
			case 1:
				said++
				warned = true
				p.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("w%d", said)})
				steps = append(steps, "a warning")
			}
			s.m.p.Elapsed += time.Second
			screen.update(s.m)
			steps = append(steps, "rows")
			if screen.gone != nil {
				t.Fatalf("seed %d, step %d, %v: %v", seed, step, steps, screen.gone)
			}
			columns, lines := term.Size()
			want := s.on(look{}).draw(s.m, columns, lines)
			rows := term.rows()
			above := max(len(rows)-len(want), 0)
			if !slices.Equal(rows[above:], want) {
				t.Fatalf("seed %d, step %d, %v: not the rows that were drawn at the end:\n%s\nwant\n%s", seed, step, steps, strings.Join(rows, "\n"), strings.Join(want, "\n"))
			}
			for i, row := range rows[:above] {
				if row != fmt.Sprintf("firn: warning: w%d", said-above+i+1) {
					t.Fatalf("seed %d, step %d, %v: %q above the rows, and %d warnings:\n%s", seed, step, steps, row, said, strings.Join(rows, "\n"))
				}
			}
			if warned && above == 0 {
				t.Fatalf("seed %d, step %d, %v: the warning is not shown:\n%s", seed, step, steps, strings.Join(rows, "\n"))
			}
		}
		p.Stop()
		for _, row := range term.rows() {
			if !strings.HasPrefix(row, "firn: warning: w") {
				t.Fatalf("seed %d: %q is left at the end", seed, row)
			}
		}
	}
}

// A terminal that has gone ends the display and nothing else. Rows that did not change are not written
// again.
func TestTerminalGoes(t *testing.T) {
	term := newTTY(80, 24, false)
	s := scenes()["upload"]
	p, screen := term.shown(s.o, s.m.t)
	screen.update(s.m)
	before := term.wrote
	if screen.update(s.m); term.wrote != before {
		t.Errorf("%d bytes for nothing", term.wrote-before)
	}
	s.m.p.Elapsed += time.Second
	if screen.update(s.m); term.wrote == before || term.wrote-before > 150 {
		t.Errorf("%d bytes for one row", term.wrote-before)
	}
	before = term.wrote
	term.err = errors.New("input/output error")
	s.m.p.Elapsed += time.Second
	screen.update(s.m)
	p.Event(report.Event{Kind: report.Warning, Text: "nobody reads it"})
	term.err = nil
	if screen.update(s.m); term.wrote != before {
		t.Errorf("%d bytes after the end", term.wrote-before)
	}
	p.Finish(report.Summary{})
}

// BenchmarkScreen is the cost of a redraw in which every row changes: there are 5 a second.
func BenchmarkScreen(b *testing.B) {
	s := scenes()["upload"]
	screen := s.on(look{color: true})
	screen.painter = painter{w: io.Discard, size: func() (int, int) { return 120, 40 }}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.m.p.Elapsed += time.Second
		s.m.out.Flows[0].Share, s.m.out.Flows[2].Share = float64(i%100)/100, float64(i%90)/100
		s.m.out.Flows[0].Rate, s.m.out.Flows[2].Rate = float64(i%1000)*mib, float64(i%800)*mib
		s.m.out.Left = time.Duration(i%40) * time.Minute
		screen.update(s.m)
	}
}
