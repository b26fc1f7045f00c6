package recovery_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"firn/stages/format/encryption"
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

// keys are the same in each call.
var keys = func() func(*testing.T) *encryption.Keys {
	made := sync.OnceValues(func() (*encryption.Keys, error) {
		return encryption.NewKeys(encryption.NewPassphrase([]byte("a passphrase of some length")), nil)
	})
	return func(t *testing.T) *encryption.Keys {
		t.Helper()
		k, err := made()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}()

func TestLeaveStoresOnce(t *testing.T) {
	for _, prefix := range []string{"", "p/q/"} {
		s := open(t)
		for i, want := range []string{"head put", "head get"} {
			before := len(s.Calls())
			if suspects, err := recovery.Leave(t.Context(), s, prefix, keys(t)); err != nil || len(suspects) > 0 {
				t.Fatal(suspects, err)
			}
			asked := map[string]string{} // by key: both files are left at once
			for _, c := range s.Calls()[before:] {
				asked[c.Key] = strings.TrimSpace(asked[c.Key] + " " + strings.ToLower(fmt.Sprint(c.Op)))
			}
			for _, f := range recovery.Files() {
				if got := asked[prefix+f.Name]; len(asked) != 2 || got != want {
					t.Errorf("run %d asked the store to %s %s, not to %s: %v", i, got, f.Name, want, asked)
				}
			}
			whole(t, s, prefix)
		}
	}
}

// What whoever may write to the store can put in place of a file is told, whatever its metadata say;
// what does not say that it is firn's stays.
func TestLeaveReplacesItsOwnOnly(t *testing.T) {
	script := string(recovery.Files()[1].Body)
	forged := strings.Replace(script, "umask 077", "umask 007", 1)
	meta := func(revision any, body string) map[string]string {
		return map[string]string{"firn-recover-revision": fmt.Sprint(revision), "firn-recover-md5": fmt.Sprintf("%x", md5.Sum([]byte(body)))}
	}
	proven := func(m map[string]string) map[string]string {
		mac := keys(t).MAC("restore.sh")
		mac.Write([]byte(forged))
		m["firn-recover-hmac-sha256"], m["firn-recover-key-id"] = fmt.Sprintf("%x", mac.Sum(nil)), keys(t).ID()
		return m
	}
	for name, c := range map[string]struct {
		body string
		meta map[string]string
		want recovery.State // that is told of
		stay bool
	}{
		"an earlier one":               {recovery.EarlierBody, meta(0, recovery.EarlierBody), recovery.Current, false},
		"an earlier one's copy":        {recovery.EarlierBody, nil, recovery.Current, false},
		"a copy":                       {script, nil, recovery.Current, false},
		"a copy with other records":    {script, map[string]string{"md5": "x"}, recovery.Current, false},
		"under its own metadata":       {forged, meta(recovery.Revision, script), recovery.Different, false},
		"with metadata that fit":       {forged, meta(recovery.Revision, forged), recovery.Different, false},
		"of an older revision":         {forged, meta(0, forged), recovery.Different, false},
		"without metadata":             {forged, nil, recovery.Different, false},
		"too long":                     {script + " ", meta(recovery.Revision, script), recovery.Different, false},
		"endless":                      {script + strings.Repeat("#", 1<<20), meta(recovery.Revision, script), recovery.Different, false},
		"cut short":                    {script[:100], meta(recovery.Revision, script), recovery.Different, false},
		"emptied":                      {"", meta(recovery.Revision, script), recovery.Different, false},
		"of a newer firn":              {forged, proven(meta(recovery.Revision+1, forged)), recovery.Newer, true},
		"claims to be newer":           {forged, meta(recovery.Revision+1, forged), recovery.Different, false},
		"another, claims to be newer":  {forged + "#", proven(meta(recovery.Revision+1, forged)), recovery.Different, false},
		"ours, claims to be newer":     {script, meta(recovery.Revision+1, script), recovery.Current, false},
		"somebody else's":              {"echo mine", nil, recovery.Foreign, true},
		"empty":                        {"", nil, recovery.Foreign, true},
		"a mark far down":              {strings.Repeat(" ", 256) + "firn recovery file", nil, recovery.Foreign, true},
		"with a wrong revision":        {"echo mine", map[string]string{"firn-recover-revision": "one"}, recovery.Foreign, true},
		"somebody's with our checksum": {"echo mine", map[string]string{"md5": meta(0, script)["firn-recover-md5"]}, recovery.Foreign, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			put(t, s, "restore.sh", c.body, c.meta)
			suspects, err := recovery.Leave(t.Context(), s, "", keys(t))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == recovery.Current {
				if len(suspects) > 0 {
					t.Errorf("it says %v", suspects)
				}
			} else if len(suspects) != 1 || suspects[0].Key != "restore.sh" || suspects[0].State != c.want || strings.Contains(suspects[0].Error(), "do not run the copy") != (c.want != recovery.Newer) {
				t.Errorf("it says %v", suspects)
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
	for at := range 4 { // Head and Put of each
		s.FailAt(len(s.Calls())+at, nil)
		if _, err := recovery.Leave(t.Context(), s, fmt.Sprint(at, "/"), keys(t)); !errors.Is(err, fault.ErrInjected) {
			t.Errorf("operation %d failed: %v", at, err)
		}
	}
	if _, err := recovery.Leave(t.Context(), s, "", keys(t)); err != nil {
		t.Fatal(err)
	}
	for at := range 4 { // Head and Get of each
		s.FailAt(len(s.Calls())+at, nil)
		if _, err := recovery.Leave(t.Context(), s, "", keys(t)); !errors.Is(err, fault.ErrInjected) {
			t.Errorf("operation %d failed: %v", at, err)
		}
	}
}

// README has the sums for those who fetch the script from a store that others may write to.
func TestReadmeHasTheSums(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range recovery.Files() {
		if line := f.SHA256() + "  " + f.Name + "\n"; !bytes.Contains(readme, []byte("\n"+line)) {
			t.Errorf("README.md lacks the line %s", line)
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
	if got, want := fmt.Sprintf("%d %x", recovery.Revision, all.Sum(nil)), "4 1194d9433f909195d884ca2fa30b3869"; got != want {
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
