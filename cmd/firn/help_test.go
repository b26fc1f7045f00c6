package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNearest(t *testing.T) {
	f := newBackup(nil).Flags()
	for name, want := range map[string]string{
		"bakup_path": "backup-path", "bucket": "bucket-name", "key-file": "keyfile", "compression": "compression-algorithm", "x": "", "nothing-like-it": "",
	} {
		if got := nearest(f, name); got != want {
			t.Errorf("--%s was meant to be --%s, not --%s", name, got, want)
		}
	}
}

// TestHelpFits asserts that the help of each command fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	for _, command := range []string{"", "backup", "restore", "list", "find", "diff", "cat", "verify", "catalogue", "catalogue rebuild", "plan", "bench", "doctor", "version"} {
		var out, said bytes.Buffer
		if code := run(append(strings.Fields(command), "--help"), &out, &said); code != 0 || said.Len() > 0 {
			t.Errorf("firn %s --help: exit code %d, %s", command, code, said.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("firn %s --help: a line of %d columns: %s", command, n, line)
			}
		}
	}
}
