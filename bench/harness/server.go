package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopTime is how long a server may take to stop before it is killed.
const stopTime = time.Minute

// server is a child process that prints a line of JSON when it is ready and
// ends when its standard input does.
type server struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *tail
	ended  chan struct{} // closed when the process is gone
	err    error         // why it ended; read after ended

	mu      sync.Mutex
	stopped bool // it was asked to end
}

// closed is a server that was started for t, which closes it.
func closed[S io.Closer](t testing.TB, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ownDir makes a directory for a server that has none, and returns what removes it.
func ownDir(dir *string, name string) (remove func() error, err error) {
	if *dir != "" {
		return func() error { return nil }, nil
	}
	if *dir, err = os.MkdirTemp("", "firn-server-"); err != nil {
		return nil, fmt.Errorf("making a directory for %s: %w", name, err)
	}
	return func() error { return os.RemoveAll(*dir) }, nil
}

// start runs cmd and reads its ready line into ready. also, if not nil, gets
// what the server writes to standard error.
func start(ctx context.Context, name string, cmd *exec.Cmd, also io.Writer, ready any) (*server, error) {
	s, line, err := launch(name, cmd, also)
	if err != nil {
		return nil, err
	}
	select {
	case first := <-line:
		if err := json.Unmarshal(first, ready); err != nil {
			s.kill()
			return nil, fmt.Errorf("starting %s: it did not say where it listens: %w", name, s.failure())
		}
		return s, nil
	case <-ctx.Done():
		s.kill()
		return nil, fmt.Errorf("starting %s: %w", name, context.Cause(ctx))
	}
}

// launch runs cmd, and gives the first line that it prints.
func launch(name string, cmd *exec.Cmd, also io.Writer) (*server, <-chan []byte, error) {
	s := &server{name: name, cmd: cmd, stderr: &tail{also: also}, ended: make(chan struct{})}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	s.stdin = stdin
	cmd.Stderr = s.stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	line := make(chan []byte, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadBytes('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.err = cmd.Wait()
		close(s.ended)
	}()
	return s, line, nil
}

func (s *server) kill() {
	_ = s.stdin.Close()
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// failure says how the ended server ended.
func (s *server) failure() error {
	err := s.err
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := s.stderr.String(); said != "" {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return err
}

// CPU is the processor time that the server took since its start, user and system, to a hundredth of
// a second; 0 where the system does not tell it.
func (s *server) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold blanks; after it, utime is field 14 and stime 15 (proc(5)).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks
}

// ticks a second of the times in /proc, on every architecture that Linux runs Go on.
const ticks = 100

// Kill ends the server as a crash would, and waits for its end.
func (s *server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.kill()
}

// Dump ends the server, which writes before what its goroutines do to its log, if it is in Go.
func (s *server) Dump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		s.kill()
	}
}

// Close stops the server and waits for its end. It reports a server that had
// died by itself, or had to be killed. Further calls do nothing.
func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	select {
	case <-s.ended:
		_ = s.stdin.Close()
		return fmt.Errorf("%s died: %w", s.name, s.failure())
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.stdin.Close()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-s.ended:
		return nil
	case <-timer.C:
		s.kill()
		return fmt.Errorf("%s did not stop within %v: %w", s.name, stopTime, s.failure())
	}
}
