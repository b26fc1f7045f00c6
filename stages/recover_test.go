package stages_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/tree"
	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A byHand is restore.sh as the store holds it, on a machine without firn.
type byHand struct {
	*rig
	shell  []string
	source []string // what names the store
	env    []string
	page   string // objects that are listed at once
}

func (r *rig) byHand() *byHand {
	r.t.Helper()
	if at, err := exec.LookPath("firn"); err == nil {
		r.t.Fatalf("firn is there: %s", at)
	}
	return &byHand{rig: r, shell: []string{"sh"}, source: []string{"--store", strings.TrimPrefix(r.store.URL(), "file://")}, page: "20000"}
}

// exits runs the script, which must end with an exit code, and returns all
// that it said.
func (h *byHand) exits(want int, target string, args ...string) string {
	h.t.Helper()
	script := filepath.Join(h.t.TempDir(), "restore.sh")
	text := bytes.ReplaceAll(h.read("restore.sh"), []byte("--max-items 20000"), []byte("--max-items "+h.page))
	if err := os.WriteFile(script, text, 0o644); err != nil {
		h.t.Fatal(err)
	}
	args = append(append(append(h.shell[1:len(h.shell):len(h.shell)], script, "--keyfile", h.keyfile, "--target", target), h.source...), args...)
	cmd := exec.CommandContext(h.t.Context(), h.shell[0], args...)
	cmd.Env = append(os.Environ(), h.env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		h.t.Fatalf("restore.sh %q: exit code %d, want %d\n%s", args, code, want, said.String())
	}
	return said.String()
}

// same restores everything and compares the trees.
func (h *byHand) same(depth int) {
	h.t.Helper()
	target := filepath.Join(h.t.TempDir(), "new", "target")
	said := h.exits(0, target)
	h.diff(h.tree, filepath.Join(target, h.tree), tree.DiffOptions{
		LinkScope: archiveOf(depth),
		Skip:      func(_ string, mode fs.FileMode) bool { return mode.Type() == fs.ModeSocket },
	})
	if left, err := os.ReadDir(target); err != nil || len(left) != 1 {
		h.t.Errorf("in the target lies more than what was saved: %v %v", left, err)
	}
	if strings.Contains(said, "no MD5") || strings.Contains(said, "could not be proven") {
		h.t.Errorf("not all was proven:\n%s", said)
	}
}

// saved runs a backup that must save all.
func (r *rig) saved(options ...func(*stages.Backup)) {
	r.t.Helper()
	o := r.run(append(options, func(b *stages.Backup) { b.MemoryLimit = 512 << 20 })...)
	if o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) > 0 {
		r.t.Fatalf("backup: %v %v", o.Err, o.events)
	}
}

func inFormat(t *testing.T, name string, depth int) func(*stages.Backup) {
	format, err := codec.New(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return func(b *stages.Backup) { b.Format, b.Walk.Depth = format, depth }
}

// busyboxOnly is a PATH on which busybox stands for every tool that it has.
func busyboxOnly(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	at, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(at, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if err := os.Symlink(at, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return "PATH=" + bin + ":" + os.Getenv("PATH")
}

func TestRestoreWithoutFirn(t *testing.T) {
	gnu, err := exec.LookPath("tar")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format string
		depth        int
		use          func(*byHand)
	}{
		{"sh", "bzip2", 1, func(*byHand) {}},
		{"sh", "zstd", 0, func(*byHand) {}},
		{"busybox", "lzma", 0, func(h *byHand) {
			h.shell, h.env = []string{"busybox", "sh"}, []string{busyboxOnly(t), "TAR=" + gnu}
		}},
	} {
		t.Run(c.name+" "+c.format, func(t *testing.T) {
			r := newRig(t)
			if _, err := tree.Awkward(r.tree, tree.TooDeep); err != nil {
				t.Fatal(err)
			}
			r.saved(inFormat(t, c.format, c.depth))
			h := r.byHand()
			c.use(h)
			h.same(c.depth)
		})
	}
}

// Directories above the depth are archives of their own, whose times and
// modes must come after what is in them.
func TestDeepCutsWithoutFirn(t *testing.T) {
	for depth := 2; depth <= 3; depth++ {
		r := newRig(t)
		write(t, filepath.Join(r.tree, "a", "b", "c", "file"), "deep")
		write(t, filepath.Join(r.tree, "a", "b", "file"), "less deep")
		write(t, filepath.Join(r.tree, "a-", "b.u", "file"), "beside")
		for _, p := range []string{"a/b/c", "a/b", "a", "a-/b.u", "a-", ""} {
			dir := filepath.Join(r.tree, p)
			if err := errors.Join(os.Chmod(dir, 0o2551), os.Chtimes(dir, time.Time{}, time.Unix(1_000_000_000, 123_456_789))); err != nil {
				t.Fatal(err)
			}
		}
		r.saved(inFormat(t, "gzip", depth))
		r.byHand().same(depth)
	}
}

// An ordinary user can't write to directories that are read-only: restoring
// a second time must do so all the same, and leave them as they were saved.
func TestOrdinaryUserWithoutFirn(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.tree, "a", "b", "c", "file"), "deep")
	write(t, filepath.Join(r.tree, "a", "file"), "less deep")
	for _, p := range []string{"a/b/c", "a/b", "a"} {
		if err := os.Chmod(filepath.Join(r.tree, p), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir()
	r.saved(inFormat(t, "gzip", 2))
	h := r.byHand()
	if os.Geteuid() == 0 {
		r.command(exec.Command("chown", "-R", "65534:65534", filepath.Dir(r.tree), target))
		r.command(exec.Command("chmod", "755", filepath.Dir(target)))
		h.shell = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh"}
	}
	for range 2 {
		h.exits(0, target)
		h.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{NoOwners: true})
	}
	for _, p := range []string{r.tree, filepath.Join(target, r.tree)} {
		r.command(exec.Command("chmod", "-R", "u+w", p)) // or the tests can't clear it away
	}
}

// The order of shortened keys is not that of their paths, and their paths are
// not in them.
func TestShortenedKeysWithoutFirn(t *testing.T) {
	r := newRig(t)
	if err := tree.Deep(r.tree, 6, 250); err != nil {
		t.Fatal(err)
	}
	r.saved(inFormat(t, "gzip", 6))
	short := 0
	for k := range r.objects() {
		if strings.Contains(k, `\~`) {
			short++
		}
	}
	if short < 2 {
		t.Fatalf("%d keys are shortened", short)
	}
	h := r.byHand()
	h.same(6)
	deepest := filepath.Join(append([]string{r.tree}, strings.Split(strings.Repeat(strings.Repeat("d", 250)+"/", 6), "/")...)...)
	target := t.TempDir()
	h.exits(0, target, "--path", deepest)
	h.diff(deepest, filepath.Join(target, deepest), tree.DiffOptions{})
}

// What bsdtar does in its own way is left out of this tree.
func TestBsdtarWithoutFirn(t *testing.T) {
	r := newRig(t)
	if _, err := tree.Awkward(r.tree, tree.TooDeep, tree.FarTimes, tree.Attributes); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.tree, "e\u0301 decomposed")); err != nil {
		t.Fatal(err)
	}
	r.saved(inFormat(t, "gzip", 0))
	h := r.byHand()
	h.env = []string{"TAR=bsdtar"}
	h.same(0)
}

// Archives of the old script have an MD5 and no HMAC, copies without their
// descriptions have neither: they restore, with a word.
func TestUnprovenWithoutFirn(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.tree, "d", "file"), "old")
	write(t, filepath.Join(r.tree, "e", "file"), "copied")
	r.saved()
	head, err := r.store.Head(t.Context(), r.keyOf("d"), "")
	if err != nil {
		t.Fatal(err)
	}
	body := r.read(r.keyOf("d"))
	if _, err := r.store.Put(t.Context(), r.keyOf("d"), body, store.PutOptions{Meta: map[string]string{"md5": head.Meta["md5"]}, CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	copied := r.keyOf("e")
	h, target := r.byHand(), t.TempDir()
	if err := os.Remove(filepath.Join(h.source[1], filepath.Dir(copied), "."+filepath.Base(copied)+".firn-meta")); err != nil {
		t.Fatal(err)
	}
	said := h.exits(0, target)
	if !strings.Contains(said, "no MD5 is known of 1 of") || !strings.Contains(said, "could not be proven of 2 ") {
		t.Error(said)
	}
	h.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
	if said := h.exits(0, filepath.Join(target, "dry"), "--dry-run"); strings.Count(said, "would restore ") != 3 {
		t.Error(said)
	}
	if _, err := os.Stat(filepath.Join(target, "dry")); err == nil {
		t.Error("a dry run made its target")
	}
	h.exits(1, target, "--prefix", "elsewhere")
	h.exits(2, target, "--thaw", "now")
}

func TestPartWithoutFirn(t *testing.T) {
	r := newRig(t)
	r.plant(21)
	odd := filepath.Join("d1", "[a] *?\\", "x")
	write(t, filepath.Join(r.tree, odd), "odd")
	r.saved()
	for _, tar := range []string{"tar", "bsdtar"} {
		h := r.byHand()
		h.env = []string{"TAR=" + tar}
		for pattern, want := range map[string]string{
			"d2":                 "d2/noise d2/sub/text",
			"d2/sub":             "d2/sub/text",
			"d[0-2]/su?":         "d0/sub/text d1/sub/text d2/sub/text",
			"d[!12]/noi*":        "d0/noise d3/noise",
			"file":               "file",
			`d1/[[]a] [*][?]\/x`: `d1/[a] *?\/x`,
		} {
			target := t.TempDir()
			h.exits(0, target, "--path="+r.tree+"/"+pattern)
			if got := strings.Join(files(t, filepath.Join(target, r.tree)), " "); got != want {
				t.Errorf("%s, --path %s: %q, want %q", tar, pattern, got, want)
			}
		}
		h.exits(1, t.TempDir(), "--path", filepath.Join(r.tree, "d2", "nothing"))
	}
}

// files are the paths of what is no directory below dir.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What was tampered with is named, nothing of it is laid down, and the rest
// comes back.
func TestTamperedWithWithoutFirn(t *testing.T) {
	r := newRig(t)
	r.plant(22)
	r.saved()
	h := r.byHand()
	sound := r.read(r.keyOf("d1"))
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"flipped bit":      {flip(100), "the MD5 is"},
		"flipped last bit": {flip(-1), "does not decrypt"},
		"truncated":        {func(b []byte) []byte { return b[:len(b)-16] }, ""},
		"empty":            {func([]byte) []byte { return nil }, "does not decrypt"},
		"another's":        {func([]byte) []byte { return r.read(r.keyOf("d2")) }, "the MD5 is"},
	} {
		r.replace(r.keyOf("d1"), c.change, r.keyOf("d1"))
		target := t.TempDir()
		said := h.exits(3, target)
		if !strings.Contains(said, "FAILED: "+r.keyOf("d1")) || !strings.Contains(said, c.want) || strings.Count(said, "FAILED") != 1 {
			t.Errorf("%s: %s", name, said)
		}
		if _, err := os.Stat(filepath.Join(target, r.tree, "d1")); err == nil {
			t.Errorf("%s: something of it was laid down", name)
		}
		h.diff(filepath.Join(r.tree, "d2"), filepath.Join(target, r.tree, "d2"), tree.DiffOptions{})
		r.replace(r.keyOf("d1"), func([]byte) []byte { return sound }, r.keyOf("d1"))
	}

	// With its record, another's archive has the right MD5, and a wrong HMAC.
	head, err := r.store.Head(t.Context(), r.keyOf("d2"), "")
	if err != nil {
		t.Fatal(err)
	}
	body := r.read(r.keyOf("d2"))
	if _, err := r.store.Put(t.Context(), r.keyOf("d1"), body, store.PutOptions{Meta: head.Meta, CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	if said := h.exits(3, t.TempDir()); !strings.Contains(said, "its HMAC does not fit") {
		t.Error(said)
	}

	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	if said := h.exits(3, t.TempDir(), "--keyfile", other); strings.Count(said, "made with another key file") != 7 {
		t.Error(said)
	}
}

// Nothing is laid through a link that lies in the target.
func TestLinkInTheTargetWithoutFirn(t *testing.T) {
	r := newRig(t)
	r.plant(23)
	r.saved()
	target, outside := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(target, filepath.Dir(r.tree)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(target, r.tree)); err != nil {
		t.Fatal(err)
	}
	r.byHand().exits(3, target, "--path", filepath.Join(r.tree, "d1"))
	if left := files(t, outside); len(left) > 0 {
		t.Errorf("outside the target lies %q", left)
	}
}

// atSite is restore.sh over a bucket.
func (s *site) atSite() *byHand {
	s.t.Helper()
	h := s.byHand()
	h.source = []string{"--bucket", s.bucket, "--endpoint-url", s.server.Endpoint}
	// The aws command takes an empty profile for one that is named so.
	h.shell = []string{"env", "-u", "AWS_PROFILE", "-u", "AWS_SESSION_TOKEN", "sh"}
	return h
}

func TestRestoreFromS3WithoutFirn(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"new\nline\t\x01", "latin1 \xe9 [*]", `-rf "'$HOME\n`, "雪 % + & \u0085"} {
		write(t, filepath.Join(s.tree, name, "file"), name)
	}
	s.saved()
	h := s.atSite()
	h.page = "2"
	h.same(1)

	// A bit that is damaged, under a prefix; then mended, and taken up.
	p := s.with(t, "damaged")
	p.tree, p.keyfile = s.tree, s.keyfile
	p.saved(func(b *stages.Backup) { b.Walk.Prefix = "a p/" })
	hurt, _ := key.For("a p", filepath.Join(s.tree, "latin1 \xe9 [*]"), "tar.gz")
	p.replace(hurt, flip(100), hurt)
	body := p.read("a p/restore.sh")
	if _, err := p.store.Put(t.Context(), "restore.sh", body, store.PutOptions{CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	h = p.atSite()
	if said := h.exits(3, target, "--prefix", "/a p/"); !strings.Contains(said, "FAILED: "+hurt+": damaged: the MD5 is") || strings.Count(said, "restored a p") != 4 {
		t.Error(said)
	}
	p.replace(hurt, flip(100), hurt)
	if said := h.exits(0, target, "--prefix", "a p"); !strings.Contains(said, "restored: 2, restored before: 3") {
		t.Error(said) // the directory above once more, for its times
	}
	h.diff(s.tree, filepath.Join(target, s.tree), tree.DiffOptions{})
}

// What is cold is named, thawed when that is asked for, and restored when it
// has thawed.
func TestThawWithoutFirn(t *testing.T) {
	server := harness.S3(t, harness.ThawDelay(time.Hour))
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	s := (&site{server: server, proxy: harness.Proxy(t, server.Endpoint)}).with(t, server.Bucket)
	write(t, filepath.Join(s.tree, "warm", "file"), "warm")
	s.saved(func(b *stages.Backup) { b.Walk.Prefix = "" })
	write(t, filepath.Join(s.tree, "cold", "file"), "cold")
	s.saved(func(b *stages.Backup) { b.Class = store.ClassGlacier })
	h, target := s.atSite(), t.TempDir()

	if said := h.exits(4, target); strings.Count(said, "cold (GLACIER") != 2 || !strings.Contains(said, "--thaw Bulk") {
		t.Error(said)
	}
	h.diff(filepath.Join(s.tree, "warm"), filepath.Join(target, s.tree, "warm"), tree.DiffOptions{})
	if said := h.exits(4, target, "--thaw", "Bulk"); strings.Count(said, "its thaw is asked for") != 2 {
		t.Error(said)
	}
	if said := h.exits(4, target, "--thaw", "Bulk"); strings.Count(said, "its thaw is under way") != 2 {
		t.Error(said)
	}
	if n := server.Count("RestoreObject"); n != 2 {
		t.Errorf("%d thaws were asked for", n)
	}
	server.FinishThaws()
	h.exits(0, target)
	h.diff(s.tree, filepath.Join(target, s.tree), tree.DiffOptions{})
}
