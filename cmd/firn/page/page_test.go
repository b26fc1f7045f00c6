package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/service/report"
)

// mostPage is the largest page that there may be, in bytes.
const mostPage = 400 << 10

// Of what a page may be made.
var (
	elements   = strings.Fields("html head meta title style body svg defs pattern path main header p h1 h2 span dl div dt dd section ul li figure figcaption rect line text br table thead tbody tr th td footer")
	attributes = strings.Fields(`lang charset http-equiv content name class aria-hidden aria-label role title width height id patternUnits patternTransform d
		viewBox preserveAspectRatio x y x1 y1 x2 y2 dy`)
	drawnPath  = regexp.MustCompile(`^[MLHVZ0-9 ]*$`)
	percentage = regexp.MustCompile(`^[0-9.]+%$`)
)

// sound reads a page, and returns its texts.
func sound(t *testing.T, page []byte) string {
	t.Helper()
	if len(page) > mostPage || !utf8.Valid(page) || !bytes.HasPrefix(page, []byte(magic)) {
		t.Errorf("%d bytes, UTF-8: %v, beginning %q", len(page), utf8.Valid(page), page[:min(len(page), 40)])
	}
	var texts strings.Builder
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose = false, []string{"meta", "br"}
	open := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well formed: %v", err)
		}
		switch x := token.(type) {
		case xml.CharData:
			texts.Write(x)
		case xml.EndElement:
			open--
		case xml.StartElement:
			open++
			if !slices.Contains(elements, x.Name.Local) {
				t.Errorf("there is an element %s", x.Name.Local)
			}
			for _, a := range x.Attr {
				switch name := a.Name.Local; {
				case !slices.Contains(attributes, name):
					t.Errorf("%s has an attribute %s", x.Name.Local, name)
				case name == "d" && !drawnPath.MatchString(a.Value):
					t.Errorf("a path is %.80q", a.Value)
				case strings.ContainsAny(name, "xy") && len(name) <= 2 && strings.HasSuffix(a.Value, "%") && !percentage.MatchString(a.Value):
					t.Errorf("%s is %q", name, a.Value)
				}
			}
		}
	}
	if open != 0 {
		t.Errorf("%d elements are not closed", open)
	}
	return texts.String()
}

// nasty are what names and servers may say.
var nasty = []string{
	"/srv/data/plain", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style></title><script>alert(1)</script>", "a\x00b\x1b[2J\r\n", "\u202egnp.exe",
	"\xff\xfe", "{{.Policy}}", "javascript:alert(1)", "]]>", "&lt;b&gt;&amp;", "http://user:secret@host/", strings.Repeat("long/", 4000), strings.Repeat("\x1b", 1000), "größe 大 🗄", "",
}

// TestAnything: whatever a run does, its page is well formed, bounded, and of nothing but text and
// pictures.
func TestAnything(t *testing.T) {
	const seed = 7
	for i := range 24 {
		t.Run(fmt.Sprint(seed, "/", i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			words := []func() ui.Operation{ui.Backup, ui.Restore, ui.Verify, ui.Rebuild}[r.IntN(4)]()
			pick := func() string { return nasty[r.IntN(len(nasty))] }
			s := newSimulation(t, words, Options{Command: pick(), From: pick(), To: pick(), Host: pick(), Version: pick(), Settings: []Setting{{pick(), pick(), true}, {pick(), pick(), false}}})
			if r.IntN(8) > 0 {
				for _, name := range []string{"archive", "compress", "upload", "fetch", "extract", "settle"}[:1+r.IntN(6)] {
					s.now.Stages = append(s.now.Stages, pipeline.Counters{Stage: name, Workers: r.IntN(5)})
				}
				s.starts()
				live(s, r, pick)
			}
			end := report.Summary{Run: pick(), MemoryPeak: r.Int64(), Bottleneck: "upload"}
			if r.IntN(2) == 0 {
				end.Err = errors.New(pick())
			}
			s.ends(r.IntN(5), end)
			page, err := os.ReadFile(s.o.File)
			if err != nil {
				t.Fatal(err)
			}
			texts := sound(t, page)
			for _, wrong := range []string{"\x00", "\x1b", "\r", "\u202e", "secret@"} {
				if strings.Contains(texts, wrong) {
					t.Errorf("the page says %q", wrong)
				}
			}
			for _, err := range s.warned {
				t.Error(err)
			}
			if n := len(s.series.points); n > mostPoints || len(s.marks.all) > mostMarks || len(s.lists.largest) > mostArchives || len(s.lists.faults.all) > mostLines {
				t.Errorf("%d points, %d outages, %d archives, %d faults are kept", n, len(s.marks.all), len(s.lists.largest), len(s.lists.faults.all))
			}
			if t.Failed() {
				t.Logf("%s", page)
			}
		})
	}
}

// live makes a run do anything for up to three years.
func live(s *simulation, r *rand.Rand, pick func() string) {
	kinds := []report.Kind{
		report.Notice, report.Warning, report.Failed, report.Saved, report.Identical, report.Entry, report.Changed, report.NoCatalogue, report.Restored, report.Cold,
		report.Verified, report.Damaged, report.Unproven, report.Catalogue, report.Lost, report.Older, report.Entered,
	}
	scale := []time.Duration{time.Millisecond, time.Second, time.Minute, 10 * time.Hour}[r.IntN(4)]
	any := func(values ...float64) map[string]float64 {
		m := map[string]float64{}
		for _, c := range s.now.Stages {
			m[c.Stage] = values[r.IntN(len(values))]
		}
		return m
	}
	for range r.IntN(2000) {
		switch r.IntN(12) {
		case 0:
			s.tee.Event(report.Event{
				Kind: kinds[r.IntN(len(kinds))], Path: pick(), Key: pick(), Text: pick(), Err: errors.New(pick()), Run: pick(),
				Source: r.Int64(), Stored: r.Int64() >> r.IntN(62), Took: time.Duration(r.Int64() >> r.IntN(62)),
			})
		case 1:
			since := time.Duration(r.Float64() * float64(s.now.Elapsed))
			s.outage(since, time.Duration(r.Float64()*float64(s.now.Elapsed)), pick(), r.IntN(2) == 0, r.IntN(2) == 0)
		default:
			if s.now.Waits = nil; r.IntN(10) == 0 {
				s.now.Waits = new(report.Waits)
			}
			s.now.MemoryUsed, s.now.MemoryLimit = r.Int64()>>r.IntN(62), r.Int64()>>r.IntN(62)
			s.now.SpoolUsed, s.now.SpoolLimit = r.Int64()>>r.IntN(62), r.Int64()>>r.IntN(62)
			s.totals.Subtrees.Add(r.Int64() >> 20 >> r.IntN(43))
			s.totals.DoneSubtrees.Add(r.Int64() >> 20 >> r.IntN(43))
			bytes := any(0, 1, 1e6, 1e12, -5)
			s.step(time.Duration(r.ExpFloat64()*float64(scale)), any(0, .2, 1, 3), bytes, any(0, 1e3, 1e9))
		}
	}
}

// What is on a page of a run is what happened in it.
func TestSays(t *testing.T) {
	s := exampleBackup(t, "")
	s.ends(3, report.Summary{MemoryPeak: 200 * mib, SpoolPeak: 480 * gib, Bottleneck: "upload", Run: "20261129T124609Z-4f1c"})
	page, err := os.ReadFile(s.o.File)
	if err != nil {
		t.Fatal(err)
	}
	texts := sound(t, page)
	for _, want := range []string{
		"firn backup", "/srv/data", "s3://example-archives/hosts/alpha", "done, but not everything is saved whole: see what is named below", "Sun 29 Nov 2026, 12:46:09 UTC on alpha",
		"2 h 14 min", "901", "and 895 more", "not saved: /srv/data/home/<script>alert(1)</script>: reading the directory: permission denied", `mail/0\x1b[2J"`,
		"http://…@proxy:3128/", "peak 476 GiB of 500 GiB", "S3 not reached", "8 min 12 s", "/srv/data/lab/run07", "20261129T124609Z-4f1c", "node_modules/",
		"node-00.cluster.example.com:4000", "and 3 more", "lost 3 failed", "500 GiB", "left",
	} {
		if !strings.Contains(texts, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// The style is what the policy allows, byte for byte.
	_, style, _ := bytes.Cut(page, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	sum := sha256.Sum256(style)
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(html.UnescapeString(string(page)), want) {
		t.Errorf("the policy does not have %s", want)
	}
}

// TestHalved: a run of any length has as many points, whose sums and peaks are those of the run.
func TestHalved(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, 250 * time.Millisecond, 10 * time.Second, time.Hour} {
		s, totals := new(series), new(report.Totals)
		var p report.Progress
		p.Stages = []pipeline.Counters{{Stage: report.StageArchive}}
		const n, peak = 20_000, 12_345
		for i := range n {
			p.Elapsed = time.Duration(i) * every
			p.Stages[0].BytesOut, p.MemoryUsed = int64(i)*1000, 1
			if i == peak {
				p.MemoryUsed = 99
			}
			s.add(p, totals)
		}
		s.end(p, totals)
		var most, largest int64
		for i, x := range s.points {
			most = max(most, x.memory)
			if i > 0 {
				largest = max(largest, int64(x.at-s.points[i-1].at))
			}
		}
		if got := len(s.points); got > mostPoints || got < mostPoints/4 && time.Duration(n)*every > mostPoints*firstEvery || most != 99 || s.length() != p.Elapsed || s.points[0].at != 0 {
			t.Errorf("every %s: %d points to %s, peak %d", every, got, s.length(), most)
		}
		if longest := time.Duration(largest); longest > max(4*p.Elapsed/mostPoints, 2*firstEvery) {
			t.Errorf("every %s: two points are %s apart", every, longest)
		}
	}
}

// TestWhile: while a run is under way its page is written every minute, but not into a tree that is read.
func TestWhile(t *testing.T) {
	for _, atEnds := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, ui.Backup(), Options{Command: "backup"})
			s.o.AtEnds = atEnds
			read := func() string {
				page, err := os.ReadFile(s.o.File)
				if err != nil {
					t.Fatal(err)
				}
				return sound(t, page)
			}
			s.o.now = time.Now
			began := time.Now()
			if !strings.Contains(read(), "under way") {
				t.Error("the first page does not say that the run is under way")
			}
			s.Watch(func() report.Progress { return report.Progress{Elapsed: time.Since(began)} })
			s.tee.Event(report.Event{Kind: report.Warning, Text: "something"})
			time.Sleep(every + 15*time.Second)
			synctest.Wait()
			if said := strings.Contains(read(), "something"); said == atEnds {
				t.Errorf("at the ends only: %v, and yet the page of a run under way is new: %v", atEnds, said)
			}
			s.Finish(0, report.Summary{Progress: report.Progress{Elapsed: time.Since(began)}})
			if end := read(); !strings.Contains(end, "something") || !strings.Contains(end, "done: everything is saved") || strings.Contains(end, "killed") {
				t.Errorf("the last page says %q", end)
			}
		})
	}
}

// A run that did not start has a page too.
func TestDidNotStart(t *testing.T) {
	s := newSimulation(t, ui.Restore(), Options{Command: "restore"})
	s.Fail(1, "opening <b>: access denied")
	page, err := os.ReadFile(s.o.File)
	if err != nil {
		t.Fatal(err)
	}
	if texts := sound(t, page); !strings.Contains(texts, "opening <b>: access denied") || !strings.Contains(texts, "✕") {
		t.Errorf("the page says %q", texts)
	}
}

// What hosts read is shown of a run in which they read a tree.
func TestHostsRead(t *testing.T) {
	for _, read := range []int64{0, 5} {
		rows, _ := hostsOf([]report.Host{{Name: "a", Sent: 7}, {Name: "b", Read: read}})
		if rows[0].Moved != "7 B" || rows[0].Read != map[int64]string{5: "0 B"}[read] {
			t.Errorf("%d read: %+v", read, rows)
		}
		var out strings.Builder
		if err := pageTemplate().Execute(&out, view{Hosts: rows}); err != nil {
			t.Fatal(err)
		}
		if column := strings.Contains(out.String(), ">read</th>"); column != (read > 0) {
			t.Errorf("%d read: a column: %v", read, column)
		}
	}
}
