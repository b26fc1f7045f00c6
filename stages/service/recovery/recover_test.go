package recovery_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"firn/stages/service/recovery"
	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/fault"
)

func open(t *testing.T) *fault.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return fault.New(s)
}

func put(t *testing.T, s store.Store, key, body string, meta map[string]string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(body), store.PutOptions{Meta: meta, CRC32C: store.CRC32C([]byte(body))}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// whole makes sure that both files lie under the prefix as they are to be.
func whole(t *testing.T, s store.Store, prefix string) {
	t.Helper()
	for _, f := range recovery.Files() {
		key := prefix + f.Name
		if get(t, s, key) != string(f.Body) {
			t.Errorf("%s is not as it is to be", key)
		}
		if o, err := s.Head(t.Context(), key, ""); err != nil || o.Class != store.ClassStandard {
			t.Errorf("%s: class %s, %v", key, o.Class, err)
		}
	}
}

func TestLeaveStoresOnce(t *testing.T) {
	for _, prefix := range []string{"", "p/q/"} {
		s := open(t)
		if err := recovery.Leave(t.Context(), s, prefix); err != nil {
			t.Fatal(err)
		}
		whole(t, s, prefix)
		before := len(s.Calls())
		if err := recovery.Leave(t.Context(), s, prefix); err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Calls()[before:] {
			if c.Op != fault.Head {
				t.Errorf("nothing had changed, and the store was asked to %v", c)
			}
		}
		if n := len(s.Calls()) - before; n != 2 {
			t.Errorf("nothing had changed, and that took %d operations", n)
		}
	}
}

func TestLeaveReplacesItsOwnOnly(t *testing.T) {
	sums := map[string]string{}
	for _, f := range recovery.Files() {
		sums[f.Name] = fmt.Sprintf("%x", md5.Sum(f.Body))
	}
	for name, c := range map[string]struct {
		body string
		meta map[string]string
		want error
		stay bool
	}{
		"an older one":       {"old", map[string]string{"firn-recover-revision": "0", "firn-recover-md5": "x"}, nil, false},
		"another build's":    {"other", map[string]string{"firn-recover-revision": fmt.Sprint(recovery.Revision), "firn-recover-md5": "x"}, nil, false},
		"a newer one":        {"new", map[string]string{"firn-recover-revision": fmt.Sprint(recovery.Revision + 1), "firn-recover-md5": "x"}, nil, true},
		"a copy":             {string(recovery.Files()[1].Body), nil, nil, false},
		"an old copy":        {"#!/bin/sh\n# a firn recovery file, of old", nil, nil, false},
		"somebody else's":    {"echo mine", nil, recovery.ErrForeign, true},
		"empty":              {"", nil, recovery.ErrForeign, true},
		"a mark far down":    {strings.Repeat(" ", 256) + "firn recovery file", nil, recovery.ErrForeign, true},
		"with a wrong mark":  {"echo mine", map[string]string{"firn-recover-revision": "one"}, recovery.ErrForeign, true},
		"with other records": {"echo mine", map[string]string{"md5": sums["restore.sh"]}, recovery.ErrForeign, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			put(t, s, "restore.sh", c.body, c.meta)
			err := recovery.Leave(t.Context(), s, "")
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), "restore.sh") {
				t.Errorf("the fault names nothing: %v", err)
			}
			if c.stay && get(t, s, "restore.sh") != c.body {
				t.Error("it was replaced")
			}
			if !c.stay {
				whole(t, s, "")
			}
			if get(t, s, "RECOVER.txt") != string(recovery.Files()[0].Body) {
				t.Error("the other file is not there")
			}
		})
	}
}

func TestLeaveTellsOfEveryFault(t *testing.T) {
	s := open(t)
	for at := range 4 { // two Heads, two Puts
		s.FailAt(len(s.Calls())+at, nil)
		if err := recovery.Leave(t.Context(), s, fmt.Sprint(at, "/")); !errors.Is(err, fault.ErrInjected) {
			t.Errorf("operation %d failed: %v", at, err)
		}
	}
}

// Each file changes only together with the revision, or hosts with different
// firns would replace each other's for ever.
func TestFilesBelongToTheirRevision(t *testing.T) {
	all := md5.New()
	for _, f := range recovery.Files() {
		all.Write(f.Body)
	}
	if got, want := fmt.Sprintf("%d %x", recovery.Revision, all.Sum(nil)), "3 121f423aece2912576bebc37738bb8d0"; got != want {
		t.Errorf("%s, not %s: a file has changed since its revision was released; raise the revision, and note both here", got, want)
	}
}

func TestFilesAreWellFormed(t *testing.T) {
	for _, f := range recovery.Files() {
		if !bytes.Contains(f.Body[:256], []byte("firn recovery file")) {
			t.Errorf("%s does not begin with the mark", f.Name)
		}
		for i, line := range strings.Split(string(f.Body), "\n") {
			if f.Name == "RECOVER.txt" && len(line) > 132 || strings.TrimRight(line, " \t\r") != line {
				t.Errorf("%s:%d: too long, or blank at its end", f.Name, i+1)
			}
		}
	}
	for _, shell := range [][]string{{"sh", "-n"}, {"busybox", "sh", "-n"}, {"shellcheck", "-s", "sh"}} {
		if out, err := exec.Command(shell[0], append(shell[1:], "restore.sh")...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", shell, err, out)
		}
	}
}
