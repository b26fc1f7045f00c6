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
	return program(ctx, "s3server", state, source, "-ldflags=-s -w", ".")
}

// BuildNATS builds nats-server as go.mod names it, if that was not done, and gives the program's path.
// NATS and StartNATS call it themselves.
func BuildNATS(ctx context.Context) (string, error) {
	here, err := sourceDir("harness")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", natsModule)
	cmd.Dir = here
	version, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("finding the version of the NATS server for tests: %w", err)
	}
	state, err := digest("", nil, string(version), runtime.Version(), runtime.GOARCH)
	if err != nil {
		return "", err
	}
	return program(ctx, "nats-server", state, here, "-ldflags=-s -w", natsModule)
}

const natsModule = "github.com/nats-io/nats-server/v2"

// program builds one in dir with arguments of go build, unless it is there in that state, and gives its
// path.
func program(ctx context.Context, name, state, dir string, args ...string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name+"-"+state)
	return path, locked(name, func() error {
		now := time.Now()
		if os.Chtimes(path, now, now) == nil {
			return nil
		}
		removeOld(filepath.Join(cache, name+"-*"), now.Add(-programAge))
		made := path + ".new"
		defer os.Remove(made)
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", made}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s for tests (go build in %s): %w\n%s", name, dir, err, bytes.TrimSpace(out))
		}
		if err := os.Rename(made, path); err != nil {
			return fmt.Errorf("building %s for tests: %w", name, err)
		}
		return nil
	})
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
