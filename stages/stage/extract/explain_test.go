package extract

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/pipeline"
)

// TestExplain: what no entry of any archive could be restored for ends the run.
func TestExplain(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	x := New(Options{Target: root})
	for code, want := range map[unix.Errno]string{unix.ENOSPC: root.Name(), unix.EDQUOT: "quota", unix.EROFS: root.Name(), unix.EMFILE: "open files", unix.ENFILE: "open files", unix.EACCES: "", unix.EIO: ""} {
		err := x.explain(fmt.Errorf("doing: %w", code))
		if !errors.Is(err, code) || pipeline.IsFatal(err) != (want != "") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", code, err)
		}
	}
	if x.explain(nil) != nil {
		t.Error("an error of none")
	}
}

func TestClean(t *testing.T) {
	for name, want := range map[string]string{
		"": "", ".": "", "./": "", "a": "a", "a/": "a", "a//": "a", "./a": "a", "a/./b": "a/b", "a//b": "a/b", ".a/..b/...": ".a/..b/...", " ": " ", "a\n": "a\n", `a\b`: `a\b`,
	} {
		if got, err := clean(name); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]error{"/": ErrAbsolute, "/a": ErrAbsolute, "..": ErrDotDot, "../a": ErrDotDot, "a/..": ErrDotDot, "a/../": ErrDotDot, "a/../b": ErrDotDot, "./..": ErrDotDot, "a\x00": ErrNUL, "\x00": ErrNUL} {
		if got, err := clean(name); !errors.Is(err, want) || got != "" {
			t.Errorf("%q: %q, %v, want %v", name, got, err, want)
		}
	}
}

func TestParseACL(t *testing.T) {
	const full = "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x08\x00\x07\x00\xe1\x10\x00\x00" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	for _, text := range []string{
		"user::rw-,user:1234:r--,group::r--,group:4321:rwx,mask::rwx,other::---",
		"u::rw-\nuser:nobody at all:r--:1234\ngroup::r--\ng:no such group:rwx:4321\nm::rwx\no::---\n",
		"other::---,mask::rwx,group:4321:rwx,group::r--,user:1234:r--,user::rw-",
		"user::rw-,user:1234:r--\t#effective:r--,group::r--,group:4321:rwx,mask:rwx,other:---",
	} {
		if got, err := parseACL(text); err != nil || got != full {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "user::rw-", "user::rwz,group::r--,other::---", "user::rw-,group::r--,other:1:---", "user::rw-,user:no such user:r--,group::r--,mask::r--,other::---", "user:1:2:3:4,group::r--,other::---", "user::rw-,what::r--,other::---"} {
		if got, err := parseACL(text); !errors.Is(err, errACL) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
