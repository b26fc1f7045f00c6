package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// programAge is how long a program that nobody started is kept.
const programAge = 7 * 24 * time.Hour

// BuildS3 builds the S3 server if its source has changed since it was last
// built, and gives the program's path. S3 and StartS3 call it themselves.
func BuildS3(ctx context.Context) (string, error) {
	source, err := sourceDir("s3server")
	if err != nil {
		return "", err
	}
	state, err := digest(source, []string{"*.go", "go.mod", "go.sum"}, runtime.Version(), runtime.GOARCH)
	if err != nil {
		return "", err
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "s3server-"+state)
	err = locked("s3server", func() error {
		now := time.Now()
		if os.Chtimes(program, now, now) == nil {
			return nil
		}
		removeOld(filepath.Join(dir, "s3server-*"), now.Add(-programAge))
		made := program + ".new"
		defer os.Remove(made)
		cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", made, ".")
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building the S3 server for tests (go build in %s): %w\n%s", source, err, bytes.TrimSpace(out))
		}
		if err := os.Rename(made, program); err != nil {
			return fmt.Errorf("building the S3 server for tests: %w", err)
		}
		return nil
	})
	return program, err
}

// removeOld removes programs of other states of the source that have not been
// used since before. One that is running goes on running.
func removeOld(pattern string, before time.Time) {
	found, _ := filepath.Glob(pattern)
	for _, name := range found {
		if info, err := os.Stat(name); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(name)
		}
	}
}

// installDynalite installs what bench/dynalite's lock file names, unless that
// is what is there, and gives the directory.
func installDynalite(ctx context.Context) (string, error) {
	dir, err := sourceDir("dynalite")
	if err != nil {
		return "", err
	}
	where, err := digest("", nil, dir)
	if err != nil {
		return "", err
	}
	err = locked("dynalite-"+where, func() error {
		if installed(dir) {
			return nil
		}
		// Install scripts are not needed: dynalite keeps its tables in memory.
		cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing the DynamoDB server for tests: %w\n%s\nIt needs node 18 or newer and npm; with them in PATH, run `npm ci --ignore-scripts` in %s to see what is wrong",
				err, bytes.TrimSpace(out), dir)
		}
		return nil
	})
	return dir, err
}

// installed compares what npm has noted of its last installation in dir with
// what the lock file wants.
func installed(dir string) bool {
	want, err := lockedPackages(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false
	}
	have, err := lockedPackages(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err != nil {
		return false
	}
	for path, p := range want {
		// The empty path is the project itself; npm may leave out what is
		// optional.
		got, ok := have[path]
		if path != "" && (ok && got.Integrity != p.Integrity || !ok && !p.Optional) {
			return false
		}
	}
	return true
}

type lockedPackage struct {
	Integrity string
	Optional  bool
}

func lockedPackages(file string) (map[string]lockedPackage, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var lock struct{ Packages map[string]lockedPackage }
	return lock.Packages, json.Unmarshal(raw, &lock)
}
