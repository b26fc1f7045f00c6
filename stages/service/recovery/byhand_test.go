package recovery_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A byHand is restore.sh as the store holds it, on a machine without firn.
type byHand struct {
	*stagestest.Rig
	shell  []string
	source []string // what names the store
	env    []string
}

func newByHand(r *stagestest.Rig) *byHand {
	r.T.Helper()
	if at, err := exec.LookPath("firn"); err == nil {
		r.T.Fatalf("firn is there: %s", at)
	}
	return &byHand{Rig: r, shell: []string{"sh"}, source: []string{"--bucket-name", r.Store.URL()}}
}

// exits runs the script, which must end with an exit code, and returns all
// that it said.
func (h *byHand) exits(want int, target string, args ...string) string {
	h.T.Helper()
	script := filepath.Join(h.T.TempDir(), "restore.sh")
	if err := os.WriteFile(script, h.ReadObject("restore.sh"), 0o644); err != nil {
		h.T.Fatal(err)
	}
	args = append(append(append(h.shell[1:len(h.shell):len(h.shell)], script, "--keyfile", h.Keyfile, "--target", target), h.source...), args...)
	cmd := exec.CommandContext(h.T.Context(), h.shell[0], args...)
	cmd.Env = append(os.Environ(), h.env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.T.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		h.T.Fatalf("restore.sh %q: exit code %d, want %d\n%s", args, code, want, said.String())
	}
	return said.String()
}

// same restores everything and compares the trees.
func (h *byHand) same(depth int) {
	h.T.Helper()
	target := filepath.Join(h.T.TempDir(), "new", "target")
	said := h.exits(0, target)
	h.Diff(h.Tree, filepath.Join(target, h.Tree), tree.DiffOptions{
		LinkScope: stagestest.ArchiveOf(depth),
		Skip:      func(_ string, mode fs.FileMode) bool { return mode.Type() == fs.ModeSocket },
	})
	if left, err := os.ReadDir(target); err != nil || len(left) != 1 {
		h.T.Errorf("in the target lies more than what was saved: %v %v", left, err)
	}
	if strings.Contains(said, "nobody knows") {
		h.T.Errorf("not all was proven:\n%s", said)
	}
}

// saveAll runs a backup that must save all.
func saveAll(r *stagestest.Rig, options ...func(*backup.Options)) {
	r.T.Helper()
	o := r.Backup(append(options, func(b *backup.Options) { b.MemoryLimit = 512 << 20 })...)
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) > 0 {
		r.T.Fatalf("backup: %v %v", o.Err, o.Events)
	}
}

func inFormat(t *testing.T, name string, depth int) func(*backup.Options) {
	format, err := codec.New(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return func(b *backup.Options) { b.Format, b.Walk.Depth = format, depth }
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

// without is a PATH on which everything is but these programs.
func without(t *testing.T, names ...string) string {
	t.Helper()
	bin := t.TempDir()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		all, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range all {
			if !slices.Contains(names, strings.TrimRight(e.Name(), "0123456789.")) {
				_ = os.Symlink(filepath.Join(dir, e.Name()), filepath.Join(bin, e.Name())) // the first one counts
			}
		}
	}
	return "PATH=" + bin
}

func perlOnly(t *testing.T) string   { return without(t, "python") }
func pythonOnly(t *testing.T) string { return without(t, "perl") }

func TestRestoreWithoutFirn(t *testing.T) {
	t.Parallel()
	gnu, err := exec.LookPath("tar")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format string
		depth        int
		use          func(*byHand)
	}{
		{"dash", "bzip2", 1, func(h *byHand) { h.shell = []string{"dash"} }},
		{"bash", "zstd", 0, func(h *byHand) { h.shell, h.env = []string{"bash"}, []string{perlOnly(t)} }},
		{"busybox", "lzma", 0, func(h *byHand) {
			h.shell, h.env = []string{"busybox", "sh"}, []string{busyboxOnly(t), "TAR=" + gnu}
		}},
	} {
		t.Run(c.name+" "+c.format, func(t *testing.T) {
			r := stagestest.NewRig(t)
			if _, err := tree.Awkward(r.Tree, tree.TooDeep); err != nil {
				t.Fatal(err)
			}
			saveAll(r, inFormat(t, c.format, c.depth))
			h := newByHand(r)
			c.use(h)
			h.same(c.depth)
		})
	}
}

// Directories above the depth are archives of their own, whose times and
// modes must come after what is in them.
func TestDeepCutsWithoutFirn(t *testing.T) {
	t.Parallel()
	const depth = 3 // which has archives of directories below such archives
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "a", "b", "c", "file"), "deep")
	stagestest.Write(t, filepath.Join(r.Tree, "a", "b", "file"), "less deep")
	stagestest.Write(t, filepath.Join(r.Tree, "a-", "b.u", "file"), "beside")
	for _, p := range []string{"a/b/c", "a/b", "a", "a-/b.u", "a-", ""} {
		dir := filepath.Join(r.Tree, p)
		if err := errors.Join(os.Chmod(dir, 0o2551), os.Chtimes(dir, time.Time{}, time.Unix(1_000_000_000, 123_456_789))); err != nil {
			t.Fatal(err)
		}
	}
	saveAll(r, inFormat(t, "gzip", depth))
	newByHand(r).same(depth)
}

// An ordinary user can't write to directories that are read-only: restoring
// a second time must do so all the same, and leave them as they were saved.
func TestOrdinaryUserWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "a", "b", "c", "file"), "deep")
	stagestest.Write(t, filepath.Join(r.Tree, "a", "file"), "less deep")
	for _, p := range []string{"a/b/c", "a/b", "a"} {
		if err := os.Chmod(filepath.Join(r.Tree, p), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir()
	saveAll(r, inFormat(t, "gzip", 2))
	h := newByHand(r)
	if os.Geteuid() == 0 {
		r.Command(exec.Command("chown", "-R", "65534:65534", filepath.Dir(r.Tree), target))
		r.Command(exec.Command("chmod", "755", filepath.Dir(target)))
		h.shell = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh"}
	}
	h.exits(0, target)
	h.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{NoOwners: true})
	if said := h.exits(3, target); strings.Count(said, "something else is in its place") != 4 || strings.Count(said, "FAILED") != 4 {
		t.Error(said)
	}
	h.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{NoOwners: true})
	for _, p := range []string{r.Tree, filepath.Join(target, r.Tree)} {
		r.Command(exec.Command("chmod", "-R", "u+w", p)) // or the tests can't clear it away
	}
}

// The order of shortened keys is not that of their paths, and their paths are
// not in them.
func TestShortenedKeysWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	if err := tree.Deep(r.Tree, 6, 250); err != nil {
		t.Fatal(err)
	}
	saveAll(r, inFormat(t, "gzip", 6))
	short := 0
	for k := range r.Objects() {
		if strings.Contains(k, `\~`) {
			short++
		}
	}
	if short < 2 {
		t.Fatalf("%d keys are shortened", short)
	}
	h := newByHand(r)
	h.same(6)
	deepest := filepath.Join(append([]string{r.Tree}, strings.Split(strings.Repeat(strings.Repeat("d", 250)+"/", 6), "/")...)...)
	target := t.TempDir()
	h.exits(0, target, "--path", deepest)
	h.Diff(deepest, filepath.Join(target, deepest), tree.DiffOptions{})
}

// What bsdtar does in its own way is left out of this tree.
func TestBsdtarWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	if _, err := tree.Awkward(r.Tree, tree.TooDeep, tree.FarTimes, tree.Attributes); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.Tree, "e\u0301 decomposed")); err != nil {
		t.Fatal(err)
	}
	saveAll(r, inFormat(t, "gzip", 0))
	h := newByHand(r)
	h.env = []string{"TAR=bsdtar"}
	h.same(0)
}

// Archives of the old script have an MD5 and no HMAC, copies without their
// descriptions have neither: they restore where that is allowed, with a word.
func TestUnprovenWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d", "file"), "old")
	stagestest.Write(t, filepath.Join(r.Tree, "e", "file"), "copied")
	saveAll(r)
	rewrite(t, sidecar(r, r.KeyOf("d")), `"firn-hmac-sha256":`, `"x-hmac":`)
	copied := r.KeyOf("e")
	h, target := newByHand(r), t.TempDir()
	r.Must(os.Remove(sidecar(r, copied)))
	said := h.exits(3, target)
	if strings.Count(said, ": unproven: ") != 2 || strings.Count(said, "FAILED") != 2 || len(files(t, filepath.Join(target, r.Tree))) != 0 {
		t.Error(said)
	}
	// What it keeps until the next run is used only if it is a private directory of its own.
	kept, err := filepath.Glob(filepath.Join(target, ".firn-restore.*"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	outside := t.TempDir()
	r.Must(os.Chmod(outside, 0o700))
	r.Must(os.Rename(kept[0], kept[0]+".aside"))
	r.Must(os.Symlink(outside, kept[0]))
	h.exits(1, target)
	r.Must(os.Remove(kept[0]))
	r.Must(os.Mkdir(kept[0], 0o755))
	h.exits(1, target)
	r.Must(os.Remove(kept[0]))
	r.Must(os.Rename(kept[0]+".aside", kept[0]))
	if left := files(t, outside); len(left) > 0 {
		t.Errorf("outside lies %q", left)
	}
	said = h.exits(0, target, "--allow-unproven")
	if strings.Count(said, "no MD5 is known") != 1 || !strings.Contains(said, "nobody knows who made 2 ") {
		t.Error(said)
	}
	h.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	if said := h.exits(0, filepath.Join(target, "dry"), "--dry-run"); strings.Count(said, "would restore ") != 3 {
		t.Error(said)
	}
	if _, err := os.Stat(filepath.Join(target, "dry")); err == nil {
		t.Error("a dry run made its target")
	}
	h.exits(1, target, "--prefix", "elsewhere")
	h.exits(2, target, "--thaw", "now")
}

// sidecar is the file of a directory store that describes an object.
func sidecar(r *stagestest.Rig, key string) string {
	dir, base := filepath.Split(filepath.Join(r.Root(), key))
	return filepath.Join(dir, "."+base+".firn-meta")
}

// rewrite replaces a text in a file by another.
func rewrite(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %s: %s", file, old, text)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPartWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(21, 10_000)
	odd := filepath.Join("d1", "[a] *?\\", "x")
	stagestest.Write(t, filepath.Join(r.Tree, odd), "odd")
	saveAll(r)
	h := newByHand(r)
	for path, want := range map[string]string{
		"d2":              "d2/noise d2/sub/text",
		"d2/sub":          "d2/sub/text",
		"file":            "file",
		`d1/[a] *?\/x`:    `d1/[a] *?\/x`,
		`d1/[a] *?\`:      `d1/[a] *?\/x`,
		"d2/sub/../../d1": "",
	} {
		target, code := t.TempDir(), 0
		if want == "" {
			code = 1
		}
		h.exits(code, target, "--path="+r.Tree+"/"+path)
		if got := strings.ReplaceAll(strings.Join(files(t, target), " "), strings.TrimPrefix(r.Tree, "/")+"/", ""); got != want {
			t.Errorf("--path %s: %q, want %q", path, got, want)
		}
	}
	h.exits(1, t.TempDir(), "--path", filepath.Join(r.Tree, "d2", "nothing"))
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

// What was tampered with is named, nothing of it is written, and the rest
// comes back.
// Of two archives of one path with different endings, the one that was stored last is restored.
func TestTwoEndingsWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	file := filepath.Join(r.Tree, "d", "file")
	for i, format := range []string{"zstd", "bzip2", "gzip"} {
		stagestest.Write(t, file, fmt.Sprint("version ", i))
		saveAll(r, inFormat(t, format, 1))
	}
	for key := range r.Objects() {
		hours := map[string]time.Duration{".zst": 5, ".bz2": 4, ".gz": 3}[filepath.Ext(key)]
		then := time.Now().Add(-hours * time.Hour)
		r.Must(os.Chtimes(filepath.Join(r.Root(), key), then, then))
	}
	target := t.TempDir()
	said := newByHand(r).exits(0, target)
	if text, err := os.ReadFile(filepath.Join(target, file)); err != nil || string(text) != "version 2" || strings.Count(said, "was stored later") != 4 {
		t.Errorf("%q %v\n%s", text, err, said)
	}
}

func TestTamperedWithWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	for i, name := range []string{"d1", "d2"} { // three archives: each costs its part of every restore
		stagestest.Noise(t, filepath.Join(r.Tree, name, "noise"), int64(22+i), 10_000)
	}
	saveAll(r)
	h := newByHand(r)
	sound := r.ReadObject(r.KeyOf("d1"))
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"flipped bit": {stagestest.Flip(100), "its HMAC does not fit"},
		// A bit of the last block but one is that bit of the last byte of the padding, which is wrong then.
		"flipped bit of the padding": {stagestest.Flip(-17), "does not decrypt"},
		"truncated":                  {func(b []byte) []byte { return b[:len(b)-16] }, ""},
		"empty":                      {func([]byte) []byte { return nil }, "does not decrypt"},
		"another's":                  {func([]byte) []byte { return r.ReadObject(r.KeyOf("d2")) }, "its HMAC does not fit"},
	} {
		r.Replace(r.KeyOf("d1"), c.change, r.KeyOf("d1"))
		target := t.TempDir()
		said := h.exits(3, target)
		if !strings.Contains(said, "FAILED: "+r.KeyOf("d1")) || !strings.Contains(said, c.want) || strings.Count(said, "FAILED") != 1 {
			t.Errorf("%s: %s", name, said)
		}
		if _, err := os.Stat(filepath.Join(target, r.Tree, "d1")); err == nil {
			t.Errorf("%s: something of it was written", name)
		}
		h.Diff(filepath.Join(r.Tree, "d2"), filepath.Join(target, r.Tree, "d2"), tree.DiffOptions{})
		r.Replace(r.KeyOf("d1"), func([]byte) []byte { return sound }, r.KeyOf("d1"))
	}

	// With its record, another's archive has the right MD5, and a wrong HMAC.
	head, err := r.Store.Head(t.Context(), r.KeyOf("d2"), "")
	if err != nil {
		t.Fatal(err)
	}
	body := r.ReadObject(r.KeyOf("d2"))
	if _, err := r.Store.Put(t.Context(), r.KeyOf("d1"), body, store.PutOptions{Meta: head.Meta, CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	if said := h.exits(3, t.TempDir()); !strings.Contains(said, "its HMAC does not fit") || strings.Count(said, "FAILED") != 1 || strings.Count(said, "restored ") != 2 {
		t.Error(said)
	}

	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	if said := h.exits(3, t.TempDir(), "--keyfile", other); strings.Count(said, "made with another key file") != 3 {
		t.Error(said)
	}
}

// An archive that the newest run of its backup path lists, and that is gone, is named, if it is
// wanted.
func TestDeletedWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(24, 1000)
	saveAll(r)
	other := filepath.Join(filepath.Dir(r.Tree), "other")
	stagestest.Write(t, filepath.Join(other, "e1", "file"), "text")
	saveAll(r, func(b *backup.Options) { b.Path = other })
	gone := []string{r.KeyOf("d1"), strings.TrimPrefix(other, "/") + "/e1.tar.gz"}
	for _, key := range gone {
		r.Must(os.Remove(filepath.Join(r.Root(), key)))
	}
	h := newByHand(r)
	target := t.TempDir()
	said := h.exits(3, target)
	for _, key := range gone {
		if !strings.Contains(said, "FAILED: "+key+": it is gone") {
			t.Errorf("%s is not named:\n%s", key, said)
		}
	}
	if strings.Count(said, "FAILED") != 2 {
		t.Error(said)
	}
	h.Diff(filepath.Join(r.Tree, "d2"), filepath.Join(target, r.Tree, "d2"), tree.DiffOptions{})
	h.exits(0, t.TempDir(), "--path", filepath.Join(r.Tree, "d2"))
	h.exits(3, t.TempDir(), "--dry-run", "--path", filepath.Join(r.Tree, "d1", "noise"))
	for _, key := range r.Keys() { // a run that can't be read tells of nothing
		if key, _, _ := strings.Cut(key, " "); strings.HasPrefix(key, ".firn/manifests/") {
			r.Replace(key, stagestest.Flip(-1), key)
		}
	}
	if said := h.exits(0, t.TempDir(), "--dry-run"); !strings.Contains(said, "the catalogue can't be read") {
		t.Error(said)
	}
}

// Nothing is laid through a link that lies in the target.
func TestLinkInTheTargetWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(23, 10_000)
	saveAll(r)
	target, outside := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(target, filepath.Dir(r.Tree)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(target, r.Tree)); err != nil {
		t.Fatal(err)
	}
	newByHand(r).exits(3, target, "--path", filepath.Join(r.Tree, "d1"))
	if left := files(t, outside); len(left) > 0 {
		t.Errorf("outside the target lies %q", left)
	}
}

// atSite is restore.sh over a bucket.
func atSite(s *stagestest.Site) *byHand {
	s.T.Helper()
	h := newByHand(s.Rig)
	h.source = []string{"--bucket-name", s.Bucket, "--endpoint-url", s.Server.Endpoint}
	// The aws command takes an empty profile for one that is named so.
	h.shell = []string{"env", "-u", "AWS_PROFILE", "-u", "AWS_SESSION_TOKEN", "sh"}
	return h
}

func TestRestoreFromS3WithoutFirn(t *testing.T) {
	s := stagestest.NewSite(t)
	for _, name := range []string{"new\nline\t\x01", "latin1 \xe9 [*]", `-rf "'$HOME\n`, "雪 % + & \u0085"} {
		stagestest.Write(t, filepath.Join(s.Tree, name, "file"), name)
	}
	saveAll(s.Rig, func(b *backup.Options) { b.Prefix = "a p/" })
	h, target := atSite(s), filepath.Join(t.TempDir(), "new", "target")

	// A bit that is damaged; then mended, and taken up.
	hurt, _ := key.For("a p", filepath.Join(s.Tree, "latin1 \xe9 [*]"), "tar.gz")
	s.Replace(hurt, stagestest.Flip(100), hurt)
	body := s.ReadObject("a p/restore.sh")
	if _, err := s.Store.Put(t.Context(), "restore.sh", body, store.PutOptions{CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	if said := h.exits(3, target, "--prefix", "/a p/"); !strings.Contains(said, "FAILED: "+hurt+": damaged or forged: its HMAC") || strings.Count(said, "restored a p") != 4 || strings.Contains(said, "nobody knows") {
		t.Error(said)
	}
	s.Replace(hurt, stagestest.Flip(100), hurt)
	if said := h.exits(0, target, "--prefix", "a p"); !strings.Contains(said, "restored: 1, there already: 4") || strings.Contains(said, "nobody knows") {
		t.Error(said)
	}
	h.Diff(s.Tree, filepath.Join(target, s.Tree), tree.DiffOptions{})
	if left, err := os.ReadDir(target); err != nil || len(left) != 1 {
		t.Errorf("in the target lies more than what was saved: %v %v", left, err)
	}
	s.Delete(hurt, "")
	if said := h.exits(3, t.TempDir(), "--prefix", "a p", "--dry-run"); !strings.Contains(said, "FAILED: "+hurt+": it is gone") || strings.Count(said, "FAILED") != 1 {
		t.Error(said)
	}
}

// What is cold is named, thawed when that is asked for, and restored when it
// has thawed.
func TestThawWithoutFirn(t *testing.T) {
	s := stagestest.NewSite(t, harness.ThawDelay(time.Hour))
	stagestest.Write(t, filepath.Join(s.Tree, "warm", "file"), "warm")
	saveAll(s.Rig, func(b *backup.Options) { b.Prefix = "" })
	stagestest.Write(t, filepath.Join(s.Tree, "cold", "file"), "cold")
	saveAll(s.Rig, func(b *backup.Options) { b.Class = store.ClassGlacier })
	h, target := atSite(s), t.TempDir()

	if said := h.exits(4, target); strings.Count(said, "cold (GLACIER") != 2 || !strings.Contains(said, "--thaw bulk") {
		t.Error(said)
	}
	h.Diff(filepath.Join(s.Tree, "warm"), filepath.Join(target, s.Tree, "warm"), tree.DiffOptions{})
	if said := h.exits(4, target, "--thaw", "bulk"); strings.Count(said, "its thaw is asked for") != 2 {
		t.Error(said)
	}
	if said := h.exits(4, target, "--thaw", "bulk"); strings.Count(said, "its thaw is under way") != 2 {
		t.Error(said)
	}
	if n := s.Server.Count("RestoreObject"); n != 2 {
		t.Errorf("%d thaws were asked for", n)
	}
	s.Server.FinishThaws()
	h.exits(0, target)
	h.Diff(s.Tree, filepath.Join(target, s.Tree), tree.DiffOptions{})
}
