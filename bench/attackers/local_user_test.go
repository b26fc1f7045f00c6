package attackers_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/harness"
)

// TestCachePathOfOthers: firn works in no directory that others may write to, and follows no link that
// was put there.
func TestCachePathOfOthers(t *testing.T) {
	h := newHost(t, "file")
	secret := filepath.Join(h.dir, "secret")
	h.write("secret", "of the user")
	h.write("key", strings.Repeat("not guessed ", 3))
	h.must(os.Chmod(h.key, 0o600))
	for name, c := range map[string]struct {
		plant func()
		says  string
	}{
		"others may write to it": {func() { h.must(os.Mkdir(h.cache, 0o700)); h.must(os.Chmod(h.cache, 0o777)) }, `other users may write to it \(mode 0777\)`},
		"a link": {func() {
			h.must(os.Mkdir(h.cache+"-elsewhere", 0o700))
			h.must(os.Symlink(h.cache+"-elsewhere", h.cache))
		}, `it is a symbolic link`},
		"a link in place of the state file": {func() {
			h.must(os.Mkdir(h.cache, 0o700))
			h.must(os.Symlink(secret, filepath.Join(h.cache, "firn-state.db")))
		}, `symbolic link in place of a file`},
		"a link in place of the spool": {func() {
			h.must(os.Mkdir(h.cache, 0o700))
			h.must(os.Symlink(h.dir, filepath.Join(h.cache, "firn-spool")))
		}, `the spool .*: it is a symbolic link`},
		"another's": {func() {
			h.must(os.Mkdir(h.cache, 0o700))
			if err := os.Chown(h.cache, 65534, 65534); err != nil {
				h.must(os.Chmod(h.cache, 0o777)) // not as root
			}
		}, `it belongs to user 65534|other users may write`},
	} {
		c.plant()
		if s := h.backup().exits(1).has(c.says); strings.Count(s.text, "\n") != 1 {
			t.Errorf("%s: more than one line:\n%s", name, s.text)
		}
		h.must(os.RemoveAll(h.cache))
	}
	if b, err := os.ReadFile(secret); string(b) != "of the user" {
		t.Errorf("%q %v", b, err)
	}
	if len(h.keys()) > 0 {
		t.Errorf("stored: %q", h.keys())
	}
	h.night()
	h.healthy()
}

// TestAnothersStateFile: it says that everything is stored already. Made with another key file, it is no
// state file: everything is read, and nothing skipped on its word.
func TestAnothersStateFile(t *testing.T) {
	h := newHost(t, "file")
	h.night()
	other := newHost(t, "file")
	other.command("cp", "-a", h.tree+"/.", other.tree)
	other.store, other.bucket, other.dir = h.store, h.bucket, h.dir // with its own key file and cache path
	other.flags = []string{"--prefix", "elsewhere"}
	other.night()
	forged, err := os.ReadFile(filepath.Join(other.cache, "firn-state.db"))
	h.must(err)
	h.must(os.WriteFile(filepath.Join(h.cache, "firn-state.db"), forged, 0o600))
	h.put(archive("d1"), []byte("Salted__ of the attacker"), map[string]string{"md5": strings.Repeat("6", 32)})
	h.backup().exits(0).about("tree/d1", again.line)
	target, s := h.restore()
	s.exits(0)
	h.same(h.tree, target)
}

// TestWhatOthersSeeOfARun: while archives are sent, neither the arguments nor the environment nor a file
// of the cache path shows a key or an archive to another user, and no core file is written.
func TestWhatOthersSeeOfARun(t *testing.T) {
	h := newHost(t, "s3")
	proxy := harness.Proxy(t, server.Endpoint)
	h.flags = []string{"--endpoint-url", proxy.Endpoint}
	hold, arrived := make(chan struct{}), make(chan struct{}, 100)
	proxy.SetRule(func(c harness.Call) harness.Fault {
		if (c.Op == "PutObject" || c.Op == "UploadPart") && strings.Contains(c.Request.URL.Path, ".tar.gz") {
			arrived <- struct{}{}
			return harness.Fault{Hold: hold}
		}
		return harness.Fault{}
	})
	cmd := h.backupCmd()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	h.must(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-arrived:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, out.String())
	}
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	key, err := os.ReadFile(h.key)
	h.must(err)
	key, _, _ = bytes.Cut(key, []byte("\n"))
	for _, file := range []string{"cmdline", "environ"} {
		if b, err := os.ReadFile(proc + file); err != nil || bytes.Contains(b, key) {
			t.Errorf("%s: %v, or it has the key", file, err)
		}
	}
	if limits, err := os.ReadFile(proc + "limits"); err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("%v\n%s", err, limits)
	}
	var st unix.Stat_t
	h.must(unix.Stat(proc+"mem", &st))
	if st.Uid != 0 {
		t.Errorf("the memory is open to user %d", st.Uid)
	}
	spooled := 0
	h.must(filepath.WalkDir(h.cache, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && p != h.cache {
			t.Errorf("%s has the mode %v", p, info.Mode())
		}
		if strings.HasSuffix(p, ".archive") {
			spooled++
		}
		return err
	}))
	if spooled == 0 {
		t.Error("nothing is in the spool: this test sees nothing")
	}
	if os.Getuid() == 0 {
		look := exec.Command("find", h.cache, "-type", "f")
		look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if files, _ := look.Output(); len(files) > 0 {
			t.Errorf("another user sees %s", files)
		}
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
}

// TestOpenKeyFile: one that others may read is told.
func TestOpenKeyFile(t *testing.T) {
	h := newHost(t, "file")
	h.night()
	h.must(os.Chmod(h.key, 0o644))
	h.backup().exits(0).about("key file", `warning: key file .* is open to other users \(mode 0644\)`)
}
