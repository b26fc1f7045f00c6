package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/tree"
)

// A fleet is a coordinator and workers, as processes, each behind a proxy of its own before one S3
// server, and what joins them.
type fleet struct {
	t       *testing.T
	dir     string // tree, key and caches lie here
	server  *harness.S3Server
	broker  *harness.NATSServer // nil: the coordinator serves the queue
	queue   string              // host:port
	lease   time.Duration
	flags   []string // of the coordinator
	hosts   []*host  // the first is the coordinator
	journal *journal
	ended   chan *started // gets each process that has ended
	starts  int
}

// A host is where a coordinator or a worker runs: a cache and a link.
type host struct {
	number int
	proxy  *harness.FaultProxy
	cache  string
	now    *started // nil: nothing runs
	late   bool     // it was killed, and comes back later
	quits  bool     // it was told to stop
}

// started is a process of firn.
type started struct {
	host *host
	name string
	cmd  *exec.Cmd
	out  string // files with what it said
	err  string
	done chan struct{}
	code int // -1 if it was killed; read after done
	ran  time.Duration
}

func newFleet(t *testing.T, workers, rate int) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), server: harness.S3(t, harness.Versioning()), ended: make(chan *started, 1000)}
	if err := os.WriteFile(f.key(), []byte("a passphrase that all hosts have\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := "/" + f.server.Bucket + f.tree() + "/"
	f.journal = newJournal(rate, func(path string) string {
		if !strings.HasPrefix(path, tree) || !strings.Contains(path, ".tar.") {
			return ""
		}
		return strings.TrimPrefix(path, "/"+f.server.Bucket+"/")
	})
	for n := range workers + 1 {
		h := &host{number: n, proxy: harness.Proxy(t, f.server.Endpoint), cache: filepath.Join(f.dir, fmt.Sprint("cache", n))}
		h.proxy.SetRule(f.journal.rule(n))
		f.hosts = append(f.hosts, h)
	}
	t.Cleanup(func() {
		for _, h := range f.hosts {
			if h.now != nil {
				_ = h.now.cmd.Process.Kill()
				<-h.now.done
			}
		}
		if t.Failed() {
			f.logs()
		}
	})
	return f
}

func (f *fleet) tree() string { return filepath.Join(f.dir, "tree") }
func (f *fleet) key() string  { return filepath.Join(f.dir, "key") }

// firn starts firn on a host.
func (f *fleet) firn(h *host, name string, args ...string) *started {
	f.t.Helper()
	f.starts++
	base := filepath.Join(f.dir, fmt.Sprintf("%03d-%s", f.starts, name))
	s := &started{host: h, name: filepath.Base(base), out: base + ".out", err: base + ".err", done: make(chan struct{})}
	s.cmd = exec.Command("firn", args...)
	s.cmd.Env = append(append(os.Environ(), f.server.Env()...), "AWS_ENDPOINT_URL_S3="+h.proxy.Endpoint)
	stdout, err := os.Create(s.out)
	if err != nil {
		f.t.Fatal(err)
	}
	stderr, err := os.Create(s.err)
	if err != nil {
		f.t.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	s.cmd.Stdout, s.cmd.Stderr = stdout, stderr
	if err := s.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	begun := time.Now()
	go func() {
		_ = s.cmd.Wait() // the exit code says it
		s.code, s.ran = s.cmd.ProcessState.ExitCode(), time.Since(begun)
		close(s.done)
	}()
	return s
}

// run starts what a host runs of a backup on many hosts: the first one coordinates.
func (f *fleet) run(h *host) {
	f.t.Helper()
	h.late, h.quits = false, false
	if h.number > 0 {
		h.now = f.firn(h, fmt.Sprint("worker", h.number), slices.Concat([]string{
			"worker", "--queue", f.queue, "--keyfile", f.key(), "--cache-path", h.cache, "--upload-workers", "2", "--wait", "5m",
		})...)
	} else {
		joins := []string{"--serve-queue", strings.TrimPrefix(f.queue, "nats://")}
		if f.broker != nil {
			joins = []string{"--queue", f.queue}
		}
		h.now = f.firn(h, "coordinator", slices.Concat([]string{
			"backup", "--backup-path", f.tree(), "--bucket-name", f.server.Bucket, "--keyfile", f.key(), "--cache-path", h.cache,
			"--depth", "2", "--storage-class", "STANDARD", "--part-size", "5MiB", "--upload-workers", "2",
			"--compression-algorithm", "gzip", "--compression-level", "1", "--queue-lease", f.lease.String(), "--json",
		}, joins, f.flags)...)
	}
	s := h.now
	go func() { <-s.done; f.ended <- s }()
}

// kill ends what runs on a host as a crash does.
func (f *fleet) kill(h *host) {
	if h.now == nil {
		return
	}
	_ = h.now.cmd.Process.Kill() // it may have ended
	<-h.now.done
	h.now = nil
}

func (f *fleet) signal(h *host, sig syscall.Signal) {
	if h.now != nil {
		_ = h.now.cmd.Process.Signal(sig) // it may have ended
	}
}

// says gives what a process said on both outputs.
func (s *started) says() string {
	a, _ := os.ReadFile(s.err)
	b, _ := os.ReadFile(s.out)
	return string(a) + string(b)
}

// last gives the last line that a process said on standard error.
func (s *started) last() string {
	text, _ := os.ReadFile(s.err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// broken gives what no process may ever say.
func (s *started) broken() string {
	text := s.says()
	for _, bad := range []string{"panic:", "DATA RACE", "fatal error:", "goroutine 1 ["} {
		if strings.Contains(text, bad) {
			return bad
		}
	}
	return ""
}

// dump makes all processes say what their goroutines do, and end.
func (f *fleet) dump() {
	for _, h := range f.hosts {
		if h.now != nil {
			f.signal(h, syscall.SIGCONT)
			f.signal(h, syscall.SIGQUIT)
			<-h.now.done
			h.now = nil
		}
	}
}

// logs prints the ends of what all processes said, or copies them to where FIRN_KEEP says.
func (f *fleet) logs() {
	if to := os.Getenv("FIRN_KEEP"); to != "" {
		_ = os.WriteFile(filepath.Join(f.dir, "journal"), []byte(f.journal.history("")), 0o600)
		out, err := exec.Command("cp", "-a", f.dir, to).CombinedOutput()
		f.t.Logf("kept in %s: %v %s", to, err, out)
	}
	const most = 3000
	files, _ := filepath.Glob(filepath.Join(f.dir, "*.err"))
	for _, file := range files[max(0, len(files)-12):] {
		text, _ := os.ReadFile(file)
		f.t.Logf("%s:\n%s", filepath.Base(file), text[max(0, len(text)-most):])
	}
}

// log is a file for what a server says, among those of logs.
func (f *fleet) log(name string) io.Writer {
	f.t.Helper()
	file, err := os.Create(filepath.Join(f.dir, name+".err"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { file.Close() })
	return file
}

// same checks that a tree was restored as it is.
func (f *fleet) same(a, b string) {
	f.t.Helper()
	lines, err := tree.Diff(a, b, tree.DiffOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, line := range lines[:min(len(lines), 20)] {
		f.t.Error(line)
	}
}
