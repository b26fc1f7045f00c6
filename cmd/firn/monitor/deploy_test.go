package monitor

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"firn/bench/harness"

	"github.com/prometheus/client_golang/prometheus"
)

func init() { flag.Bool("update", false, "write the reference anew") }

func command(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// promtool finds nothing to say of the metrics of any command.
func TestMetricsFollowConventions(t *testing.T) {
	for _, name := range []string{"backup", "restore", "verify"} {
		var warned []error
		o := newOptions(name, &warned)
		o.File = filepath.Join(t.TempDir(), "firn.prom")
		m := Start(o)
		m.Watch(shared)
		m.Finish(0)
		text, err := os.ReadFile(o.File)
		if err != nil {
			t.Fatal(err)
		}
		if said := command(t, text, "promtool", "check", "metrics"); said != "" {
			t.Error(said)
		}
		if name == "backup" && strings.Count(string(text), "# HELP") < len(families())-1 { // there is no outage
			t.Errorf("some metrics are missing:\n%s", text)
		}
	}
}

func TestAlerts(t *testing.T) {
	const rules = "../../../deploy/prometheus/firn-alerts.yml"
	command(t, nil, "promtool", "check", "rules", rules)
	command(t, nil, "promtool", "test", "rules", "testdata/alerts.yml")
	knownNames(t, rules, string(must(os.ReadFile(rules))))
}

// knownNames makes sure that a text names metrics of firn, and none that there is not.
func knownNames(t *testing.T, file, text string) {
	t.Helper()
	found := regexp.MustCompile(`\bfirn_[a-z_]+`).FindAllString(text, -1)
	if len(found) == 0 {
		t.Errorf("%s names no metric", file)
	}
	for _, name := range found {
		if !slices.ContainsFunc(families(), func(f family) bool { return f.name == name }) {
			t.Errorf("%s: there is no metric %s", file, name)
		}
	}
}

// The queries of the dashboard can be parsed and name only what there is.
func TestDashboard(t *testing.T) {
	const file = "../../../deploy/grafana/firn.json"
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(must(os.ReadFile(file)), &board); err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	variables := strings.NewReplacer("$__rate_interval", "5m")
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, query := range p.Targets {
			knownNames(t, file+": "+p.Title, query.Expr)
			for _, name := range regexp.MustCompile(`"\$(\w+)"`).FindAllStringSubmatch(query.Expr, -1) {
				if !slices.ContainsFunc(board.Templating.List, func(v struct{ Name, Definition string }) bool { return v.Name == name[1] }) {
					t.Errorf("%s: there is no variable %s", p.Title, name[1])
				}
			}
			fmt.Fprintf(&rules, "  - {record: q, expr: %q}\n", variables.Replace(query.Expr))
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			knownNames(t, file+": "+v.Name, v.Definition)
		}
	}
	parsed := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(parsed, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, nil, "promtool", "check", "rules", "--lint=none", parsed)
}

// node_exporter takes the files of several commands from one directory.
func TestNodeExporter(t *testing.T) {
	var warned []error
	dir := t.TempDir()
	for _, name := range []string{"backup", "restore", "verify"} {
		o := newOptions(name, &warned)
		o.File = filepath.Join(dir, name+".prom")
		m := Start(o)
		m.Watch(busy)
		defer m.Finish(0)
	}
	address := harness.Port(t)
	exporter := exec.Command("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir, "--web.listen-address="+address)
	said, err := exporter.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := exporter.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = exporter.Process.Kill()
		_ = exporter.Wait()
	}()
	var log bytes.Buffer
	for one := make([]byte, 1); !strings.Contains(log.String(), "Listening on"); {
		if _, err := said.Read(one); err != nil {
			t.Fatalf("node_exporter ended: %s", log.String())
		}
		log.Write(one)
	}
	text := get(t, "http://"+address+"/metrics")
	if !strings.Contains(text, "\nnode_textfile_scrape_error 0\n") || strings.Count(text, "\nfirn_run_active{") != 3 || len(warned) != 0 {
		t.Errorf("%v %s\n%s", warned, text, log.String())
	}
}

// TestReference compares docs/reference/metrics.md with the code; go generate ./cmd/firn writes it.
func TestReference(t *testing.T) {
	const path = "../../../docs/reference/metrics.md"
	var b strings.Builder
	b.WriteString("# Metrics\n\n<!-- Generated from the code by go generate ./cmd/firn. -->\n\n" +
		"[Monitoring](../monitoring.md) says how to get them.\n" +
		"All have the labels `command` (`backup`, `restore`, `verify` or `worker`), `bucket` and `prefix` (as the flags give them) and\n" +
		"`path` (the backup path, or the target of a restore) or `level` (`quick` or `read-data`, of a verification).\n" +
		"Those with `_total` in their names are counters of one run, and begin at 0 with the next one.\n" +
		"Stages are explained in [the design](../design.md).\n\n" +
		"| metric | type | more labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families() {
		kind := "gauge"
		if f.kind == prometheus.CounterValue {
			kind = "counter"
		}
		labels := ""
		if len(f.labels) > 0 {
			labels = "`" + strings.Join(f.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, kind, labels, f.help)
	}
	b.WriteString("\nThe address also has the metrics of the process, as Prometheus's Go client names them: `process_cpu_seconds_total`, `process_resident_memory_bytes`, `go_goroutines` and others.\n")
	for _, name := range []string{"backup", "restore", "verify", "worker"} {
		fmt.Fprintf(&b, "\n## Results of %s\n\n| `result` | meaning |\n|---|---|\n", name)
		for _, r := range resultsOf(name) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", r.name, r.help)
		}
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || string(kept) != b.String() {
		t.Errorf("%s is not what the code says: run go generate ./cmd/firn (%v)", path, err)
	}
}
