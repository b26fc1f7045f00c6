package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"io"
	"math/rand"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// A site is a tree, a cache path and a bucket behind a proxy, for firn's own
// process.
type site struct {
	t      *testing.T
	dir    string // tree, cache and key lie here
	root   string // of a store in a directory; it has no server and no proxy
	server *harness.S3Server
	proxy  *harness.FaultProxy
	mu     sync.Mutex // of a rule of the proxy
}

// newSite makes a tree of seven archives. Those that are named are large enough for several parts.
func newSite(t *testing.T, large []string, options ...func(*harness.S3Config)) *site {
	s := &site{t: t, dir: t.TempDir(), server: harness.S3(t, options...)}
	s.proxy = harness.Proxy(t, s.server.Endpoint)
	s.plant(large)
	return s
}

func (s *site) plant(large []string) {
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		size := 10_000
		if slices.Contains(large, name) {
			size = 6 << 20
		}
		stagestest.Noise(s.t, filepath.Join(s.tree(), name, "noise"), int64(i), size)
	}
	stagestest.Write(s.t, filepath.Join(s.tree(), "plain"), "plain")
}

// bucket is the --bucket-name of the store.
func (s *site) bucket() string {
	if s.root != "" {
		return (&url.URL{Scheme: "file", Path: s.root}).String()
	}
	return s.server.Bucket
}

func (s *site) tree() string  { return filepath.Join(s.dir, "tree") }
func (s *site) cache() string { return filepath.Join(s.dir, "cache") }
func (s *site) key() string   { return filepath.Join(s.dir, "key") }

// subtrees is how many archives the tree makes.
const subtrees = 7

// A process is a firn under way. What it says is read line by line.
type process struct {
	s      *site
	cmd    *exec.Cmd
	stderr *bufio.Scanner
	said   bytes.Buffer
	out    *bytes.Buffer // standard output
}

// backup are the arguments of a backup.
func (s *site) backup(flags ...string) []string {
	return append([]string{
		"backup", "--backup-path", s.tree(), "--bucket-name", s.bucket(),
		"--keyfile", s.key(), "--compression-algorithm", "gzip", "--compression-level", "1",
	}, flags...)
}

// env has settings that flags replace.
func (s *site) env() []string {
	env := append(os.Environ(), "FIRN_CACHE_PATH="+s.cache(), "FIRN_DEPTH=1", "FIRN_STORAGE_CLASS=STANDARD", "FIRN_PART_SIZE=5MiB")
	if s.root != "" {
		return env
	}
	return append(append(env, s.server.Env()...), "AWS_ENDPOINT_URL_S3="+s.proxy.Endpoint)
}

func (s *site) start(flags ...string) *process {
	s.t.Helper()
	cmd := exec.Command("firn", s.backup(flags...)...)
	cmd.Env = s.env()
	out := new(bytes.Buffer)
	cmd.Stdout = out
	r, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return &process{s: s, cmd: cmd, stderr: bufio.NewScanner(r), out: out}
}

// until reads what firn says until a line holds text; "" reads to the end.
func (p *process) until(text string) {
	p.s.t.Helper()
	for p.stderr.Scan() {
		p.said.WriteString(p.stderr.Text() + "\n")
		if text != "" && strings.Contains(p.stderr.Text(), text) {
			return
		}
	}
	if text != "" {
		p.s.t.Fatalf("firn never said %q, but:\n%s", text, p.said.String())
	}
}

// end waits for firn and gives its exit code, -1 if it was killed.
func (p *process) end() int {
	p.s.t.Helper()
	p.until("")
	_ = p.cmd.Wait() // the exit code says it
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(sig os.Signal) {
	p.s.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.s.t.Fatal(err)
	}
}

// run is a firn that must end with a code; it gives what was said.
func (s *site) run(code int, flags ...string) string {
	s.t.Helper()
	p := s.start(flags...)
	if got := p.end(); got != code {
		s.t.Fatalf("exit code %d, not %d:\n%s", got, code, p.said.String())
	}
	return p.said.String()
}

func says(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("firn did not say %q, but:\n%s", part, said)
		}
	}
}

// savesNothing fails unless a backup says that it skipped something, and nothing of what it saved.
func savesNothing(t *testing.T, said string) {
	t.Helper()
	says(t, said, "skipped ")
	if strings.Contains("\n"+said, "\nsaved ") {
		t.Errorf("something was saved:\n%s", said)
	}
}

// hold makes the proxy keep the nth call of an operation, and all after it,
// until release is called; reached is closed when it has come.
func (s *site) hold(op string, n int) (reached <-chan struct{}, release func()) {
	arrived, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.proxy.ResetCounts()
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op != op || c.Number < n {
			return harness.Fault{}
		}
		once.Do(func() { close(arrived) })
		return harness.Fault{Hold: free}
	})
	return arrived, func() {
		s.proxy.SetRule(nil)
		close(free)
	}
}

func (s *site) unfinished() int { return len(s.uploads()) }

// uploads are the ids of the unfinished uploads.
func (s *site) uploads() (ids []string) {
	s.t.Helper()
	if s.root != "" {
		return s.noted()
	}
	out, err := s.server.Client().ListMultipartUploads(s.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.server.Bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range out.Uploads {
		ids = append(ids, *u.UploadId)
	}
	return ids
}

// held is how many parts the bucket holds of unfinished uploads; all if there are none.
func (s *site) held() (parts int) {
	s.t.Helper()
	if s.root != "" {
		for _, file := range s.noted() {
			notes, _ := os.ReadFile(file) // it may be gone
			parts += bytes.Count(notes, []byte("{"))
		}
		return parts
	}
	out, err := s.server.Client().ListMultipartUploads(s.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.server.Bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range out.Uploads {
		list, err := s.server.Client().ListParts(s.t.Context(), &s3.ListPartsInput{Bucket: &s.server.Bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			s.t.Fatal(err)
		}
		parts += len(list.Parts)
	}
	if len(out.Uploads) == 0 {
		return resumedParts
	}
	return parts
}

// abort drops the unfinished uploads.
func (s *site) abort() {
	s.t.Helper()
	if s.root != "" {
		s.pipe(nil, "rm", "-r", filepath.Join(s.root, ".firn-store", "uploads"))
		return
	}
	out, err := s.server.Client().ListMultipartUploads(s.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.server.Bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range out.Uploads {
		if _, err := s.server.Client().AbortMultipartUpload(s.t.Context(), &s3.AbortMultipartUploadInput{Bucket: &s.server.Bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// keys are those of the archives in the bucket.
func (s *site) keys() (keys []string) {
	s.t.Helper()
	if s.root != "" {
		for _, file := range strings.Fields(string(s.pipe(nil, "find", s.root, "-name", "[!.]*.tar.gz"))) {
			keys = append(keys, strings.TrimPrefix(file, s.root+"/"))
		}
		return keys
	}
	out, err := s.server.Client().ListObjectsV2(s.t.Context(), &s3.ListObjectsV2Input{Bucket: &s.server.Bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range out.Contents {
		if strings.Contains(*o.Key, ".tar.") {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

// whole makes sure that the tree is in the bucket, as openssl and tar see it,
// and that nothing is left of what runs have made on the way.
func (s *site) whole() {
	s.t.Helper()
	into, found := s.t.TempDir(), s.keys()
	archive := filepath.Join(s.t.TempDir(), "archive") // the programs' own files: the race detector watches each byte that passes here
	for _, k := range found {
		body, recorded := s.object(k)
		s.pipe(body, "openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+s.key(), "-out", archive)
		if err := body.Close(); err != nil {
			s.t.Fatal(err)
		}
		if sum := string(s.pipe(nil, "md5sum", archive)[:2*md5.Size]); sum != recorded {
			s.t.Errorf("%s: md5 is %s, its record says %s", k, sum, recorded)
		}
		at := filepath.Join(into, filepath.Dir(k))
		if err := os.MkdirAll(at, 0o755); err != nil {
			s.t.Fatal(err)
		}
		s.pipe(nil, "tar", "-C", at, "-xzf", archive)
	}
	s.pipe(nil, "diff", "-r", s.tree(), filepath.Join(into, s.tree()))
	if len(found) != subtrees {
		s.t.Errorf("%d objects: %q", len(found), found)
	}
	s.clean()
}

// object reads an object, and gives the MD5 of its archive that was recorded.
func (s *site) object(k string) (body io.ReadCloser, md5 string) {
	s.t.Helper()
	if s.root == "" {
		out, err := s.server.Client().GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &s.server.Bucket, Key: &k})
		if err != nil {
			s.t.Fatal(err)
		}
		return out.Body, out.Metadata["md5"]
	}
	d, err := dir.Open(s.root)
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := d.Head(s.t.Context(), k, "")
	if err == nil {
		body, err = d.Get(s.t.Context(), k, store.GetOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return body, o.Meta["md5"]
}

// clean makes sure that no archive lies in the cache path and no part in the
// bucket.
func (s *site) clean() {
	s.t.Helper()
	s.emptySpool()
	if n := s.unfinished(); n != 0 {
		s.t.Errorf("%d unfinished uploads in the bucket", n)
	}
}

func (s *site) emptySpool() {
	s.t.Helper()
	left, err := os.ReadDir(s.cache())
	if err != nil || len(left) != 1 || left[0].Name() != "firn-state.db" {
		s.t.Errorf("in the cache path: %v, %v", left, err)
	}
}

func (s *site) pipe(in io.Reader, name string, args ...string) []byte {
	s.t.Helper()
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &said
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %v\n%s%s", name, err, out.String(), said.String())
	}
	return out.Bytes()
}

// Whenever firn is killed, the next run ends with everything saved.
func TestKilled(t *testing.T) {
	for _, at := range []struct {
		op string
		n  int
	}{{"ListMultipartUploads", 1}, {"PutObject", 2}, {"UploadPart", 2}, {"CompleteMultipartUpload", 1}} {
		t.Run(at.op, func(t *testing.T) {
			s := newSite(t, []string{"a"})
			reached, release := s.hold(at.op, at.n)
			p := s.start()
			<-reached
			p.signal(syscall.SIGKILL)
			if code := p.end(); code != -1 {
				t.Fatalf("exit code %d", code)
			}
			pending := s.unfinished()
			release()
			said := s.run(exitDone)
			if pending > 0 {
				says(t, said, "resumed    1 upload of an earlier run")
			}
			if at.op == "UploadPart" && pending == 0 {
				t.Error("no upload was under way when firn was killed")
			}
			s.whole()
			savesNothing(t, s.run(exitDone))
		})
	}
}

// A signal asks for one line, in every mode.
func TestStatus(t *testing.T) {
	for _, tt := range []struct{ flags, want string }{
		{"--progress=none", " firn: read 6.04 of 6.04 MiB (100 %), upload "},
		{"--quiet", " firn: read 6.04 of 6.04 MiB (100 %), upload "},
		{"--json", `"event":"progress",`},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			s := newSite(t, []string{"a"})
			reached, release := s.hold("UploadPart", 1)
			p := s.start(tt.flags)
			<-reached
			p.signal(syscall.SIGUSR1)
			if tt.flags != "--json" {
				p.until("left")
			}
			release()
			if code := p.end(); code != exitDone {
				t.Errorf("exit code %d", code)
			}
			says(t, p.said.String()+p.out.String(), tt.want)
			if tt.flags == "--quiet" && strings.Count(p.said.String(), "\n") != 2 { // the key file is made
				t.Errorf("%s", p.said.String())
			}
		})
	}
}

// The first signal ends the run when what is in flight is stored.
func TestInterruptedOnce(t *testing.T) {
	s := newSite(t, []string{"a", "d", "e"})
	reached, release := s.hold("UploadPart", 2)
	// Only one of the big archives fits into the spool, and one more waits for it.
	p := s.start("--archive-workers", "1", "--upload-workers", "1", "--spool-limit", "8MiB")
	<-reached
	p.signal(os.Interrupt)
	p.until("stopping: what is in flight is finished, nothing new is taken; once more cancels it")
	release()
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "firn: stopped: what was begun is saved, the rest is left for the next run")
	if n := len(s.keys()); n == 0 || n == subtrees {
		t.Errorf("%d objects of %d were stored by a run that was stopped", n, subtrees)
	}
	s.clean()
	s.run(exitDone)
	s.whole()
}

// The second one cancels what is in flight, and leaves its upload to the next run, or nothing if it is
// told so. SIGTERM does the same as SIGINT.
func TestInterruptedTwice(t *testing.T) {
	for name, flags := range map[string][]string{"leaves its upload": nil, "leaves nothing": {"--no-resume"}} {
		t.Run(name, func(t *testing.T) { interruptedTwice(t, flags) })
	}
}

func interruptedTwice(t *testing.T, flags []string) {
	s := newSite(t, []string{"a"})
	reached, release := s.hold("UploadPart", 1)
	p := s.start(flags...)
	<-reached
	p.signal(syscall.SIGTERM)
	p.until("once more cancels it")
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "cancelled: clearing up; once more kills firn", "firn: the run ended early: interrupted")
	if flags != nil {
		s.clean()
	} else if says(t, p.said.String(), "unfinished 1 upload that the next run takes up"); s.unfinished() != 1 {
		t.Errorf("%d unfinished uploads", s.unfinished())
	}
	release()
	s.run(exitDone)
	s.whole()
}

// Whenever two signals come among many unchanged archives and a changed one, firn ends in order and
// leaves nothing behind. FIRN_LONG=1 tries it 200 times, over 1,500 archives.
func TestInterruptedTwiceAtRandom(t *testing.T) {
	archives, trials, seed := 30, 3, int64(3)
	if os.Getenv("FIRN_LONG") != "" {
		archives, trials = 1500, 200
	}
	if text := os.Getenv("FIRN_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FIRN_SEED=%d", seed)
	rng := rand.New(rand.NewSource(seed))
	s := newSite(t, nil)
	for i := range archives {
		if err := os.MkdirAll(filepath.Join(s.tree(), "many", strconv.Itoa(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.run(exitDone, "--depth", "2")
	// An upload that was aborted while a part was on its way can come back when its key is uploaded
	// again: the server keeps the part, and lists nothing until then.
	var uploads sync.Map // ids of those that were aborted or completed
	for trial := range trials {
		if trial%20 == 19 {
			t.Logf("trial %d", trial+1)
		}
		body := make([]byte, 6<<20)
		rng.Read(body)
		if err := os.MkdirAll(filepath.Join(s.tree(), "a big"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.tree(), "a big", "noise"), body, 0o644); err != nil {
			t.Fatal(err)
		}
		first := 1 + rng.Intn(archives+20) // of requests: one for each archive, and some
		second := first + 1 + rng.Intn(20)
		var count atomic.Int64
		p := s.start("--depth", "2", "--no-resume")
		var ended sync.Map
		s.proxy.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == "AbortMultipartUpload" || c.Op == "CompleteMultipartUpload" {
				ended.Store(c.Request.URL.Query().Get("uploadId"), true)
			}
			switch int(count.Add(1)) {
			case first, second:
				_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
			}
			return harness.Fault{}
		})
		code := p.end()
		s.proxy.SetRule(nil)
		if code == -1 && strings.Contains(p.said.String(), "once more kills firn") && !strings.Contains(p.said.String(), "stopping") {
			continue // both came before there was anything to stop: the first cancelled, and the second killed
		}
		if code != exitDone && code != exitInterrupted || strings.Contains(p.said.String(), "panic") {
			t.Fatalf("interrupted in requests %d and %d, firn ended with code %d:\n%s", first, second, code, p.said.String())
		}
		s.emptySpool()
		for _, id := range s.uploads() {
			if _, aborted := uploads.Load(id); !aborted {
				t.Errorf("upload %s is unfinished", id)
			}
		}
		ended.Range(func(id, _ any) bool { uploads.Store(id, true); return true })
		if t.Failed() {
			t.Fatalf("interrupted in requests %d and %d:\n%s", first, second, p.said.String())
		}
	}
	for range 2 { // the second one aborts what came back in the first
		s.run(exitDone, "--depth", "2", "--abort-unfinished-after", "0s")
	}
	s.clean()
	s.restored()
}

// restored makes sure that a restore gives the tree back.
func (s *site) restored() {
	s.t.Helper()
	into := filepath.Join(s.dir, "restored")
	cmd := exec.Command("firn", "restore", "--bucket-name", s.server.Bucket, "--keyfile", s.key(), "--cache-path", s.cache(), "--target", into)
	cmd.Env = append(append(os.Environ(), s.server.Env()...), "AWS_ENDPOINT_URL_S3="+s.proxy.Endpoint)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	s.pipe(nil, "diff", "-r", s.tree(), filepath.Join(into, s.tree()))
}

// Before anything is stored, one signal is enough.
func TestInterruptedAtTheStart(t *testing.T) {
	s := newSite(t, nil)
	reached, release := s.hold("ListObjectsV2", 1)
	defer release()
	p := s.start()
	<-reached
	p.signal(os.Interrupt)
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "firn: interrupted before anything was stored")
	if _, err := os.Stat(s.key()); err == nil {
		t.Error("a key file was made")
	}
}
