package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
)

// scraper is a Prometheus that scrapes an address as often as it can.
type scraper struct {
	t   *testing.T
	url string
}

func prometheus(t *testing.T, target string) *scraper {
	t.Helper()
	dir, address := t.TempDir(), harness.Port(t)
	stagestest.Write(t, filepath.Join(dir, "prometheus.yml"), `
global: {scrape_interval: 100ms}
scrape_configs:
  - job_name: firn
    static_configs: [{targets: ["`+target+`"]}]
`)
	cmd := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return &scraper{t, "http://" + address}
}

// value is the newest value of a query, 0 if there is none.
func (s *scraper) value(query string) float64 {
	answer, err := http.Get(s.url + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0 // it is starting
	}
	defer answer.Body.Close()
	var found struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil || len(found.Data.Result) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(fmt.Sprint(found.Data.Result[0].Value[1]), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// until waits for a query to have a value that is at least as large.
func (s *scraper) until(query string, least float64) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); s.value(query) < least; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s is %v, and should be at least %v", query, s.value(query), least)
		}
	}
}

// Prometheus sees the counters of a run move while it runs.
func TestScraped(t *testing.T) {
	s := newSite(t, []string{"a", "d", "e"})
	first, second := make(chan struct{}), make(chan struct{})
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		switch {
		case c.Op == "UploadPart" && c.Number == 1:
			return harness.InternalError()
		case c.Op == "UploadPart" && c.Number > 4:
			return harness.Fault{Hold: second}
		case c.Op == "UploadPart" && c.Number > 2:
			return harness.Fault{Hold: first}
		}
		return harness.Fault{}
	})
	address := harness.Port(t)
	p := s.start("--metrics-address", address, "--upload-workers", "1")
	seen := prometheus(t, address)
	const sent = `sum(firn_requests_total{service="S3",operation="UploadPart",status="200"})`
	seen.until(sent, 1)
	bytes := seen.value(`firn_stage_output_bytes_total{stage="upload",command="backup"}`)
	for _, query := range []string{
		`firn_run_active{command="backup"}`, `firn_requests_total{operation="UploadPart",status="500"}`, `firn_request_retries_total{operation="UploadPart"}`,
		`firn_stage_busy_seconds_total{stage="compress"}`, `firn_stage_queue_items{stage="upload"}`, `firn_budget_used_bytes{budget="memory"}`, `firn_budget_limit_bytes{budget="spool"}`,
		`firn_archives_found_total{path="` + s.tree() + `"}`, `process_resident_memory_bytes`,
	} {
		seen.until(query, 1e-9)
	}
	if n := seen.value(sent); n > 1 {
		t.Errorf("%v parts were sent, and all but one are held", n)
	}
	close(first)
	seen.until(sent, 3)
	seen.until(`firn_stage_output_bytes_total{stage="upload",command="backup"}`, bytes+1)
	close(second)
	if code := p.end(); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, p.said.String())
	}

	// A later run knows when this one succeeded, from the state file.
	reached, release := s.hold("PutObject", 1)
	p = s.start("--metrics-address", address)
	<-reached
	seen.until(`firn_last_success_timestamp_seconds{command="backup"} > bool 1.7e9`, 1)
	release()
	if code := p.end(); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, p.said.String())
	}
}

// pinged is a service like healthchecks.io.
type pinged struct {
	*httptest.Server
	mu   sync.Mutex
	told []string // "/path body"
}

func newPinged(t *testing.T) *pinged {
	p := new(pinged)
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pinged) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := p.told
	p.told = nil
	return told
}

// Whoever is pinged hears of a success and of failures, with the last lines and no secret.
func TestPinged(t *testing.T) {
	s, hears := newSite(t, nil), newPinged(t)
	told := func(end string, lines ...string) {
		t.Helper()
		got := hears.take()
		if len(got) != 2 || got[0] != "/the-uuid/start " || !strings.HasPrefix(got[1], end+" ") {
			t.Fatalf("told %q", got)
		}
		says(t, got[1], lines...)
		if strings.Contains(got[1], s.server.Secret) || strings.Contains(got[1], "the-uuid ") && end != "/the-uuid" {
			t.Errorf("told %q", got)
		}
	}
	file := filepath.Join(s.dir, "firn.prom")
	watched := []string{"--ping-url", hears.URL + "/the-uuid", "--metrics-file", file, "--json"}
	s.run(exitDone, watched...)
	told("/the-uuid", "saved      7 subtrees", "\nfirn: done: everything is saved\n")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	s.run(exitDone, append(watched, "--dry-run")...)
	if got := hears.take(); len(got) > 0 {
		t.Errorf("a dry run told %q", got)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("a dry run wrote the metrics (%v)", err)
	}

	s.proxy.SetRule(func(c harness.Call) harness.Fault { return harness.AccessDenied() })
	s.run(exitFailed, watched...)
	told("/the-uuid/1", "firn: ", "Access Denied")
	s.proxy.SetRule(nil)
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line := func(text []byte, name string) string {
		all := strings.Split(string(text), "\n")
		return all[slices.IndexFunc(all, func(l string) bool { return strings.HasPrefix(l, name+"{") })]
	}
	const success = "firn_last_success_timestamp_seconds"
	if line(after, success) != line(before, success) || strings.HasSuffix(line(after, success), " 0") || !strings.HasSuffix(line(after, "firn_last_run_exit_code"), " 1") {
		t.Errorf("%s\n%s\n%s", line(before, success), line(after, success), line(after, "firn_last_run_exit_code"))
	}
}

// Nobody who is told can make a backup fail: each that can't be told is one warning.
func TestNobodyToTell(t *testing.T) {
	s := newSite(t, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(s.dir, "gone", "firn.prom")
	said := s.run(exitDone, "--quiet", "--metrics-file", file, "--metrics-address", taken.Addr().String(), "--ping-url", "http://"+harness.Port(t)+"/the-uuid")
	says(t, said,
		`firn: warning: metrics are not written to "`+file+`": no such file or directory; make that directory, or name another --metrics-file`+"\n",
		"firn: warning: metrics are not served at "+taken.Addr().String()+": bind: address already in use; another run of firn may use it: name another --metrics-address\n",
		"was not told that the run ended with exit code 0: ", "connection refused; check --ping-url, and whether this machine reaches that host\n")
	if strings.Contains(said, "the-uuid") || strings.Count(said, "warning: ") != 4 { // one is of the new key file
		t.Errorf("firn said:\n%s", said)
	}
	for _, c := range []struct{ flag, value, text string }{
		{"--metrics-file", "firn.txt", `--metrics-file "firn.txt": node_exporter reads only files whose names end in .prom`},
		{"--metrics-address", "localhost:97500", `--metrics-address "localhost:97500": it must be written HOST:PORT`},
		{"--metrics-address", "9750", `--metrics-address "9750": it must be written HOST:PORT, such as localhost:9750`},
		{"--ping-url", "hc-ping.com/the-uuid", "--ping-url: it must be written like https://hc-ping.com/UUID"},
		{"--ping-url", "", "--ping-url is empty"},
	} {
		said := s.run(exitUsage, c.flag, c.value)
		says(t, said, c.text)
		if strings.Contains(said, "the-uuid") {
			t.Errorf("firn said %q", said)
		}
	}
}

// The page of a run that was killed says so, that of an interrupted one what was done until then.
func TestReported(t *testing.T) {
	s := newSite(t, []string{"a", "d", "e"})
	file := filepath.Join(s.dir, "report.html")
	page := func(want ...string) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		says(t, string(text), want...)
		if strings.Contains(string(text), s.server.Secret) {
			t.Error("the page has the secret key")
		}
	}
	reached, release := s.hold("UploadPart", 2)
	p := s.start("--report", file, "--archive-workers", "1", "--upload-workers", "1", "--spool-limit", "8MiB") // something is left
	<-reached
	p.signal(os.Interrupt)
	p.until("stopping: ")
	release()
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d:\n%s", code, p.said.String())
	}
	page(`class="verdict warn"`, "stopped: what was begun is saved, the rest is left for the next run", "<dt>saved</dt>")

	reached, release = s.hold("PutObject", 1)
	p = s.start("--report", file)
	<-reached
	p.signal(os.Kill)
	release()
	p.end()
	page("under way", "A page that stays like this is of a run that was killed")

	s.proxy.SetRule(func(c harness.Call) harness.Fault { return harness.AccessDenied() })
	s.run(exitFailed, "--report", file)
	page(`class="verdict bad"`, "Access Denied")
	s.proxy.SetRule(nil)

	s.run(exitDone, "--report", file)
	page(`class="verdict good"`, "done: everything is saved")
}

// A worker is scraped while it waits: for a broker, and for a coordinator.
func TestWaitingWorkerScraped(t *testing.T) {
	dir, broker := t.TempDir(), harness.NATS(t)
	stagestest.Write(t, filepath.Join(dir, "key"), "0123456789abcdef0123")
	if err := os.Chmod(filepath.Join(dir, "key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, queue := range map[string]string{"a broker": "nats://" + harness.Port(t), "a coordinator": broker.URL} {
		address := harness.Port(t)
		cmd := exec.Command("firn", "worker", "--queue", queue, "--cache-path", filepath.Join(dir, "cache"), "--keyfile", filepath.Join(dir, "key"), "--metrics-address", address)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if said, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.Contains(said, "waiting") && !strings.Contains(said, "trying again") {
			t.Errorf("it does not wait for %s: %s%v", what, said, err)
		}
		answer, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			t.Errorf("while it waits for %s: %v", what, err)
		} else {
			text, err := io.ReadAll(answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err != nil || !strings.Contains(string(text), `firn_run_active{command="worker"} 0`) {
				t.Errorf("while it waits for %s: %s%v", what, text, err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}
