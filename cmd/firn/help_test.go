package main

import "testing"

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
