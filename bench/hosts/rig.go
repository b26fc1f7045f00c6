package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/link"
)

// A rig is what processes are measured in.
type rig struct {
	dir, firn, key string
	server         *harness.S3Server // nil: what is stored goes into a directory
	link           link.Options      // of each process that moves archives
	dry            bool              // print what would be run
	n              int               // runs
}

// A trial is a run: a coordinator with so many workers, each of them a process behind a link of its
// own.
type trial struct {
	tree    string
	workers int
	plain   bool // without a queue: workers is 0
	works   bool // the coordinator works, too, behind a link
}

// An outcome is what was measured of a trial.
type outcome struct {
	Workers  int     // that worked, the coordinator included
	Kind     string  // "plain", "works" or ""
	Wall     float64 // seconds from the start of the coordinator to its end
	Lead     float64 // CPU seconds of the coordinator, and of the broker in it
	Work     float64 // of all workers
	Others   float64 // of the server and the links
	Archives int64
	Stored   int64 // bytes of archives
	Largest  int64 // of them
}

func (t *trial) name() string {
	switch {
	case t.plain:
		return "plain"
	case t.works:
		return "works"
	}
	return ""
}

// run runs a trial. What it stored is counted, and removed.
func (r *rig) run(ctx context.Context, t trial) (o outcome, err error) {
	r.n++
	work := filepath.Join(r.dir, fmt.Sprintf("run-%d", r.n))
	if err := os.Mkdir(work, 0o700); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	bucket, err := r.bucket(ctx, work)
	if err != nil {
		return o, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var links []*link.Link
	defer func() {
		for _, l := range links {
			err = errors.Join(err, l.Close())
		}
	}()
	// endpoint is what a process speaks to: a link, if it moves archives.
	endpoint := func(c *exec.Cmd, limited bool) error {
		if r.server == nil {
			return nil
		}
		to, err := url.Parse(r.server.Endpoint)
		if err != nil {
			return err
		}
		if limited {
			l, err := link.Start(to.Host, r.link)
			if err != nil {
				return err
			}
			links = append(links, l)
			to.Host = l.Addr
		}
		c.Args = append(c.Args, "--endpoint-url", to.String())
		c.Env = append(os.Environ(), r.server.Env()...)
		return nil
	}
	lead, joined, err := r.commands(ctx, t, work, bucket)
	if err != nil {
		return o, err
	}
	err = endpoint(lead, t.plain || t.works)
	for _, c := range joined {
		err = errors.Join(err, endpoint(c, true))
	}
	if err != nil {
		return o, err
	}
	if r.dry {
		for _, c := range append([]*exec.Cmd{lead}, joined...) {
			fmt.Println(strings.Join(c.Args, " "))
		}
		return o, nil
	}
	others := r.others()
	start := time.Now()
	if err := together(cancel, lead, joined, &o, start); err != nil {
		return o, err
	}
	o.Others = (r.others() - others).Seconds()
	o.Workers, o.Kind = t.workers, t.name()
	if t.plain || t.works {
		o.Workers++
	}
	return o, r.count(ctx, bucket, &o)
}

// commands are the coordinator's and the workers'.
func (r *rig) commands(ctx context.Context, t trial, work, bucket string) (lead *exec.Cmd, joined []*exec.Cmd, err error) {
	args := []string{"backup", "--quiet", "--backup-path", t.tree, "--depth", "1", "--cache-path", filepath.Join(work, "lead"),
		"--bucket-name", bucket, "--keyfile", r.key, "--compression-algorithm", "zstd"}
	if r.server != nil {
		args = append(args, "--storage-class", "STANDARD")
	}
	if t.plain {
		return exec.CommandContext(ctx, r.firn, args...), nil, nil
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	args = append(args, "--serve-queue", address)
	if !t.works {
		args = append(args, "--no-work")
	}
	for i := range t.workers {
		joined = append(joined, exec.CommandContext(ctx, r.firn, "worker", "--quiet", "--queue", "nats://"+address,
			"--cache-path", filepath.Join(work, fmt.Sprintf("worker-%d", i)), "--keyfile", r.key, "--wait", "1m"))
	}
	return exec.CommandContext(ctx, r.firn, args...), joined, nil
}

// together runs all processes to their ends. When one of them fails, the others are ended.
func together(cancel context.CancelFunc, lead *exec.Cmd, joined []*exec.Cmd, o *outcome, start time.Time) error {
	all := append([]*exec.Cmd{lead}, joined...)
	said, errs := make([]strings.Builder, len(all)), make([]error, len(all))
	var ends sync.WaitGroup
	for i, c := range all {
		c.Stderr = &said[i]
		if errs[i] = c.Start(); errs[i] != nil {
			cancel()
			continue
		}
		ends.Go(func() {
			if errs[i] = c.Wait(); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w: %s", strings.Join(c.Args[:2], " "), errs[i], strings.TrimSpace(said[i].String()))
				cancel()
			}
			if i == 0 {
				o.Wall = time.Since(start).Seconds()
			}
		})
	}
	ends.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, c := range all {
		used := (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
		if i == 0 {
			o.Lead = used
		} else {
			o.Work += used
		}
	}
	return nil
}

// others is the CPU time of the server and of this process, which is the links.
func (r *rig) others() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if r.server != nil {
		used += r.server.CPU()
	}
	return used
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// bucket makes one, or names a directory.
func (r *rig) bucket(ctx context.Context, work string) (string, error) {
	if r.server == nil {
		dir := filepath.Join(work, "store")
		return "file://" + dir, os.Mkdir(dir, 0o700)
	}
	name := fmt.Sprintf("hosts-%d", r.n)
	return name, r.server.MakeBucket(ctx, name)
}

// isArchive: the catalogue and the recovery files lie beside archives.
func isArchive(key string) bool { return strings.HasSuffix(key, ".tar.zst") }

// count counts the archives that are stored.
func (r *rig) count(ctx context.Context, bucket string, o *outcome) error {
	see := func(key string, size int64) {
		if isArchive(key) {
			o.Archives++
			o.Stored += size
			o.Largest = max(o.Largest, size)
		}
	}
	if r.server == nil {
		return filepath.Walk(strings.TrimPrefix(bucket, "file://"), func(name string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() {
				see(name, info.Size())
			}
			return err
		})
	}
	pages := s3.NewListObjectsV2Paginator(r.server.Client(), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			see(*object.Key, *object.Size)
		}
	}
	return r.server.DropBucket(bucket)
}
