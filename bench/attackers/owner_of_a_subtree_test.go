package attackers_test

import (
	"crypto/md5"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// control is what a terminal would obey.
const control = `[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{202a}-\x{202e}]`

// TestNamesOfFiles: they are saved and restored byte for byte, and printed without what a terminal would
// obey. No command runs one.
func TestNamesOfFiles(t *testing.T) {
	h := newHost(t, "file")
	for _, name := range []string{"$(touch pwned)", "|e touch pwned;#|", "-rf", "--checkpoint-action=exec=sh", "two\nlines", "\x1b]0;pwned\x07\x1b[2J", "\u009b2J", "\u202egnp.txt", "\xff\xfe", "'\"`", "a\\x2fb", "*"} {
		h.write(filepath.Join("tree/d1", name), "text")
	}
	for _, name := range []string{"$(touch pwned)", "-rf", "two\nlines", "\x1b]0;pwned\x07", "\xff"} { // in keys, too
		h.write(filepath.Join("tree", name), "at the depth")
	}
	h.settle()
	for _, s := range []said{h.backup("--verbose"), h.backup("--json", "--verbose"), h.firn("list"), h.firn("list", "latest"), h.firn("list", "latest", "--path", "tree/d1"), h.firn("find", "*pwned*"), h.verify("--read-data")} {
		s.exits(0).lacks(control)
	}
	target, s := h.restore("--verbose")
	s.exits(0).lacks(control)
	h.same(h.tree, target)
	target, s = h.byHand()
	s.exits(0)
	h.same(h.tree, target)
	h.missing(filepath.Join(h.dir, "pwned"))
}

// TestLinksOfASubtree: links are saved as links. Neither backup nor restore follows one.
func TestLinksOfASubtree(t *testing.T) {
	h := newHost(t, "file")
	h.write("outside/secret", "not of the tree")
	for _, link := range []string{"d1/out", "out"} {
		h.must(os.Symlink(filepath.Join(h.dir, "outside"), filepath.Join(h.tree, link)))
	}
	h.must(os.Link(filepath.Join(h.tree, "d1", "text"), filepath.Join(h.tree, "d2", "linked")))
	h.night()
	h.firn("find", "secret").lacks("outside/secret|out/secret")
	target, s := h.restore()
	s.exits(0)
	if to, err := os.Readlink(filepath.Join(target, "d1", "out")); to != filepath.Join(h.dir, "outside") {
		t.Errorf("%q %v", to, err)
	}
	a, err := os.Stat(filepath.Join(target, "d1", "text"))
	h.must(err)
	if b, err := os.Stat(filepath.Join(target, "d2", "linked")); err != nil || os.SameFile(a, b) {
		t.Errorf("a hard link leads into another archive: %v", err)
	}

	// A link that waits where a directory is to be restored.
	h.must(os.RemoveAll(filepath.Join(target, "d1")))
	h.must(os.Symlink(filepath.Join(h.dir, "outside"), filepath.Join(target, "d1")))
	s = h.say("restore", h.cmd("restore", "--cache-path", filepath.Join(h.dir, "restore-cache"), "--target", filepath.Dir(target)))
	s.exits(3).has("tree/d1|d1")
	if files := h.command("ls", "-A", "outside"); files != "secret\n" {
		t.Errorf("outside the target lies %q", files)
	}
}

// TestDirectorySwappedDuringTheRun: a directory that its owner exchanges for a link all the time never
// gets what the link leads to into an archive.
func TestDirectorySwappedDuringTheRun(t *testing.T) {
	h := newHost(t, "file")
	h.write("outside/text", "not of the tree")
	h.write("tree/d1/sub/text", "of the tree")
	done, gone := make(chan bool), make(chan bool)
	go func() {
		defer close(gone)
		at, outside := filepath.Join(h.tree, "d1", "sub"), filepath.Join(h.dir, "outside")
		for {
			select {
			case <-done:
				return
			default:
				if os.Rename(at, at+".aside") == nil {
					_ = os.Symlink(outside, at)
					_ = os.Remove(at)
					_ = os.Rename(at+".aside", at)
				}
			}
		}
	}()
	for range 5 {
		s := h.backup()
		if s.code != 0 && s.code != 3 {
			t.Errorf("%d: %s", s.code, s.text)
		}
		target, s := h.restore()
		out, err := exec.Command("grep", "-r", "not of the tree", target).CombinedOutput()
		if err == nil || len(out) > 0 {
			t.Errorf("saved what the link leads to: %s\n%s", out, s.text)
		}
	}
	close(done)
	<-gone
	h.backup().exits(0)
	h.healthy()
}

// TestSetUIDPrograms: of the owner's making, saved, and restored by root from what is proven. Nothing
// restores one from an archive that anybody may have made.
func TestSetUIDPrograms(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	h := newHost(t, "file")
	for _, name := range []string{"d1", "d2"} {
		h.write("tree/"+name+"/program", "#!/bin/sh")
		h.must(os.Chmod(filepath.Join(h.tree, name, "program"), 0o4755|os.ModeSetuid))
	}
	h.night()
	target, s := h.restore()
	s.exits(0)
	h.same(h.tree, target)
	h.change(archive("d1"), func(body []byte, meta map[string]string) []byte { onlyMD5(meta); return body })
	h.forget(".firn/")
	target, s = h.restore()
	s.exits(3).about("tree/d1", noProof.line)
	h.missing(filepath.Join(target, "d1"))
	target, s = h.restore("--allow-unproven")
	s.exits(0).about("tree/d1", `warning: .*nothing proves who made it: it is restored without owners, set-id bits`)
	for name, want := range map[string]os.FileMode{"d1": 0, "d2": os.ModeSetuid} {
		if info, err := os.Stat(filepath.Join(target, name, "program")); err != nil || info.Mode()&os.ModeSetuid != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// TestArchivesThatLeadElsewhere: two archives, the first with a link, the second to be written through
// it, and one with entries of another path. Nothing is written outside the target, even if the user
// takes what nothing proves.
func TestArchivesThatLeadElsewhere(t *testing.T) {
	h := newHost(t, "file")
	h.night()
	h.write("outside/keep", "")
	h.write("forge/a/x", "")
	h.must(os.Symlink(filepath.Join(h.dir, "outside"), filepath.Join(h.dir, "forge", "a", "b")))
	h.write("forge/b/evil", "evil")
	h.write("forge/q", "evil")
	for key, name := range map[string]string{"tree/a": "a", "tree/a/b": "b", "tree/p": "q", "tree/up": "../forge/q"} {
		h.command("sh", "-c", `tar -P -cz -C forge -f plain "$0"; openssl enc -e -aes-256-cbc -pbkdf2 -pass file:key -in plain -out sealed`, name)
		plain, err := os.ReadFile(filepath.Join(h.dir, "plain"))
		h.must(err)
		sealed, err := os.ReadFile(filepath.Join(h.dir, "sealed"))
		h.must(err)
		h.put(key+".tar.gz", sealed, map[string]string{"md5": fmt.Sprintf("%x", md5.Sum(plain))})
	}
	h.forget(".firn/")
	target, s := h.restore()
	s.exits(3)
	if n := strings.Count(s.text, "unproven: "); n != 4 {
		t.Errorf("%d are unproven:\n%s", n, s.text)
	}
	h.same(h.tree, target)
	target, s = h.restore("--allow-unproven")
	s.exits(3).has(`not restored: tree/p: .*its entries are not those of the path`).has(`"\.\./forge/q": the name holds "\.\.", which would lead out`)
	for _, name := range []string{"d1", "d2"} {
		h.same(filepath.Join(h.tree, name), filepath.Join(target, name))
	}
	if files := h.command("ls", "-A", "outside"); files != "keep\n" {
		t.Errorf("outside the target lies %q", files)
	}
	h.missing(filepath.Join(target, "q"))
}
