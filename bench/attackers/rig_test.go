package attackers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"

	"firn/bench/harness"
	"firn/bench/tree"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/dir"
	"firn/stages/store/s3"
)

var (
	program string            // the firn that is attacked
	server  *harness.S3Server // keeps no versions
	buckets atomic.Int64
)

// TestMain builds firn as it is shipped, and starts the S3 server of all tests.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "firn-attackers-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "firn")
	build := exec.Command("go", "build", "-o", program, "firn/cmd/firn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building firn: %w\n%s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // for other users
		return 0, err
	}
	if server, err = harness.StartS3(context.Background(), harness.S3Config{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := server.SetEnv(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// A host saves its tree every night. The store is all that most attackers reach.
type host struct {
	*testing.T
	dir    string // of what follows, and where firn runs
	tree   string
	cache  string
	key    string // key file
	store  store.Store
	bucket string   // --bucket-name
	flags  []string // of every command

	remove    func(key string)          // deletes an object
	inflate   func(key string, n int64) // makes an object n bytes long
	copyStore func() (putBack func())   // remembers all that is stored
}

// newHost makes a host with a tree of two directories and a file, and an empty store: "file" or "s3".
func newHost(t *testing.T, on string) *host {
	t.Helper()
	base := t.TempDir()
	h := &host{T: t, dir: base, tree: filepath.Join(base, "tree"), cache: filepath.Join(base, "cache"), key: filepath.Join(base, "key")}
	if on == "s3" {
		h.onS3()
	} else {
		h.onFile()
	}
	h.write("tree/d1/text", "first")
	h.write("tree/d1/noise", strings.Repeat("d1 ", 200))
	h.write("tree/d2/text", "second")
	h.write("tree/file", "at the depth")
	return h
}

// onBoth runs a test with a store in a directory and one on the S3 server, side by side.
func onBoth(t *testing.T, test func(h *host)) {
	for _, on := range []string{"file", "s3"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			test(newHost(t, on))
		})
	}
}

func (h *host) onFile() {
	root := filepath.Join(h.dir, "store")
	s, err := dir.Open(root)
	h.must(err)
	h.store, h.bucket = s, s.URL()
	h.remove = func(key string) {
		dir, base := path.Split(filepath.Join(root, key))
		h.must(os.Remove(dir + base))
		h.must(os.Remove(dir + "." + base + ".firn-meta"))
	}
	h.inflate = func(key string, n int64) {
		file := filepath.Join(root, key)
		was, err := os.Stat(file)
		h.must(err)
		h.must(os.Truncate(file, n))
		h.must(os.Chtimes(file, was.ModTime(), was.ModTime()))
		dir, base := path.Split(file)
		sidecar := dir + "." + base + ".firn-meta"
		text, err := os.ReadFile(sidecar)
		h.must(err)
		text = bytes.Replace(text, fmt.Appendf(nil, `"size":%d`, was.Size()), fmt.Appendf(nil, `"size":%d`, n), 1)
		h.must(os.WriteFile(sidecar, text, 0o600))
	}
	h.copyStore = func() func() {
		kept := h.TempDir()
		h.command("cp", "-a", root, kept)
		return func() {
			h.must(os.RemoveAll(root))
			h.command("cp", "-a", filepath.Join(kept, "store"), root)
		}
	}
}

func (h *host) onS3() {
	bucket := server.NewBucket(h, fmt.Sprint("attacked-", buckets.Add(1)))
	s, err := s3.Open(h.Context(), s3.Options{Bucket: bucket, Options: awsconf.Options{Endpoint: server.Endpoint}})
	h.must(err)
	h.store, h.bucket = s, bucket
	h.remove = func(key string) {
		_, err := server.Client().DeleteObject(h.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key})
		h.must(err)
	}
	h.inflate = func(key string, n int64) { // on the disk of the server, whose names are those of s3server/keys.go
		var file strings.Builder
		for _, c := range []byte(key) {
			file.Write([]byte{"0123456789ABCDEF"[c>>4], "abcdefghijklmnop"[c&15]})
			if c == '/' {
				file.WriteByte('/')
			}
		}
		found, err := filepath.Glob(filepath.Join(server.Dir, "*", bucket, file.String()+"."))
		h.must(err)
		if len(found) == 0 {
			found = []string{filepath.Join(server.Dir, bucket, file.String()+".")}
		}
		h.must(os.Truncate(found[0], n))
	}
	h.copyStore = func() func() {
		type object struct {
			store.Object
			body []byte
		}
		kept := map[string]object{}
		for _, key := range h.keys() {
			o, body := h.object(key)
			kept[key] = object{o, body}
		}
		return func() {
			for _, key := range h.keys() {
				h.remove(key)
			}
			for key, o := range kept {
				if again := h.put(key, o.body, o.Meta); again.ETag != o.ETag {
					h.Fatalf("%s is not what it was", key)
				}
			}
		}
	}
}

// keep remembers all that is stored and what the host knows of it. putBack may be called again.
func (h *host) keep() (putBack func()) {
	h.Helper()
	state := filepath.Join(h.cache, "firn-state.db")
	known, err := os.ReadFile(state)
	h.must(err)
	back := h.copyStore()
	return func() {
		h.Helper()
		back()
		h.must(os.WriteFile(state, known, 0o600))
	}
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) write(name, text string) {
	h.Helper()
	file := filepath.Join(h.dir, name)
	h.must(os.MkdirAll(filepath.Dir(file), 0o755))
	h.must(os.WriteFile(file, []byte(text), 0o644))
}

func (h *host) command(name string, args ...string) string {
	h.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = h.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// What an attacker does with the store.

// archive is the key of a subtree.
func archive(name string) string { return "tree/" + name + ".tar.gz" }

func (h *host) keys() (keys []string) {
	h.Helper()
	h.must(h.store.List(h.Context(), "", func(o store.Object) error {
		keys = append(keys, o.Key)
		return nil
	}))
	return keys
}

func (h *host) object(key string) (store.Object, []byte) {
	h.Helper()
	o, err := h.store.Head(h.Context(), key, "")
	h.must(err)
	r, err := h.store.Get(h.Context(), key, store.GetOptions{})
	h.must(err)
	body, err := io.ReadAll(r)
	h.must(errors.Join(err, r.Close()))
	return o, body
}

func (h *host) put(key string, body []byte, meta map[string]string) store.Object {
	h.Helper()
	o, err := h.store.Put(h.Context(), key, body, store.PutOptions{Meta: meta, CRC32C: store.CRC32C(body)})
	h.must(err)
	return o
}

// change stores an object again with what change makes of it.
func (h *host) change(key string, change func(body []byte, meta map[string]string) []byte) {
	h.Helper()
	o, body := h.object(key)
	meta := maps.Clone(o.Meta)
	h.put(key, change(body, meta), meta)
}

// forget deletes what lies below a key.
func (h *host) forget(prefix string) {
	h.Helper()
	for _, key := range h.keys() {
		if strings.HasPrefix(key, prefix) {
			h.remove(key)
		}
	}
}

// What firn says.

// A said is what a command of firn said to the user.
type said struct {
	*host
	name  string
	code  int
	text  string // standard output and standard error
	usage *syscall.Rusage
}

func (h *host) cmd(command string, args ...string) *exec.Cmd {
	args = slices.Concat([]string{command, "--bucket-name", h.bucket, "--keyfile", h.key}, h.flags, args)
	cmd := exec.Command(program, args...)
	cmd.Dir = h.dir
	return cmd
}

func (h *host) say(name string, cmd *exec.Cmd) said {
	h.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.Fatal(err)
	}
	return said{h, name, cmd.ProcessState.ExitCode(), lineTime.ReplaceAllString(string(out), ""), cmd.ProcessState.SysUsage().(*syscall.Rusage)}
}

func (h *host) firn(command string, args ...string) said {
	h.Helper()
	return h.say(strings.Join(append([]string{command}, args...), " "), h.cmd(command, args...))
}

// verify checks at a level: "", "--quick" or "--read-data".
func (h *host) verify(level string) said {
	h.Helper()
	switch level {
	case "":
		return h.firn("verify")
	case "--read-data":
		return h.firn("verify", level, "--cache-path", filepath.Join(h.dir, "restore-cache"))
	}
	return h.firn("verify", level)
}

// backupCmd is the command of every night.
func (h *host) backupCmd(args ...string) *exec.Cmd {
	if !slices.Contains(args, "--depth") {
		args = append([]string{"--depth", "1"}, args...)
	}
	return h.cmd("backup", append([]string{"--backup-path", "tree", "--cache-path", h.cache, "--storage-class", "STANDARD",
		"--compression-algorithm", "gzip", "--compression-level", "1"}, args...)...)
}

func (h *host) backup(args ...string) said {
	h.Helper()
	return h.say("backup", h.backupCmd(args...))
}

// restore restores into a new directory.
func (h *host) restore(args ...string) (target string, s said) {
	h.Helper()
	target = filepath.Join(h.TempDir(), "target")
	args = append([]string{"--cache-path", filepath.Join(h.dir, "restore-cache"), "--target", target}, args...)
	s = h.say("restore", h.cmd("restore", args...))
	return filepath.Join(target, "tree"), s
}

// run is the id of the run that a backup made.
func (s said) run() string {
	s.Helper()
	found := regexp.MustCompile(`(?m)^run +(\S+)$`).FindStringSubmatch(s.text)
	if found == nil {
		s.Fatalf("no run is named:\n%s", s.text)
	}
	return found[1]
}

// byHand restores with the restore.sh that the directory store holds.
func (h *host) byHand() (target string, s said) {
	h.Helper()
	target = filepath.Join(h.TempDir(), "by-hand")
	cmd := exec.Command("sh", filepath.Join(h.dir, "store", "restore.sh"), "--keyfile", h.key, "--bucket-name", h.bucket, "--target", target)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:/bin") // what may be first in another PATH starts slowly
	return filepath.Join(target, "tree"), h.say("restore.sh", cmd)
}

// exits checks the exit code.
func (s said) exits(code int) said {
	s.Helper()
	if s.code != code {
		s.Errorf("%s: exit code %d, not %d:\n%s", s.name, s.code, code, s.text)
	}
	return s
}

// lineTime is the time in front of a line that firn printed while a run was under way.
var lineTime = regexp.MustCompile(`(?m)^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d `)

// about checks that one line names what, and that it matches. "" is no line at all. What is lost by
// it does not count.
func (s said) about(what, want string) said {
	s.Helper()
	var found []string
	for line := range strings.Lines(s.text) {
		if strings.Contains(line, what) && !strings.HasPrefix(line, "firn: lost: ") {
			found = append(found, line)
		}
	}
	if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !regexp.MustCompile(want).MatchString(found[0])) {
		s.Errorf("%s: of %s it says %q, not %q:\n%s", s.name, what, found, want, s.text)
	}
	return s
}

// has and lacks check the whole text.
func (s said) has(want string) said {
	s.Helper()
	if !regexp.MustCompile("(?m)" + want).MatchString(s.text) {
		s.Errorf("%s: nothing matches %q:\n%s", s.name, want, s.text)
	}
	return s
}

func (s said) lacks(what string) said {
	s.Helper()
	if regexp.MustCompile("(?m)" + what).MatchString(s.text) {
		s.Errorf("%s: something matches %q:\n%s", s.name, what, s.text)
	}
	return s
}

// same checks that a tree was restored as it is.
func (h *host) same(a, b string) {
	h.Helper()
	lines, err := tree.Diff(a, b, tree.DiffOptions{})
	h.must(err)
	for _, line := range lines {
		h.Error(line)
	}
}

// missing checks that nothing of a path was made.
func (h *host) missing(p string) {
	h.Helper()
	if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
		h.Errorf("%s is there: %v", p, err)
	}
}

// night lets time pass until no file of the tree was changed so lately that firn must read it again,
// and saves the tree, which must work.
func (h *host) night() said {
	h.Helper()
	h.settle()
	return h.backup().exits(0)
}

func (h *host) settle() {
	var newest time.Time
	h.must(filepath.WalkDir(h.tree, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if changed := time.Unix(st.Ctim.Unix()); changed.After(newest) {
			newest = changed
		}
		return nil
	}))
	<-time.After(time.Until(newest.Add(100 * time.Millisecond)))
}

// healthy checks that everything is as it should be, for every command.
func (h *host) healthy() {
	h.Helper()
	h.verify("--read-data").exits(0).has("is intact")
	target, s := h.restore()
	s.exits(0)
	h.same(h.tree, target)
}
