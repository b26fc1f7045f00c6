package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// sourceDir gives the directory of a part of bench/, by this file's own path
// or, in a program built with -trimpath, from the working directory upwards.
func sourceDir(part string) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dir := filepath.Join(filepath.Dir(filepath.Dir(file)), part)
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	at, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding bench/%s: %w", part, err)
	}
	for {
		dir := filepath.Join(at, "bench", part)
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", fmt.Errorf("finding bench/%s: run this inside a checkout of firn", part)
		}
		at = up
	}
}

// digest names the state of the files of dir that match one of patterns, and
// of anything else that matters.
func digest(dir string, patterns []string, more ...string) (string, error) {
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return "", fmt.Errorf("listing %s: %w", dir, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	sum := sha256.New()
	fmt.Fprintln(sum, strings.Join(more, "\n"))
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", name, err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(name), len(body), body)
	}
	return hex.EncodeToString(sum.Sum(nil)[:10]), nil
}

// cacheDir gives the directory in which programs and locks are kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "firn-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache of test servers: %w", err)
	}
	return dir, nil
}

// locked runs work while no other process runs work under the same name.
func locked(name string, work func() error) (err error) {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", name, err)
	}
	return work()
}

// tail keeps the last bytes that a server wrote, for the message that says why
// it died. It is written by one goroutine and read after that has ended.
type tail struct {
	also io.Writer
	kept []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - tailSize; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	if t.also != nil {
		return t.also.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.kept)) }
