package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// maxCopy is S3's limit of what one CopyObject copies, in bytes.
const maxCopy = 5 << 30

type config struct {
	listen, admin, dir     string
	access, secret, region string
	thawDelay              time.Duration
	versioning             bool
	verbose, ignoreStdin   bool
}

func parse(args []string) (config, error) {
	var c config
	f := flag.NewFlagSet("s3server", flag.ContinueOnError)
	f.StringVar(&c.listen, "listen", "127.0.0.1:0", "address of the S3 API; port 0 takes a free one")
	f.StringVar(&c.admin, "admin", "127.0.0.1:0", "address of the admin listener")
	f.StringVar(&c.dir, "dir", "", "directory that holds the buckets (required; made if it is missing)")
	f.StringVar(&c.access, "access", "firn", "access key id")
	f.StringVar(&c.secret, "secret", "firn-secret", "secret access key")
	f.StringVar(&c.region, "region", "us-east-1", "region that requests must be signed for")
	f.DurationVar(&c.thawDelay, "thaw-delay", 0, "how long a RestoreObject takes")
	f.BoolVar(&c.versioning, "versioning", false, "new buckets keep versions")
	f.BoolVar(&c.verbose, "verbose", false, "log each request on standard error")
	f.BoolVar(&c.ignoreStdin, "ignore-stdin", false, "go on when standard input ends")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.dir == "" {
		return c, errors.New("--dir is missing: name the directory that is to hold the buckets")
	}
	return c, nil
}

func main() {
	c, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if !c.ignoreStdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

// newLayer opens the buckets in c.dir. It changes the working directory.
func newLayer(c config) (*layer, error) {
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", c.dir, err)
	}
	buckets, versions, attributes := filepath.Join(dir, "buckets"), filepath.Join(dir, "versions"), filepath.Join(dir, "attributes")
	for _, d := range []string{buckets, versions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("making the server's directory: %w", err)
		}
	}
	l := &layer{thaws: &thaws{delay: c.thawDelay, asks: map[objectID]ask{}}, versioned: c.versioning}
	// Zero would refuse every copy, whatever the option's documentation says.
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: maxCopy}
	xattrs := meta.XattrMeta{}
	l.meta = xattrs
	if err := xattrs.Test(buckets); err != nil {
		// The file system has no extended attributes: files beside it do.
		if err := os.MkdirAll(attributes, 0o755); err != nil {
			return nil, fmt.Errorf("making the server's directory: %w", err)
		}
		sidecar, err := meta.NewSideCar(attributes)
		if err != nil {
			return nil, fmt.Errorf("keeping attributes in %s: %w", attributes, err)
		}
		l.meta = sidecar
		opts.SideCarDir = attributes
	}
	if l.Posix, err = posix.New(buckets, l.meta, opts); err != nil {
		return nil, fmt.Errorf("opening the buckets in %s: %w", buckets, err)
	}
	return l, nil
}

// run serves until ctx ends.
func run(ctx context.Context, c config) error {
	// The gateway writes banners to standard output, which is ours.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	if !c.verbose {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		os.Stdout = null
	}
	l, err := newLayer(c)
	if err != nil {
		return err
	}
	var requests *log.Logger
	if c.verbose {
		requests = log.New(os.Stderr, "", log.Lmicroseconds)
	}
	var counts counters
	adminListener, err := net.Listen("tcp", c.admin)
	if err != nil {
		return fmt.Errorf("listening for the admin: %w", err)
	}
	adminServer := &http.Server{Handler: admin(&counts, l.thaws), ReadHeaderTimeout: time.Minute}
	go func() { _ = adminServer.Serve(adminListener) }()
	defer adminServer.Close()

	ready := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- embedgw.RunVersityGW(ctx, l, &embedgw.Config{
			RootUserAccess:    c.access,
			RootUserSecret:    c.secret,
			IAMService:        newAccount(c.access, c.secret),
			Region:            c.region,
			Ports:             []string{c.listen},
			MaxConnections:    4096,
			MaxRequests:       2048,
			MultipartMaxParts: 10000,
			KeepAlive:         true,
			Quiet:             true,
			S3Options: []s3api.Option{
				s3api.WithMiddleware("/", middleware(&counts, requests)),
				s3api.WithOnListen(func() { close(ready) }),
			},
		})
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving S3 on %s: %w", c.listen, err)
	case <-ready:
	}
	addr, err := gatewayAddr(adminListener.Addr())
	if err != nil {
		return err
	}
	line, err := json.Marshal(map[string]string{
		"endpoint": "http://" + addr.String(),
		"admin":    "http://" + adminListener.Addr().String(),
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", line); err != nil {
		return fmt.Errorf("saying where the server listens: %w", err)
	}
	select {
	case err := <-served:
		if ctx.Err() == nil {
			return fmt.Errorf("serving S3 on %s: %w", addr, err)
		}
	case <-ctx.Done():
		// The gateway waits ten seconds for idle connections. What is stored
		// was stored at once, so nothing is lost by not waiting so long.
		select {
		case <-served:
		case <-time.After(time.Second):
		}
	}
	return nil
}
