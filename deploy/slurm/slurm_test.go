// Package slurm_test runs firn.sbatch in a Slurm cluster: make test-slurm.
package slurm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
)

const (
	subtrees = 72
	seed     = 13
)

// A site is what the nodes share: a tree, firn, a key file and a bucket.
type site struct {
	*testing.T
	dir    string // of the cluster, which its nodes see
	server *harness.S3Server
	tree   string
}

func newSite(t *testing.T) *site {
	dir := os.Getenv("CLUSTER")
	if dir == "" {
		t.Skip("it needs a Slurm cluster: make test-slurm")
	}
	s := &site{T: t, dir: dir, server: harness.S3(t), tree: filepath.Join(dir, "tree")}
	t.Logf("seed %d", seed)
	for i := range subtrees {
		stagestest.Noise(t, filepath.Join(s.tree, fmt.Sprintf("project%02d", i), "data"), seed+int64(i), 1<<20)
	}
	stagestest.Noise(t, filepath.Join(s.tree, "large", "data"), seed-1, 24<<20)
	stagestest.Write(t, filepath.Join(dir, "firn.key"), "a passphrase for a test in a cluster\n")
	if err := os.Chmod(filepath.Join(dir, "firn.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "firn"), "firn/cmd/firn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	return s
}

// run returns what a command prints, in the directory that the nodes see.
func (s *site) run(name string, args ...string) string {
	s.Helper()
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &said
	cmd.Env = append(os.Environ(), s.server.Env()...)
	if err := cmd.Run(); err != nil {
		s.Fatalf("%s %q: %v\n%s%s", name, args, err, out.String(), said.String())
	}
	return out.String()
}

// A run is a backup to a bucket of its own, by one job or more.
type run struct {
	*site
	bucket string
	job    string
}

// submit queues a job, a backup that takes some ten seconds if no other command is given. A later backup
// of the same run goes on.
func (r *run) submit(command ...string) {
	r.Helper()
	settings := r.bucket + ".env"
	stagestest.Write(r, filepath.Join(r.dir, settings), fmt.Sprintf(`FIRN_BACKUP_PATH=%s
FIRN_DEPTH=1
FIRN_BUCKET_NAME=%s
FIRN_STORAGE_CLASS=STANDARD
FIRN_PART_SIZE=5MiB
FIRN_KEYFILE=%s/firn.key
FIRN_CACHE_PATH=%s/cache-%s
FIRN_BANDWIDTH_LIMIT=2M
FIRN_MEMORY_LIMIT=1GiB
METRICS_PORT=9750
SHORTEST_RUN=1
`, r.tree, r.bucket, r.dir, r.dir, r.bucket))
	script, err := filepath.Abs("firn.sbatch")
	if err != nil {
		r.Fatal(err)
	}
	args := append([]string{"--parsable", "--nodes=2", "--cpus-per-task=2", "--time=120", script, settings}, command...)
	r.job = strings.TrimSpace(r.run("sbatch", args...))
}

// under waits until the job has saved something, and not all.
func (r *run) under() {
	r.Helper()
	r.until("something is saved", func() bool {
		objects, err := r.server.Client().ListObjectsV2(r.Context(), &s3.ListObjectsV2Input{Bucket: &r.bucket})
		if err != nil {
			r.Fatal(err)
		}
		n := 0
		for _, o := range objects.Contents {
			if strings.Contains(*o.Key, "/project") {
				n++
			}
		}
		if n >= subtrees {
			r.Fatalf("all is saved before the test could stop it:\n%s", r.log())
		}
		return n > 1
	})
}

// ends waits for the end of the job, which must end as said, and returns how often it was started again.
func (r *run) ends(state, code string) (restarts int) {
	r.Helper()
	var said string
	r.until("the end of the job", func() bool {
		said = r.run("scontrol", "--oneliner", "show", "job", r.job)
		return regexp.MustCompile(`JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY)`).MatchString(said)
	})
	r.Logf("log of job %s:\n%s", r.job, r.log())
	if !strings.Contains(said, "JobState="+state+" ") || !strings.Contains(said, " ExitCode="+code+":0 ") {
		r.Fatalf("it ended as %s", said)
	}
	restarts, err := strconv.Atoi(regexp.MustCompile(`Restarts=(\d+)`).FindStringSubmatch(said)[1])
	if err != nil {
		r.Fatal(err)
	}
	return restarts
}

func (r *run) log() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "slurm-"+r.job+".out"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.Fatal(err)
	}
	return string(text)
}

func (r *run) until(what string, ok func() bool) {
	r.Helper()
	for until := time.Now().Add(4 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			r.Fatalf("%s does not come:\n%s", what, r.log())
		}
	}
}

// saved restores the last run, which must be the tree, on both nodes; no upload and no cache of a worker is
// left behind.
func (r *run) saved() {
	r.Helper()
	target := filepath.Join(r.dir, "restored-"+r.bucket)
	r.submit("restore", "--target", target)
	r.ends("COMPLETED", "0")
	if lines, err := tree.Diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{}); err != nil || len(lines) > 0 {
		r.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	uploads, err := r.server.Client().ListMultipartUploads(r.Context(), &s3.ListMultipartUploadsInput{Bucket: &r.bucket})
	if err != nil || len(uploads.Uploads) > 0 {
		r.Errorf("uploads that are left: %v, %v", uploads, err)
	}
	for _, pattern := range []string{"node*/tmp/*", "cache-" + r.bucket + "/job-*"} {
		if left, err := filepath.Glob(filepath.Join(r.dir, pattern)); err != nil || len(left) > 0 {
			r.Errorf("left: %v, %v", left, err)
		}
	}
}

// TestSlurm backs up a tree from two nodes, also with a job that is stopped softly, or queued again.
func TestSlurm(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		name      string
		interrupt func(r *run)
		state     string // of the job that was interrupted
		code      string
		restarts  int
	}{
		{"whole", nil, "COMPLETED", "0", 0},
		{"requeue", func(r *run) { r.run("scontrol", "requeue", r.job) }, "COMPLETED", "0", 1},
		{"time-limit", func(r *run) { r.run("scancel", "--batch", "--signal=USR1", r.job) }, "COMPLETED", "0", 1},
		{"stop", func(r *run) { r.run("scancel", "--batch", "--signal=TERM", r.job) }, "FAILED", "130", 0},
		{"stop-all", func(r *run) { r.run("scancel", "--signal=TERM", r.job) }, "FAILED", "130", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := *s
			of.T = t
			r := &run{site: &of, bucket: "bucket-" + c.name}
			if err := s.server.MakeBucket(t.Context(), r.bucket); err != nil {
				t.Fatal(err)
			}
			r.submit()
			if c.interrupt != nil {
				r.under()
				c.interrupt(r)
			}
			if n := r.ends(c.state, c.code); n != c.restarts {
				t.Errorf("it was started again %d times", n)
			}
			if c.code != "0" {
				r.submit()
				r.ends("COMPLETED", "0")
			}
			r.saved()
		})
	}
}
