// Command peers compares firn with the pipelines a shell can build of the best
// native tools, over the same generated tree, to the same server and back, in
// interleaved runs. It prints medians of wall time, of the client side's CPU
// seconds (user and system, the server's not counted) and of stored bytes, and
// their ratios. Run it with make bench-peers.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stat"
	"firn/bench/tree"
)

func main() {
	rounds := flag.Int("n", 3, "interleaved rounds")
	firn := flag.String("firn", "bin/firn", "the binary to measure")
	dir := flag.String("dir", "", "where to make the tree and the caches; default: a temporary directory")
	back := flag.String("back", "", "where to bring trees back to; default: below -dir. What it costs to make 20,000 files differs by a factor of ten between file systems: one in memory shows the programs' own part")
	flag.Parse()
	if err := run(context.Background(), *rounds, *firn, *dir, *back); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// A contender saves the tree to a bucket, or brings it back, once.
type contender struct {
	name    string
	peer    string // whose medians its own are compared with; "" for none
	follows bool   // on the bucket of the one before
	command func(b *bench, round int) *exec.Cmd
	results []result
}

type result struct {
	wall, cpu time.Duration
	stored    int64
}

type bench struct {
	firn, tree, dir string
	back            string // where trees are brought back to
	server          *harness.S3Server
	bucket          string
}

func run(ctx context.Context, rounds int, firn, dir, back string) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "firn-peers-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if firn, err = filepath.Abs(firn); err != nil {
		return err
	}
	server, err := harness.StartS3(ctx, harness.S3Config{})
	if err != nil {
		return err
	}
	defer server.Close()
	if back, err = os.MkdirTemp(cmp.Or(back, dir), "back-"); err != nil {
		return err
	}
	defer os.RemoveAll(back)
	b := &bench{firn: firn, dir: dir, tree: filepath.Join(dir, "tree"), back: back, server: server}
	if _, err := os.Stat(b.tree); err != nil {
		fmt.Fprintln(os.Stderr, "making the tree of 499 MB")
		if err := tree.Mixed(b.tree, 1); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		return err
	}
	contenders := []*contender{
		{name: "pigz -6", command: pipeline("pigz -6 -p 1", "gz")},
		{name: "pigz -d", follows: true, command: unpipeline("pigz -d")},
		{name: "firn gzip", peer: "pigz -6", command: backup("gzip", true)},
		{name: "firn gzip, again", follows: true, peer: "firn gzip", command: backup("gzip", false)},
		{name: "firn gzip, back", follows: true, peer: "pigz -d", command: restore},
		{name: "lbzip2", command: pipeline("lbzip2 -n 1", "bz2")},
		{name: "lbzip2 -d", follows: true, command: unpipeline("lbzip2 -d -n 1")},
		{name: "firn bzip2", peer: "lbzip2", command: backup("bzip2", true)},
		{name: "firn bzip2, again", follows: true, peer: "firn bzip2", command: backup("bzip2", false)},
		{name: "firn bzip2, back", follows: true, peer: "lbzip2 -d", command: restore},
	}
	for round := range rounds {
		for _, c := range contenders {
			r, err := b.measure(ctx, c, round)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d  %-18s %6.2f s wall  %6.2f s CPU\n", round+1, c.name, r.wall.Seconds(), r.cpu.Seconds())
			c.results = append(c.results, r)
		}
	}
	return table(contenders)
}

// pipeline is tar, a compressor, openssl and aws s3 cp over each subtree, two
// at a time, as a shell script does it on two cores.
func pipeline(compressor, ext string) func(*bench, int) *exec.Cmd {
	return func(b *bench, _ int) *exec.Cmd {
		one := fmt.Sprintf(`tar -C "$0" -cf - "$1" | %s | openssl enc -aes-256-cbc -pbkdf2 -pass file:"$2" | aws s3 cp --quiet - "s3://$3/$1.tar.%s"`, compressor, ext)
		c := exec.Command("bash", "-c", `set -o pipefail; ls "$1" | xargs -P 2 -I{} bash -o pipefail -c "$0" "$1" {} "$2" "$3"`,
			one, b.tree, filepath.Join(b.dir, "key"), b.bucket)
		return c
	}
}

// backup is firn; a fresh one begins without state and on an empty bucket,
// any other finds those of the one before.
func backup(algorithm string, fresh bool) func(*bench, int) *exec.Cmd {
	return func(b *bench, round int) *exec.Cmd {
		cache := filepath.Join(b.dir, "cache-"+algorithm)
		if fresh {
			os.RemoveAll(cache)
		}
		return exec.Command(b.firn, "backup", "--quiet", "--backup-path", b.tree, "--cache-path", cache, "--bucket-name", b.bucket,
			"--depth", "1", "--keyfile", filepath.Join(b.dir, "key"), "--compression-algorithm", algorithm, "--storage-class", "STANDARD")
	}
}

// unpipeline is the way back of pipeline: over each object, two at a time.
func unpipeline(decompressor string) func(*bench, int) *exec.Cmd {
	return func(b *bench, _ int) *exec.Cmd {
		one := fmt.Sprintf(`aws s3 cp --quiet "s3://$2/$0" - | openssl enc -d -aes-256-cbc -pbkdf2 -pass file:"$1" | %s | tar -C "$3" -xpf -`, decompressor)
		return exec.Command("bash", "-c", `set -o pipefail; aws s3 ls "s3://$2" | awk '{print $4}' | xargs -P 2 -I{} bash -o pipefail -c "$0" {} "$1" "$2" "$3"`,
			one, filepath.Join(b.dir, "key"), b.bucket, b.emptied())
	}
}

// restore is firn's way back.
func restore(b *bench, _ int) *exec.Cmd {
	return exec.Command(b.firn, "restore", "--quiet", "--target", b.emptied(), "--cache-path", filepath.Join(b.dir, "cache-restore"), "--bucket-name", b.bucket,
		"--keyfile", filepath.Join(b.dir, "key"))
}

// emptied is the directory to which trees are brought back, with nothing in it.
func (b *bench) emptied() string {
	target := filepath.Join(b.back, "tree")
	os.RemoveAll(target)
	_ = os.Mkdir(target, 0o755) // a command that finds none fails, and says so
	return target
}

// measure runs one contender, on a new bucket unless it follows another.
func (b *bench) measure(ctx context.Context, c *contender, round int) (result, error) {
	if !c.follows {
		b.bucket = fmt.Sprintf("peers-%d-%s", round, strings.ToLower(strings.NewReplacer(" ", "-", ".", "-").Replace(c.name)))
		if err := b.server.MakeBucket(ctx, b.bucket); err != nil {
			return result{}, err
		}
	}
	cmd := c.command(b, round)
	cmd.Env = append(os.Environ(), b.server.Env()...)
	// The aws command takes an empty profile for one that is named so.
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "AWS_PROFILE=") })
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, err
	}
	r := result{wall: time.Since(start), cpu: cpuOf(cmd)}
	stored, err := b.stored(ctx)
	r.stored = stored
	return r, err
}

// cpuOf is what the command and all it waited for took.
func cpuOf(c *exec.Cmd) time.Duration {
	u := c.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (b *bench) stored(ctx context.Context) (size int64, err error) {
	pages := s3.NewListObjectsV2Paginator(b.server.Client(), &s3.ListObjectsV2Input{Bucket: &b.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		for _, o := range page.Contents {
			size += *o.Size
		}
	}
	return size, nil
}

func table(all []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "median of\twall s\tCPU s\tstored MB\tpeer\twall ×\tCPU ×\tstored ×\t")
	for _, c := range all {
		m := medians(c.results)
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.1f\t", c.name, m.wall.Seconds(), m.cpu.Seconds(), float64(m.stored)/1e6)
		for _, p := range all {
			if p.name == c.peer {
				q := medians(p.results)
				fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t", p.name, float64(m.wall)/float64(q.wall), float64(m.cpu)/float64(q.cpu), float64(m.stored)/float64(q.stored))
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// medians of each figure, which need not be of the same run.
func medians(rs []result) result {
	return result{
		wall:   stat.Median(rs, func(r result) time.Duration { return r.wall }),
		cpu:    stat.Median(rs, func(r result) time.Duration { return r.cpu }),
		stored: stat.Median(rs, func(r result) int64 { return r.stored }),
	}
}
