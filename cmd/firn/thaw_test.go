package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"firn/bench/harness"
)

// restore starts a restore of a site into dir/out.
func (s *site) restore(flags ...string) *process {
	s.t.Helper()
	cmd := exec.Command("firn", append([]string{
		"restore", "--target", filepath.Join(s.dir, "out"), "--cache-path", filepath.Join(s.dir, "rcache"), "--bucket-name", s.server.Bucket,
		"--keyfile", s.key(),
	}, flags...)...)
	cmd.Env = append(append(os.Environ(), s.server.Env()...), "AWS_ENDPOINT_URL_S3="+s.proxy.Endpoint)
	r, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return &process{s: s, cmd: cmd, stderr: bufio.NewScanner(r)}
}

// A wait of hours ends at the first signal, says how to go on, and is taken up by the same command.
func TestInterruptedWhileItWaits(t *testing.T) {
	s := newSite(t, nil, harness.ThawDelay(24*time.Hour))
	s.run(exitDone, "--storage-class", "GLACIER")
	s.server.ResetCounts()
	p := s.restore("--thaw", "bulk", "--wait")
	p.until("waiting for the thaw of 7 archives")
	p.signal(os.Interrupt)
	if code := p.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "stopping: ", "the same command goes on with what is thawed", "cold       7 archives", ", all being thawed")

	p = s.restore("--thaw", "bulk", "--wait", "--wait-interval", "100ms")
	p.until("waiting for the thaw of 7 archives")
	s.server.FinishThaws()
	if code := p.end(); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, p.said.String())
	}
	if n := s.server.Count("RestoreObject"); n != subtrees {
		t.Errorf("%d thaws were asked for, for %d archives", n, subtrees)
	}
	s.pipe(nil, "diff", "-r", s.tree(), filepath.Join(s.dir, "out", s.tree()))
}
