package extract

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// What a killed restore left is nobody's, although its process was not asked yet how it ended, or its number is another's since.
func TestWhoLives(t *testing.T) {
	if !lives(os.Getpid(), time.Now()) || !lives(os.Getppid(), time.Now()) {
		t.Error("this process does not live")
	}
	at, known, ended := began(os.Getpid())
	if !known || ended || time.Since(at) < 0 || time.Since(at) > time.Hour {
		t.Errorf("this process began %v ago: %t, %t", time.Since(at), known, ended)
	}
	if lives(os.Getpid(), at.Add(-time.Hour)) {
		t.Error("a process that began an hour later is taken for the one that had its number")
	}
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if !lives(child.Process.Pid, time.Now()) {
		t.Error("a child does not live")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lives(child.Process.Pid, time.Now()) { // the test's own time limit ends it
		runtime.Gosched()
	}
	_ = child.Wait()
}
