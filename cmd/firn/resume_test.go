package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
)

// What TestResumed stores: an archive of so many parts, sent by so many workers at a time.
const (
	resumedBytes   = 24 << 20
	resumedParts   = 5
	resumedWorkers = 2
	resumedPart    = 5 << 20
)

// summary runs firn to its end and gives its summary, and what it warned of.
func (s *site) summary(flags ...string) (end struct {
	Resumed int64 `json:"uploads_resumed"`
	Spared  int64 `json:"spared_bytes"`
	Stored  int64 `json:"stored_bytes"`
}, warned []string) {
	s.t.Helper()
	p := s.start(append(flags, "--json")...)
	out := p.out
	if code := p.end(); code != exitDone {
		s.t.Fatalf("exit code %d:\n%s%s", code, p.said.String(), out.String())
	}
	for line := range strings.Lines(out.String()) {
		var e struct{ Event, Text string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		switch e.Event {
		case "warning":
			warned = append(warned, e.Text)
		case "summary":
			if err := json.Unmarshal([]byte(line), &end); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return end, warned
}

// An upload that was interrupted is taken up where it was, whatever interrupted it. What changed
// meanwhile is uploaded anew, and what is not what it should be is told in one line.
func TestResumed(t *testing.T) {
	remove := func(s *site) { _ = os.RemoveAll(filepath.Join(s.cache(), "firn-spool")) }
	change := func(s *site) { stagestest.Noise(s.t, filepath.Join(s.tree(), "a", "noise"), 77, resumedBytes) }
	spoil := func(s *site) {
		kept, err := filepath.Glob(filepath.Join(s.cache(), "firn-spool", "*.kept"))
		if err != nil || len(kept) != 1 {
			s.t.Fatal(kept, err)
		}
		f, err := os.OpenFile(kept[0], os.O_WRONLY, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("spoiled"), 1<<20); err != nil {
			s.t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		op     string // the call that is held when firn is killed
		n      int
		lost   bool        // that call is answered, and the answer lost
		change func(*site) // between the runs
		flags  []string    // of the second run
		resent int         // parts at most that are sent again; resumedParts is all
		told   string      // in a warning; "" if there is none
	}{
		"killed at 20 %":         {op: "UploadPart", n: 2, resent: resumedWorkers},
		"killed at 50 %":         {op: "UploadPart", n: 5, resent: resumedWorkers},
		"killed at 90 %":         {op: "UploadPart", n: 5, resent: resumedWorkers},
		"killed before Complete": {op: "CompleteMultipartUpload", n: 1},
		"killed in Complete":     {op: "CompleteMultipartUpload", n: 1, lost: true},
		"spool lost":             {op: "UploadPart", n: 4, change: remove, resent: resumedWorkers},
		"spool changed":          {op: "UploadPart", n: 4, change: spoil, resent: resumedWorkers, told: "is not what was written"},
		"source changed":         {op: "UploadPart", n: 4, change: change, resent: resumedParts},
		"part size changed":      {op: "UploadPart", n: 4, flags: []string{"--part-size", "6MiB"}, resent: resumedWorkers},
		"upload gone":            {op: "UploadPart", n: 4, change: (*site).abort, resent: resumedParts, told: "begins anew"},
		"no resume":              {op: "UploadPart", n: 4, flags: []string{"--no-resume"}, resent: resumedParts},
		"larger than the spool":  {op: "UploadPart", n: 4, flags: []string{"--spool-limit", "8MiB"}, resent: resumedWorkers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			stagestest.Noise(t, filepath.Join(s.tree(), "a", "noise"), 7, resumedBytes)
			reached, release := s.hold(test.op, test.n)
			if test.lost {
				reached, release = s.loseAndHold(test.op)
			}
			flags := []string{"--upload-workers", "2"}
			if strings.Contains(name, "larger") {
				flags = append(flags, test.flags...)
			}
			p := s.start(flags...)
			<-reached
			p.signal(syscall.SIGKILL)
			p.end()
			held := s.held()
			release()
			if test.change != nil {
				test.change(s)
			}
			s.proxy.ResetCounts()
			end, warned := s.summary(append(flags, test.flags...)...)
			sent := int(s.proxy.Count("UploadPart"))
			again := max(0, sent-(resumedParts-held))
			t.Logf("| S3 | %s | %d of %d parts stored | %d parts sent, %d MiB of them again |", name, held, resumedParts, sent, again*resumedPart>>20)
			if again > test.resent || test.resent < resumedParts && (end.Resumed != 1 || end.Spared < min(int64(held-test.resent)*resumedPart, resumedBytes)) {
				t.Errorf("%d parts sent, %d were stored: %+v", sent, held, end)
			}
			if test.told == "" && len(warned) > 0 || test.told != "" && (len(warned) != 1 || !strings.Contains(warned[0], test.told)) {
				t.Errorf("warned of %q", warned)
			}
			s.whole()
		})
	}
}

// loseAndHold loses the answer of the first call of an operation, and holds what comes after it.
func (s *site) loseAndHold(op string) (reached <-chan struct{}, release func()) {
	arrived, free := make(chan struct{}), make(chan struct{})
	lost := false
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case lost:
			select {
			case <-arrived:
			default:
				close(arrived)
			}
			return harness.Fault{Hold: free}
		case c.Op == op:
			lost = true
			return harness.Fault{LoseResponse: true}
		}
		return harness.Fault{}
	})
	return arrived, func() {
		s.proxy.SetRule(nil)
		close(free)
	}
}

// Of two runs that store the same archives, the one that completes last leaves the other's in place.
func TestCompletedByAnother(t *testing.T) {
	s := newSite(t, []string{"a"})
	arrived, free := make(chan struct{}), make(chan struct{})
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op != "CompleteMultipartUpload" || c.Number > 1 {
			return harness.Fault{}
		}
		close(arrived)
		return harness.Fault{Hold: free}
	})
	p := s.start()
	<-arrived
	s.run(exitDone, "--cache-path", filepath.Join(s.dir, "other cache"))
	before := s.etags()
	close(free)
	if code := p.end(); code != exitIncomplete {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "another run stored it")
	if after := s.etags(); !maps.Equal(before, after) {
		t.Errorf("stored were %v, and are %v", before, after)
	}
	s.whole()
}

// etags are those of the large archives, by key.
func (s *site) etags() map[string]string {
	s.t.Helper()
	tags := map[string]string{}
	for _, k := range s.keys() {
		out, err := s.server.Client().HeadObject(s.t.Context(), &s3.HeadObjectInput{Bucket: &s.server.Bucket, Key: &k})
		if err != nil {
			s.t.Fatal(err)
		}
		if *out.ContentLength > 5<<20 {
			tags[k] = *out.ETag
		}
	}
	return tags
}
