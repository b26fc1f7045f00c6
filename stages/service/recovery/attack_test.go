package recovery_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
)

// shells run restore.sh in each of the shells that it must work in, with one of the programs that
// compute an HMAC.
func shells(t *testing.T, test func(t *testing.T, shell []string, env []string)) {
	for name, c := range map[string]struct {
		shell []string
		env   func(*testing.T) string
	}{
		"dash":    {[]string{"dash"}, pythonOnly},
		"busybox": {[]string{"busybox", "sh"}, func(t *testing.T) string { return without(t, "python") }},
		"bash":    {[]string{"bash"}, func(t *testing.T) string { return without(t, "python") }},
	} {
		t.Run(name, func(t *testing.T) { test(t, c.shell, []string{c.env(t)}) })
	}
}

// plant stores an archive that whoever may write to a directory store can make, if he knows the key
// file or not: as openssl and tar make it, with an MD5.
func plant(r *stagestest.Rig, key string, entries ...*tar.Header) {
	r.T.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for _, h := range entries {
		body := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Size, h.Linkname = int64(len(body)), ""
		}
		h.Uid, h.Gid, h.ModTime = 12345, 12345, time.Unix(1e9, 0)
		r.Must(w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write([]byte(body))
			r.Must(err)
		}
	}
	r.Must(w.Close())
	r.Must(z.Close())
	file := filepath.Join(r.Root(), key)
	r.Must(os.MkdirAll(filepath.Dir(file), 0o700))
	enc := exec.Command("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+r.Keyfile, "-out", file)
	enc.Stdin = bytes.NewReader(packed.Bytes())
	r.Command(enc)
	info, err := os.Stat(file)
	r.Must(err)
	meta, err := json.Marshal(map[string]any{"version": 1, "objects": []any{map[string]any{
		"key": key, "size": info.Size(), "mtime": info.ModTime().Unix(), "meta": map[string]string{"md5": fmt.Sprintf("%x", md5.Sum(packed.Bytes()))},
	}}})
	r.Must(err)
	r.Must(os.WriteFile(sidecar(r, key), meta, 0o600))
}

func regular(name, text string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: text, Mode: 0o4755}
}

func directory(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o2755}
}

// Names of files in a copy of a bucket are chosen by whoever could write to it: they are never run,
// never an option, and keep nothing from being restored.
func TestPlantedNamesWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d", "file"), "text")
	saveAll(r)
	hexName := strings.Repeat("ab", 32)
	odd := filepath.Join(r.Root(), ".firn-store", "odd")
	r.Must(os.MkdirAll(odd, 0o700))
	names := []string{
		"|e touch pwned;#|.tar.gz", "$(touch pwned).tar.gz", "`touch pwned`.tar.gz", "a[$(touch pwned)].tar.gz", "-x.tar.gz", "--checkpoint-action=exec=touch pwned.tar.gz",
		"new\nline; touch pwned.tar.gz", "%s%n%b\\0101.tar.gz", "';touch pwned;'.tar.gz", "\";system(\"touch pwned\");x=\".tar.gz", "x=1.tar.gz", "\xff\xfe.tar.gz",
		"a b\tc.tar.gz", "*.tar.gz", "\\x2f..\\x2f.tar.gz", "\\x00.tar.gz", ".tar.gz", "&.tar.gz", "!.tar.gz", "(.tar.gz", "-f.tar.gz", `\~` + strings.Repeat("$", 32) + ".tar.gz",
	}
	for _, n := range names {
		stagestest.Write(t, filepath.Join(r.Root(), n), "x")
		stagestest.Write(t, filepath.Join(r.Root(), "."+n+".firn-meta"), `{"objects":[{"key":"$(touch pwned)","size":"a[$(touch pwned)]","meta":{"md5":"$(touch pwned)","firn-hmac-sha256":"a[$(touch pwned)]","firn-key-id":"1-$(touch pwned)"}}]}`)
		stagestest.Write(t, filepath.Join(odd, n), "x")
		stagestest.Write(t, filepath.Join(odd, "."+n+".firn-meta"), `{"objects":[{"key":"odd/|e touch pwned|.tar.gz"}]}`)
	}
	stagestest.Write(t, filepath.Join(odd, hexName), "x")
	stagestest.Write(t, filepath.Join(odd, "."+hexName+".firn-meta"), `{"objects":[{"key":"odd/../..//|e touch pwned|\n-x.tar.gz"},{"key":"$(touch pwned)\u0001.tar.gz"}]}`)
	shells(t, func(t *testing.T, shell, env []string) {
		h := newByHand(r)
		h.shell, h.env = shell, env
		target := t.TempDir()
		said := h.exits(3, target)
		if !strings.Contains(said, "restored: 2, there already: 0, cold: 0, failed: ") {
			t.Error(said)
		}
		h.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
		for _, dir := range []string{".", "/", target, r.Root()} {
			if _, err := os.Lstat(filepath.Join(dir, "pwned")); err == nil {
				t.Fatalf("a name was run, and made %s/pwned", dir)
			}
		}
	})
}

// Nothing that an archive holds is written outside the target or beside its own path, and what
// anybody may have made has no set-id bits and no owner.
func TestForgedArchivesWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d", "file"), "text")
	saveAll(r)
	outside := t.TempDir()
	link := func(name string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: outside, Mode: 0o777}
	}
	plant(r, "m/a.tar.gz", directory("a"), link("a/b"))
	plant(r, "m/a/b/c.tar.gz", directory("c"), regular("c/evil", "x"))
	plant(r, "m/a/b.tar.gz", directory("b"), regular("b/evil", "x"))
	plant(r, "m/p.tar.gz", regular("q", "x"))
	plant(r, "m/q.tar.gz", regular("q", "true"), regular("../evil", "x"), regular("etc/evil", "x"))
	plant(r, "m/s.tar.gz", directory("s"), regular("s/setuid", "x"), &tar.Header{Typeflag: tar.TypeBlock, Name: "s/disk", Mode: 0o666, Devmajor: 8}, link("s/link"))
	target := filepath.Join(t.TempDir(), "target")
	if said := newByHand(r).exits(3, target); strings.Count(said, ": unproven: ") != 6 || len(files(t, filepath.Join(target, r.Tree))) != 1 {
		t.Error(said)
	}
	shells(t, func(t *testing.T, shell, env []string) {
		h := newByHand(r)
		h.shell, h.env = shell, env
		target := filepath.Join(t.TempDir(), "target")
		said := h.exits(3, target, "--allow-unproven")
		for key, want := range map[string]string{
			"m/a/b/c": "a symbolic link is in its way", "m/a/b": "something else is in its place", "m/p": "it holds another path than its key names", "m/q": "it holds another path than its key names",
		} {
			if !strings.Contains(said, "FAILED: "+key+".tar.gz: "+want) {
				t.Errorf("%s: %s", key, said)
			}
		}
		if left := files(t, outside); len(left) > 0 {
			t.Errorf("outside lies %q", left)
		}
		if all := files(t, filepath.Join(target, "m")); strings.Join(all, " ") != "a/b s/link s/setuid" {
			t.Errorf("restored was %q", all)
		}
		for _, name := range []string{"s", "s/setuid"} {
			info, err := os.Stat(filepath.Join(target, "m", name))
			if err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
				t.Errorf("%s: %v %v", name, info.Mode(), err)
			}
			r.Command(exec.Command("test", "-O", filepath.Join(target, "m", name)))
		}
		h.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	})
}

// Whoever may write below the target swaps a directory for a link at any time: nothing is written
// through it.
func TestSwappedDirectoryWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	for i := range 6 {
		stagestest.Write(t, filepath.Join(r.Tree, "d", fmt.Sprint("e", i), "file"), "text")
	}
	saveAll(r, inFormat(t, "gzip", 2))
	outside, target := t.TempDir(), t.TempDir()
	done, gone := make(chan bool), make(chan bool)
	go func() { // swaps the directory and a link until the script ends
		defer close(gone)
		at := filepath.Join(target, r.Tree, "d")
		for {
			select {
			case <-done:
				return
			default:
			}
			if os.Rename(at, at+".aside") == nil {
				_ = os.Symlink(outside, at)
				time.Sleep(time.Millisecond) // long enough for the script to meet the link
				_ = os.Remove(at)
				_ = os.Rename(at+".aside", at)
			}
		}
	}()
	cmd := exec.Command("sh", filepath.Join(r.Root(), "restore.sh"), "--keyfile", r.Keyfile, "--bucket-name", r.Store.URL(), "--target", target)
	_ = cmd.Run() // 0, or 3 where it met the link
	close(done)
	<-gone
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside the target lies %v %v", left, err)
	}
}

// Without a program that takes the key from a file, nothing is restored, and the script says why.
func TestNoProverWithoutFirn(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "file"), "text")
	saveAll(r)
	h, target := newByHand(r), filepath.Join(t.TempDir(), "target")
	h.env = []string{without(t, "python", "perl")}
	if said := h.exits(1, target, "--allow-unproven"); !strings.Contains(said, "python3 or perl is needed") {
		t.Error(said)
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("it made the target")
	}
}
