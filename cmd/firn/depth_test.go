package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"firn/bench/harness"
	"firn/bench/stagestest"
)

// A run at another depth in a bucket without versions is killed when the first archive of a whole
// directory was replaced by that of the directory alone, or was about to be. Everything is restored, and
// after the next run too.
func TestAnotherDepthKilled(t *testing.T) {
	for name, lost := range map[string]bool{"before a shell": false, "after a shell": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			stagestest.Write(t, filepath.Join(s.tree(), "a", "sub", "deep"), "deep")
			s.run(exitDone)
			reached, release := s.replaced("tree/a.tar.gz", lost)
			p := s.start("--depth", "2")
			<-reached
			p.signal(syscall.SIGKILL)
			if code := p.end(); code != -1 {
				t.Fatalf("exit code %d:\n%s", code, p.said.String())
			}
			release()
			s.comesBack()
			s.run(exitDone, "--depth", "2")
			s.comesBack()
		})
	}
}

// replaced holds the PutObject of a key, and all after it; lost says that the server has it already, and
// its answer is lost.
func (s *site) replaced(suffix string, lost bool) (reached <-chan struct{}, release func()) {
	arrived, free := make(chan struct{}), make(chan struct{})
	came := false
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case !came && (c.Op != "PutObject" || !strings.HasSuffix(c.Request.URL.Path, suffix)):
			return harness.Fault{}
		case !came && lost:
			came = true
			return harness.Fault{LoseResponse: true}
		}
		came = true
		select {
		case <-arrived:
		default:
			close(arrived)
		}
		return harness.Fault{Hold: free}
	})
	return arrived, func() {
		s.proxy.SetRule(nil)
		close(free)
	}
}

// comesBack makes sure that firn restores the tree, whatever else it finds.
func (s *site) comesBack() {
	s.t.Helper()
	target := s.t.TempDir()
	cmd := exec.Command("firn", "restore", "--bucket-name", s.server.Bucket, "--keyfile", s.key(), "--cache-path", s.t.TempDir(), "--target", target)
	cmd.Env = append(os.Environ(), s.server.Env()...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != exitIncomplete {
		s.t.Errorf("restore: %v\n%s", err, said.String())
	}
	s.pipe(nil, "diff", "-r", s.tree(), filepath.Join(target, s.tree()))
}
