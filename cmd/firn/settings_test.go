package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
)

// commandOf is one of firn's, by its name.
func commandOf(t *testing.T, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := newRoot(&program{stdout: io.Discard, stderr: io.Discard}).Find([]string{name})
	if err != nil || cmd.Name() != name {
		t.Fatalf("%s: %v", name, err)
	}
	return cmd
}

// TestScopes: of each flag of a run on many hosts it is said whose it is; what workers are told is none
// that can be a secret, and none of those that each has of its own.
func TestScopes(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"backup", "restore", "verify"} {
		commandOf(t, name).Flags().VisitAll(func(f *pflag.Flag) {
			if seen[f.Name] = true; flags.IsSetting(f) && scopes[f.Name] == 0 {
				t.Errorf("firn %s --%s: whose is it in a run on many hosts?", name, f.Name)
			}
		})
	}
	for name := range scopes {
		if !seen[name] {
			t.Errorf("--%s is no flag of a command that leads a queue", name)
		}
	}
	for _, name := range flagsOf(ofRun, usually) {
		for _, part := range []string{"key", "token", "creds", "profile", "ping", "queue", "cache"} {
			if strings.Contains(name, part) && name != "rekey" && name != "exclude-caches" {
				t.Errorf("workers are told --%s", name)
			}
		}
	}
}

// TestSettings: what was given travels as it was written, and a worker's own goes before what it may.
func TestSettings(t *testing.T) {
	cmd := commandOf(t, "backup")
	path := "/srv/\xff data"
	if err := cmd.Flags().Parse([]string{"--backup-path", path, "--depth", "2", "--part-size", "16MiB", "--region", "eu-west-1", "--endpoint-url", "http://a", "--dynamodb-endpoint-url", "https://user:secret@b", "--keyfile", "k", "--exclude", "x", "--no-resume", "--memory-limit", "1GiB"}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(newSettings(flags.Given(cmd.Flags(), flagsOf(ofRun, usually))))
	if err != nil {
		t.Fatal(err)
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	got, err := s.given(map[string][]string{"endpoint-url": {"http://b"}, "backup-path": {"/srv/other"}, "memory-limit": {"2GiB"}})
	want := map[string][]string{
		"backup-path": {path}, "depth": {"2"}, "part-size": {"16MiB"}, "region": {"eu-west-1"}, "no-resume": {"true"},
		"endpoint-url": {"http://b"}, "memory-limit": {"2GiB"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v\nnot %q", got, err, want)
	}
	worker := newBackupFlags()
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	worker.groups().AddTo(set, nil)
	if err := flags.Apply(set, got); err != nil || worker.tree.path != path || worker.tree.depth != 2 || worker.machine.partSize != 16*flags.MiB || worker.store.Endpoint != "http://b" || !worker.begun.noResume {
		t.Errorf("%v: %+v", err, worker)
	}
	for _, name := range []string{"keyfile", "cache-path", "exclude-from", "ping-url", "nothing"} {
		s := newSettings(map[string][]string{name: {"x"}})
		if _, err := s.given(nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a worker takes --%s from the run: %v", name, err)
		}
	}
}

// TestSees: a worker must see the tree: an empty mount point, or no path at all, would look like a tree
// of which all is gone.
func TestSees(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	for _, name := range []string{"a", "b", "\xff"} {
		if err := os.WriteFile(filepath.Join(here, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var s settings
	var err error
	if s.Sample, err = sampleOf(here); err != nil || len(s.Sample) != 3 {
		t.Fatalf("%q, %v", s.Sample, err)
	}
	if err := s.sees("tree", here); err != nil {
		t.Error(err)
	}
	if err := s.sees("tree", there); err == nil || !strings.Contains(err.Error(), "holds nothing of what the coordinator sees there, such as ") {
		t.Errorf("an empty directory: %v", err)
	}
	if err := s.sees("tree", filepath.Join(there, "none")); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "\n") {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(there, "b"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.sees("tree", there); err != nil {
		t.Errorf("one of the names is there: %v", err)
	}
	if names, err := sampleOf(filepath.Join(here, "a")); err != nil || names != nil {
		t.Errorf("a file: %q, %v", names, err)
	}
}
