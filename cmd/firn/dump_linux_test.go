package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// While a key is in memory, no core file is written, and no other process of the user may look into this
// one: its files in /proc are root's.
func TestNoCoreFileHoldsAKey(t *testing.T) {
	dir := openDirectory(t)
	key := filepath.Join(dir, "key")
	if err := unix.Mkfifo(key, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("firn", "list", "--bucket-name", "file://"+dir, "--keyfile", key)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		err := cmd.Wait()
		if f, err := os.OpenFile(key, os.O_RDONLY|unix.O_NONBLOCK, 0); err == nil { // frees a writer that waits for it
			f.Close()
		}
		ended <- err
	}()
	w, err := os.OpenFile(key, os.O_WRONLY, 0) // once firn reads it
	if err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid))
	if info, err := os.Stat(filepath.Join(proc, "mem")); err != nil {
		t.Error(err)
	} else if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		t.Errorf("the memory of the process is open to user %d", uid)
	}
	limits, err := os.ReadFile(filepath.Join(proc, "limits"))
	if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("%v\n%s", err, limits)
	}
	if err := w.Close(); err != nil { // an empty key file
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("firn took an empty key file")
	}
}
