package monitor

import (
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/store/awsconf"
)

// newOptions are those of a run of which something is told; what could not be told goes to warned.
func newOptions(command string, warned *[]error) Options {
	o := Options{
		Command: command, Version: "1.2.3", Totals: new(report.Totals), Tally: new(awsconf.Tally),
		Labels: map[string]string{"bucket": "b", "path": "/srv/\xff\"data\"", "prefix": ""},
		Warn:   func(err error) { *warned = append(*warned, err) }, Said: func() []string { return []string{"the last line"} },
	}
	o.Tally.Add(awsconf.Answer{Service: "S3", Operation: "UploadPart", Status: 503})
	o.Tally.Add(awsconf.Answer{Service: "S3", Operation: "UploadPart", Status: 200, Again: true})
	o.Tally.Add(awsconf.Answer{Service: "S3", Operation: "ListObjectsV2"})
	return o
}

// busy is the progress of a run that does something.
func busy() report.Progress {
	return report.Progress{
		Stages:     []pipeline.Counters{{Stage: "walk", Workers: 4, ItemsIn: 3, Busy: time.Second}, {Stage: "upload", Workers: 8, InFlight: 2, BytesOut: 5 << 20}},
		MemoryUsed: 1 << 20, MemoryLimit: 2 << 20, SpoolUsed: 3 << 20, SpoolLimit: 4 << 20,
	}
}

// shared is the progress of a run on many hosts.
func shared() report.Progress {
	p := busy()
	p.Queue = &report.Queue{Joined: 3, Retried: 2, Forged: 1}
	p.Hosts = []report.Host{{Name: "node-1:7", Work: 4, Done: 9, Failed: 1, Read: 5, Sent: 6, Silent: time.Second}, {Name: "node-2\xff:8"}}
	return p
}

// series are the values in a file or an answer, by series without the labels of the run.
func series(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "firn_") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		for _, label := range []string{`bucket="b"`, `command="backup"`, `path="/srv/` + "\uFFFD" + `\"data\""`} {
			if !strings.Contains(name, label) {
				t.Errorf("not %s: %s", label, line)
			}
			name = strings.Replace(strings.Replace(name, label, "", 1), ",,", ",", 1)
		}
		name = strings.Replace(strings.Trim(name, ","), "{,", "{", 1)
		all[strings.TrimSuffix(name+"}", "{}")] = value
	}
	return all
}

func readFile(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return series(t, string(text))
}

func wants(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, not %q", name, got[name], value)
		}
	}
}

// What a file says of the last success and of the last end stays through runs that fail and runs that
// are killed.
func TestFileRemembers(t *testing.T) {
	var warned []error
	o := newOptions("backup", &warned)
	o.File = filepath.Join(t.TempDir(), "firn.prom")
	clock := time.Unix(1_800_000_000, 0)
	o.now = func() time.Time { return clock }
	run := func() *Monitor {
		m := Start(o)
		m.Watch(busy)
		clock = clock.Add(90 * time.Second)
		return m
	}

	m := run()
	wants(t, readFile(t, o.File), map[string]string{"firn_run_active": "1", successName: "0", codeName: ""})
	m.Finish(0)
	wants(t, readFile(t, o.File), map[string]string{
		"firn_run_active": "0", successName: "1.80000009e+09", codeName: "0", endName: "1.80000009e+09", durationName: "90",
		`firn_stage_busy_seconds_total{stage="walk"}`: "1", `firn_requests_total{operation="UploadPart",service="S3",status="503"}`: "1",
		`firn_requests_total{operation="ListObjectsV2",service="S3",status="none"}`: "1", `firn_request_retries_total{operation="UploadPart",service="S3"}`: "1",
		`firn_budget_used_bytes{budget="spool"}`: "3.145728e+06", `firn_archives_total{result="saved"}`: "0",
	})
	if info, err := os.Stat(o.File); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v: node_exporter is another user", info.Mode(), err)
	}
	run().Finish(3)
	run() // killed
	wants(t, readFile(t, o.File), map[string]string{"firn_run_active": "1", successName: "1.80000009e+09", codeName: "3", endName: "1.80000018e+09"})
	run().Finish(1)
	wants(t, readFile(t, o.File), map[string]string{successName: "1.80000009e+09", codeName: "1", endName: "1.80000036e+09"})

	other := o
	other.Labels = maps.Clone(o.Labels)
	other.Labels["bucket"] = "c"
	other.File = filepath.Join(t.TempDir(), "other.prom")
	for what, old := range map[string]string{"garbage": "firn_last_success_timestamp_seconds{ 1\n", "nothing": "", "of another run": string(must(os.ReadFile(o.File)))} {
		if err := os.WriteFile(other.File, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		Start(other).Finish(1)
		if text := string(must(os.ReadFile(other.File))); !strings.Contains(text, `"/srv/`+"\uFFFD"+`\"data\""} 0`) || strings.Contains(text, "1.80000009e+09") {
			t.Errorf("%s: it was taken for a success:\n%s", what, text)
		}
	}
	left, err := os.ReadDir(filepath.Dir(o.File))
	if err != nil || len(left) != 1 || len(warned) != 0 {
		t.Errorf("left: %v, %v; warned: %v", left, err, warned)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// The file is written every minute. A directory that is gone is one warning, and no other until it was
// there again.
func TestFileEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var warned []error
		o := newOptions("backup", &warned)
		dir := filepath.Join(t.TempDir(), "gone")
		o.File = filepath.Join(dir, "firn.prom")
		m := Start(o)
		defer m.Finish(0)
		time.Sleep(5*every + time.Second)
		synctest.Wait()
		if len(warned) != 1 || warned[0].Error() != "metrics are not written to "+strconv.Quote(o.File)+": no such file or directory" {
			t.Errorf("warned: %v", warned)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, busy := range []bool{true, false} {
			o.Totals.Outages.Note(report.Outage{Service: "S3", Busy: busy, Since: time.Now(), Next: time.Now().Add(time.Second)})
		}
		time.Sleep(every)
		synctest.Wait()
		wants(t, readFile(t, o.File), map[string]string{"firn_run_active": "1", `firn_outage_seconds{service="S3"}`: "59", "firn_warnings_total": "1"})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * every)
		synctest.Wait()
		if len(warned) != 2 {
			t.Errorf("warned: %v", warned)
		}
	})
}

func TestAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var warned []error
	o := newOptions("backup", &warned)
	o.Address = taken.Addr().String()
	Start(o).Finish(0)
	if len(warned) != 1 || warned[0].Error() != "metrics are not served at "+o.Address+": bind: address already in use" {
		t.Errorf("warned: %v", warned)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	m := Start(o)
	m.Watch(busy)
	m.Succeeded(time.Unix(1_800_000_000, 0))
	text := get(t, "http://"+o.Address+"/metrics")
	wants(t, series(t, text), map[string]string{successName: "1.8e+09", `firn_stage_output_bytes_total{stage="upload"}`: "5.24288e+06"})
	if !strings.Contains(text, "\nprocess_cpu_seconds_total ") {
		t.Error("nothing is said of the process")
	}
	m.Finish(0)
	if answer, err := http.Get("http://" + o.Address + "/metrics"); err == nil {
		answer.Body.Close()
		t.Error("it is served after the end")
	}
}

// A Server goes on between runs, and before the first: it tells of the last one.
func TestServer(t *testing.T) {
	var warned []error
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	if _, err := Serve(address, "backup", "1.2.3"); err == nil || err.Error() != "metrics are not served at "+address+": bind: address already in use" {
		t.Error(err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Serve(address, "worker", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	text := get(t, "http://"+address+"/metrics")
	if strings.Count(text, "\nfirn_") != 2 || !strings.Contains(text, `firn_run_active{command="worker"} 0`) || !strings.Contains(text, `firn_build_info{command="worker",version="1.2.3"} 1`) ||
		!strings.Contains(text, "\nprocess_cpu_seconds_total ") {
		t.Errorf("without a run:\n%s", text)
	}
	o := newOptions("backup", &warned)
	o.Server = s
	for range 2 {
		m := Start(o)
		m.Watch(busy)
		wants(t, series(t, get(t, "http://"+address+"/metrics")), map[string]string{activeName: "1", codeName: "", `firn_stage_output_bytes_total{stage="upload"}`: "5.24288e+06"})
		m.Finish(3)
		wants(t, series(t, get(t, "http://"+address+"/metrics")), map[string]string{activeName: "0", codeName: "3"})
	}
	s.Close()
	if answer, err := http.Get("http://" + address + "/metrics"); err == nil {
		answer.Body.Close()
		t.Error("it is served after the end")
	}
	if len(warned) != 0 {
		t.Error(warned)
	}
	(*Server)(nil).Close()
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, answer.StatusCode, err)
	}
	return string(text)
}

// A nil Monitor tells nobody.
func TestNobody(t *testing.T) {
	m := Start(Options{})
	m.Watch(busy)
	m.Event(report.Event{Kind: report.Warning})
	m.Succeeded(time.Now())
	m.Finish(0)
}

// A run on many hosts tells of each, and no other run tells of hosts.
func TestHosts(t *testing.T) {
	var warned []error
	o := newOptions("backup", &warned)
	o.File = filepath.Join(t.TempDir(), "firn.prom")
	m := Start(o)
	m.Watch(busy)
	m.Finish(0)
	for name := range readFile(t, o.File) {
		if strings.HasPrefix(name, "firn_host") || strings.HasPrefix(name, "firn_queue") {
			t.Errorf("%s of a run on one host", name)
		}
	}
	m = Start(o)
	m.Watch(shared)
	m.Finish(0)
	wants(t, readFile(t, o.File), map[string]string{
		"firn_hosts": "2", "firn_hosts_joined_total": "3", "firn_queue_retried_total": "2", "firn_queue_forged_total": "1", "firn_queue_twice_total": "0",
		`firn_host_in_work{host="node-1:7"}`: "4", `firn_host_archives_total{host="node-1:7"}`: "9", `firn_host_failures_total{host="node-1:7"}`: "1",
		`firn_host_moved_bytes_total{host="node-1:7"}`: "6", `firn_host_silent_seconds{host="node-1:7"}`: "1", `firn_host_in_work{host="node-2` + "\uFFFD" + `:8"}`: "0",
	})
}
