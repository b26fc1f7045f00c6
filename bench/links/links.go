// Package links measures uploads over links with latency: firn's, and those of other tools that send
// the same objects to the same server.
//
// A load is a tree, and the objects that firn makes of it. firn begins with the tree, so it also
// archives, hashes, spools and encrypts; the others find its objects on a disk. Each upload goes to a
// new bucket, over a new link (package bench/link). All of them take turns in each round, so that what
// else the machine does strikes all.
//
// An upload cannot be faster than two limits:
//
//   - The link's: how long a bare TCP client needs to bring the same bytes over the same link, in as
//     many requests and over as many connections as firn may have, to a server that does nothing else.
//     It is measured in each round, and the shortest time counts.
//   - The processors': the CPU seconds of the client, of the server and of the link, which share the
//     machine, divided by its processors.
package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/link"
)

// Options of a comparison.
type Options struct {
	Dir       string          // for trees, objects, buckets and caches; there must be room for four times the largest load
	Rounds    int             // in each of which each tool uploads each load over each link
	Latencies []time.Duration // each way
	Link      link.Options    // but for Latency
	Loads     []Load
	Tools     []Tool
	Log       io.Writer // gets a line for each upload
}

// A Load is a tree that is uploaded.
type Load struct {
	Name string
	Make func(dir string) error // makes the tree, whose directories are the subtrees
}

// An Upload is what a tool is to do.
type Upload struct {
	Tree     string // what firn reads
	Objects  string // a directory with the files that firn makes of Tree
	Scratch  string // an empty directory
	Bucket   string // empty
	Endpoint string // of the server, behind the link
}

// A Tool uploads a load.
type Tool struct {
	Name    string
	Peer    bool // one that firn is compared with
	Command func(u Upload) *exec.Cmd
}

// A Result is one upload.
type Result struct {
	Load    string
	Latency time.Duration
	Tool    string
	Wall    time.Duration
	CPU     time.Duration // of the client
	All     time.Duration // CPU of the client, the server and the link
}

// linkItself is the name of the tool that only finds the link's limit.
const linkItself = "the link itself"

// A rig is what a comparison works with.
type rig struct {
	Options
	server *harness.S3Server
	files  map[string][]int64 // sizes of the objects, by load
	n      int                // buckets that were made
}

// Run makes the loads and measures all uploads. maker is the tool that makes the objects: firn.
func Run(ctx context.Context, o Options, maker Tool) ([]Result, error) {
	buckets := filepath.Join(o.Dir, "buckets")
	if err := os.Mkdir(buckets, 0o700); err != nil {
		return nil, err
	}
	server, err := harness.StartS3(ctx, harness.S3Config{Dir: buckets})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &rig{Options: o, server: server, files: map[string][]int64{}}
	for _, l := range o.Loads {
		if err := r.prepare(ctx, l, maker); err != nil {
			return nil, fmt.Errorf("making %s: %w", l.Name, err)
		}
	}
	var all []Result
	for round := range o.Rounds {
		for _, l := range o.Loads {
			for _, latency := range o.Latencies {
				some, err := r.round(ctx, l, latency)
				if err != nil {
					return nil, err
				}
				for _, m := range some {
					fmt.Fprintf(o.Log, "round %d  %-20s %6v  %-20s %7.2f s wall  %6.2f s CPU  %6.2f s CPU of all\n",
						round+1, m.Load, m.Latency, m.Tool, m.Wall.Seconds(), m.CPU.Seconds(), m.All.Seconds())
				}
				all = append(all, some...)
			}
		}
	}
	return all, nil
}

func (r *rig) path(kind string, l Load) string {
	return filepath.Join(r.Dir, kind+"-"+strings.ReplaceAll(l.Name, " ", "-"))
}

// prepare makes a load's tree, and fetches the objects that the maker makes of it.
func (r *rig) prepare(ctx context.Context, l Load, maker Tool) error {
	if err := l.Make(r.path("tree", l)); err != nil {
		return err
	}
	bucket, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	if _, err = r.run(l, maker, bucket, r.server.Endpoint); err != nil {
		return err
	}
	if r.files[l.Name], err = r.fetch(ctx, bucket, r.path("objects", l)); err != nil {
		return err
	}
	return r.server.DropBucket(bucket)
}

func (r *rig) bucket(ctx context.Context) (string, error) {
	r.n++
	name := fmt.Sprintf("links-%d", r.n)
	return name, r.server.MakeBucket(ctx, name)
}

// fetch brings all objects of a bucket into a directory, and returns their sizes.
func (r *rig) fetch(ctx context.Context, bucket, dir string) (sizes []int64, err error) {
	err = r.each(ctx, bucket, func(key string, size int64) error {
		out, err := r.server.Client().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		name := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, out.Body)
		sizes = append(sizes, size)
		return errors.Join(err, f.Close())
	})
	return sizes, err
}

// each calls see for each object of a bucket.
func (r *rig) each(ctx context.Context, bucket string, see func(key string, size int64) error) error {
	pages := s3.NewListObjectsV2Paginator(r.server.Client(), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			if err := see(*o.Key, *o.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

// round measures each tool once over links of one latency, and the link itself.
func (r *rig) round(ctx context.Context, l Load, latency time.Duration) (all []Result, err error) {
	o := r.Link
	o.Latency = latency
	wall, err := probe(o, r.files[l.Name])
	if err != nil {
		return nil, fmt.Errorf("measuring a link of %v: %w", latency, err)
	}
	all = append(all, Result{Load: l.Name, Latency: latency, Tool: linkItself, Wall: wall})
	for _, t := range r.Tools {
		result, err := r.measure(ctx, l, t, o)
		if err != nil {
			return nil, fmt.Errorf("%s, %s, %v: %w", l.Name, t.Name, latency, err)
		}
		all = append(all, result)
	}
	return all, nil
}

// measure uploads a load once, and checks that the bucket holds it.
func (r *rig) measure(ctx context.Context, l Load, t Tool, o link.Options) (result Result, err error) {
	bucket, err := r.bucket(ctx)
	if err != nil {
		return result, err
	}
	to, err := url.Parse(r.server.Endpoint)
	if err != nil {
		return result, err
	}
	way, err := link.Start(to.Host, o)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, way.Close(), r.server.DropBucket(bucket)) }()
	if result, err = r.run(l, t, bucket, "http://"+way.Addr); err != nil {
		return result, err
	}
	result.Load, result.Latency, result.Tool = l.Name, o.Latency, t.Name
	return result, r.check(ctx, l, bucket)
}

// check compares how much a bucket holds with what the maker's did. What a catalogue holds differs a
// little from run to run.
func (r *rig) check(ctx context.Context, l Load, bucket string) error {
	var objects, bytes, wanted int64
	err := r.each(ctx, bucket, func(_ string, size int64) error {
		objects++
		bytes += size
		return nil
	})
	for _, size := range r.files[l.Name] {
		wanted += size
	}
	if want := int64(len(r.files[l.Name])); err == nil && (objects != want || max(bytes-wanted, wanted-bytes) > wanted/50+4096) {
		err = fmt.Errorf("the bucket holds %d objects with %d bytes, want %d with %d", objects, bytes, want, wanted)
	}
	return err
}

// run runs a tool once.
func (r *rig) run(l Load, t Tool, bucket, endpoint string) (result Result, err error) {
	scratch, err := os.MkdirTemp(r.Dir, "scratch-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(scratch)
	cmd := t.Command(Upload{Tree: r.path("tree", l), Objects: r.path("objects", l), Scratch: scratch, Bucket: bucket, Endpoint: endpoint})
	env := append(os.Environ(), r.server.Env()...)
	// Some take an empty profile for one that is named so, and rclone takes no certificates from AWS's settings.
	env = slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "AWS_PROFILE=") || strings.HasPrefix(v, "AWS_CA_BUNDLE=")
	})
	cmd.Env = append(append(env, "AWS_ENDPOINT_URL_S3="+endpoint), cmd.Env...)
	var said strings.Builder
	cmd.Stderr = &said
	server, own := r.server.CPU(), ownCPU()
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return result, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	result.Wall = time.Since(start)
	result.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	result.All = result.CPU + r.server.CPU() - server + ownCPU() - own
	return result, nil
}

// ownCPU is the CPU time of this process, which is the link.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Processors share the work of all programs.
func Processors() int { return runtime.NumCPU() }
