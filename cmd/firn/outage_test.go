package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
	"firn/stages/store/awsconf"
)

// TestStoppedInOutage: a stopped run waits for a service that is not reached for some seconds only.
func TestStoppedInOutage(t *testing.T) {
	for name, tt := range map[string]struct {
		ends time.Duration // of the outage, after the stop; 0: never
		told int           // how often the user is told that it is waited for
		gone bool          // the run is cancelled
	}{
		"blip":   {ends: 5 * time.Second, told: 1},
		"outage": {told: 1, gone: true},
		"two":    {ends: 5 * time.Second, told: 2, gone: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			totals := new(report.Totals)
			o := &outages{to: report.Discard{}, totals: totals}
			lasts := func() { o.tell(awsconf.Outage{Service: "S3", Since: time.Now(), Next: time.Now().Add(time.Hour)}) }
			over := func() { o.tell(awsconf.Outage{Service: "S3", Since: time.Now()}) }
			said, cause := 0, error(nil)
			lasts()
			time.Sleep(time.Hour)
			o.stop(func(report.Outage) { said++ }, func(err error) { cause = err })
			if tt.ends > 0 {
				time.Sleep(tt.ends)
				over()
			}
			if name == "two" {
				time.Sleep(tt.ends)
				lasts()
				lasts()
			}
			time.Sleep(stopFor + time.Second)
			synctest.Wait()
			if said != tt.told || cause != nil != tt.gone {
				t.Errorf("%s: told %d times, cancelled: %v", name, said, cause)
			}
			if tt.gone && (exitCode(cause) != exitInterrupted || !strings.Contains(cause.Error(), "S3 could not be reached")) {
				t.Error(cause)
			}
		})
	}
	p := report.Progress{Stages: []pipeline.Counters{{Stage: report.StageArchive, InFlight: 1}, {Stage: report.StageCheck, InFlight: 1}, {Stage: report.StageUpload, InFlight: 4}}}
	const want = "stopping: S3 is unreachable (timed out); in flight: 1 archive being made, 4 parts being sent; firn waits 10 s for S3, then leaves the uploads to the next run; once more does so at once"
	if got := stopText(report.Outage{Service: "S3", Cause: "timed out"}, p, ui.Backup()); got != want {
		t.Errorf("%q", got)
	}
}

// TestLeaseInOutage: a worker that knows of an outage keeps what it holds, also one in the process of the
// coordinator, whose outages are the coordinator's.
func TestLeaseInOutage(t *testing.T) {
	keys, err := encryption.NewKeys(encryption.NewPassphrase([]byte("a passphrase that is long enough")), nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		q := hoststest.New()
		lead, link := q.Link(), q.Link()
		defer lead.Close()
		defer link.Close()
		c, err := hosts.Lead(t.Context(), hosts.Options{
			Link: lead, Keys: keys, Run: "run", Operation: "backup", Settings: 1, Lease: time.Minute, Works: report.NewWorks("", ""), Report: report.Discard{},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.End(nil)
		member, err := hosts.Join(t.Context(), hosts.JoinOptions{Link: link, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		defer member.Leave()
		m := &means{Means: job.Means{Totals: new(report.Totals)}, outages: &outages{to: report.Discard{}, totals: new(report.Totals)}}
		if _, err := begin(t.Context(), m, idler{}, member, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Offer(t.Context(), hosts.Item{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := member.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.outages.tell(awsconf.Outage{Service: "S3", Since: time.Now(), Next: time.Now().Add(time.Hour)})
		time.Sleep(10 * time.Minute)
		if kept := q.Kept(); kept.Held != 1 {
			t.Errorf("it is not held any more: %+v", kept)
		}
	})
}

// An idler is a helper that does nothing.
type idler struct{ helper }

func (idler) sees(*settings) error { return nil }

func (idler) help(context.Context, *means, *hosts.Member, *settings) (*job.Handle, error) {
	return nil, nil
}

// A watched firn prints events, which are read one by one.
type watched struct {
	t      *testing.T
	cmd    *exec.Cmd
	events *json.Decoder
	stderr bytes.Buffer
}

// said is what tests read of an event.
type said struct {
	Event, Service, Cause, Error string
	Seconds                      float64
	ReadBytes                    int64   `json:"read_bytes"`
	Outages                      int64   `json:"outages"`
	OutageSeconds                float64 `json:"outage_seconds"`
	Complete                     bool
}

func (s *site) watch(args ...string) *watched {
	s.t.Helper()
	w := &watched{t: s.t, cmd: exec.Command("firn", append(args, "--json")...)}
	w.cmd.Env, w.cmd.Stderr = s.env(), &w.stderr
	out, err := w.cmd.StdoutPipe()
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	w.events = json.NewDecoder(out)
	return w
}

// until reads events until one is as it should be.
func (w *watched) until(what string, is func(said) bool) said {
	w.t.Helper()
	var all []said
	for {
		var e said
		if err := w.events.Decode(&e); err != nil {
			w.t.Fatalf("no %s: %v\n%+v\n%s", what, err, all, w.stderr.String())
		}
		if all = append(all, e); is(e) {
			return e
		}
	}
}

func (w *watched) kind(kind report.Kind) said {
	w.t.Helper()
	return w.until(string(kind), func(e said) bool { return e.Event == string(kind) })
}

// end reads the summary and gives the exit code.
func (w *watched) end() (said, int) {
	w.t.Helper()
	s := w.kind("summary")
	_ = w.cmd.Wait() // the exit code says it
	return s, w.cmd.ProcessState.ExitCode()
}

// survives makes sure that a run is told of one outage, which ends when the rule is lifted, and does all
// it should.
func (w *watched) survives(service string, lift func()) {
	w.t.Helper()
	if e := w.kind(report.OutageLasts); e.Service != service || e.Cause != "connection closed" || e.Seconds < 5 {
		w.t.Errorf("told: %+v", e)
	}
	lift()
	over := w.kind(report.OutageOver)
	s, code := w.end()
	if code != exitDone || !s.Complete || s.Outages != 1 || over.Service != service || s.OutageSeconds != over.Seconds || over.Seconds < 5 {
		w.t.Errorf("exit code %d, %+v, over %+v", code, s, over)
	}
}

// goesOn makes sure that a run does all it should when the rule is lifted during an outage that is too
// short to be told.
func (w *watched) goesOn(down <-chan struct{}, lift func()) {
	w.t.Helper()
	<-down
	lift()
	if s, code := w.end(); code != exitDone || !s.Complete {
		w.t.Errorf("exit code %d, %+v", code, s)
	}
}

// cut makes a proxy drop everything from the nth call of an operation on, for archives only. The first
// of them is spoiled as fault says. down is closed when a probe has failed too.
func cut(p *harness.FaultProxy, op string, n int64, fault harness.Fault) (down <-chan struct{}, lift func()) {
	const both = 4 // two tries of a request, and two probes
	var calls, dropped atomic.Int64
	seen := make(chan struct{})
	p.SetRule(func(c harness.Call) harness.Fault {
		switch {
		case calls.Load() >= n:
			if dropped.Add(1) == both {
				close(seen)
			}
			return drop
		case c.Op == op && (op == "PutItem" || strings.Contains(c.Request.URL.Path, ".tar.")) && calls.Add(1) >= n:
			return fault
		}
		return harness.Fault{}
	})
	return seen, func() { p.SetRule(nil) }
}

var drop = harness.Fault{Drop: true}

// outageBytes make four parts: of two workers, each has one to send when the third is dropped.
const outageBytes = 16 << 20

// An outage is waited out, wherever it begins.
func TestOutageSurvived(t *testing.T) {
	t.Run("while archives are made", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, []string{"a", "b", "c", "d"})
		_, lift := cut(s.proxy, "UploadPart", 1, drop)
		w := s.watch(s.backup("--spool-limit", "20MiB", "--archive-workers", "1")...)
		w.survives("S3", func() {
			const two = 12 << 20 // archives that fit into the spool
			if e := w.until("progress", func(e said) bool { return e.ReadBytes >= two }); e.Event != "progress" || e.ReadBytes > 2*two {
				t.Errorf("%d bytes were read during the outage", e.ReadBytes)
			}
			lift()
		})
		s.whole()
	})
	for name, fault := range map[string]harness.Fault{"in Complete": drop, "in Complete, with its answer lost": {LoseResponse: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, []string{"a"})
			down, lift := cut(s.proxy, "CompleteMultipartUpload", 1, fault)
			s.watch(s.backup()...).goesOn(down, lift)
			if n := s.proxy.Count("UploadPart"); n != 2 {
				t.Errorf("2 parts were sent %d times", n)
			}
			s.whole()
		})
	}
	t.Run("in a restore", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, []string{"a"})
		s.run(exitDone)
		into := filepath.Join(s.dir, "restored")
		down, lift := cut(s.proxy, "GetObject", 2, harness.Fault{CutResponse: 5000})
		s.watch("restore", "--bucket-name", s.server.Bucket, "--keyfile", s.key(), "--cache-path", s.cache(), "--target", into).goesOn(down, lift)
		s.pipe(nil, "diff", "-r", s.tree(), filepath.Join(into, s.tree()))
	})
	t.Run("of the table", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, []string{"a"})
		tables := harness.DynamoDB(t)
		tables.CreateTable(t, "records")
		proxy := harness.Proxy(t, tables.Endpoint)
		_, lift := cut(proxy, "PutItem", 2, drop)
		flags := []string{"--dynamodb-table-name", "records", "--dynamodb-endpoint-url", proxy.Endpoint}
		s.watch(s.backup(flags...)...).survives("DynamoDB", lift)
		s.whole()
		proxy.ResetCounts()
		savesNothing(t, s.run(exitDone, flags...))
		if n := proxy.Count("PutItem"); n > 0 {
			t.Errorf("%d records were missing", n)
		}
	})
}

// An outage ends a run with its cause, and the next run goes on with the upload.
func TestOutageGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		flags []string
		later *harness.Fault // once a probe has failed
		cause string         // a pattern
	}{
		"for too long":        {flags: []string{"--retry-for", "1s"}, cause: `S3 could not be reached for [0-9.]+s: EOF`},
		"credentials expired": {later: new(harness.ExpiredToken()), cause: "the credentials have expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			stagestest.Noise(t, filepath.Join(s.tree(), "a", "noise"), 7, outageBytes)
			down, lift := cut(s.proxy, "UploadPart", 3, drop)
			w := s.watch(s.backup(append(tt.flags, "--upload-workers", "2")...)...)
			if tt.later != nil {
				<-down
				s.proxy.SetRule(func(harness.Call) harness.Fault { return *tt.later })
			}
			if end, code := w.end(); code != exitFailed || len(regexp.MustCompile(tt.cause).FindAllString(end.Error, -1)) != 1 {
				t.Errorf("exit code %d: %s", code, end.Error)
			}
			lift()
			if end, warned := s.summary(); end.Resumed != 1 || end.Spared == 0 || len(warned) > 0 {
				t.Errorf("the next run: %+v, %q", end, warned)
			}
			s.whole()
		})
	}
}

// During an outage, a signal ends the run soon, and a second one at once.
func TestInterruptedInOutage(t *testing.T) {
	for name, signals := range map[string]int{"once": 1, "twice": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			stagestest.Noise(t, filepath.Join(s.tree(), "a", "noise"), 7, outageBytes)
			_, lift := cut(s.proxy, "UploadPart", 3, drop)
			p := s.start("--upload-workers", "2")
			p.until("S3 unreachable for ")
			p.signal(os.Interrupt)
			p.until("stopping: S3 is unreachable (connection closed); in flight: ")
			says(t, p.said.String(), "2 parts being sent; firn waits 10 s for S3, then leaves the uploads to the next run; once more does so at once")
			cause := "the run ended early: it was stopped, and S3 could not be reached"
			if signals > 1 {
				cause = "the run ended early: interrupted"
				p.signal(syscall.SIGTERM)
				p.until("cancelled: clearing up")
				var calls atomic.Int64
				s.proxy.SetRule(func(harness.Call) harness.Fault { calls.Add(1); return drop })
				defer func() {
					if n := calls.Load(); n > 1 { // the probe that may have been on its way
						t.Errorf("%d requests in a cancelled run", n)
					}
				}()
			}
			if code := p.end(); code != exitInterrupted {
				t.Errorf("exit code %d", code)
			}
			says(t, p.said.String(), cause, "unfinished 1 upload that the next run takes up", "outages    1, in all ")
			lift()
			if end, _ := s.summary(); end.Resumed != 1 {
				t.Errorf("the next run: %+v", end)
			}
			s.whole()
		})
	}
}

// A run that reaches nothing says so at once, and how to end it.
func TestNothingReached(t *testing.T) {
	s := newSite(t, nil)
	p := s.start("--endpoint-url", "http://"+harness.Port(t))
	p.until("S3 not reached yet at http://127.0.0.1:")
	says(t, p.said.String(), "(connection refused); check the address and the network; firn tries for 1 h 00 min (--retry-for), and ^C ends it")
	p.signal(os.Interrupt)
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "firn: interrupted before anything was stored")
	if _, err := os.Stat(s.key()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key file: %v", err)
	}
}
