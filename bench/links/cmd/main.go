// Command cmd compares uploads over links with latency by firn, aws s3 cp, s5cmd and rclone: see
// package links. It prints Markdown tables. Run it with make bench-links.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"firn/bench/link"
	"firn/bench/links"
)

func main() {
	var c config
	flag.IntVar(&c.rounds, "n", 3, "interleaved rounds")
	flag.StringVar(&c.firn, "firn", "bin/firn", "the binary to measure")
	flag.StringVar(&c.before, "before", "", "another binary of firn, to measure beside it")
	flag.StringVar(&c.dir, "dir", "", "where to make trees and buckets, in a directory of its own; default: the system's for temporary files. In memory, no disk disturbs")
	flag.StringVar(&c.latencies, "latencies", "0,20ms,100ms", "each way")
	flag.Int64Var(&c.bandwidth, "bandwidth", 100e6, "of the link, bytes a second each way")
	flag.IntVar(&c.window, "window", link.DefaultWindow, "bytes of a connection on their way")
	flag.IntVar(&c.tiny, "tiny", 1000, "tiny archives; 0 leaves them out")
	flag.Int64Var(&c.large, "large", 2e9, "bytes of the large archive; 0 leaves it out")
	flag.StringVar(&c.only, "only", "", "regular expression of the tools to measure; default: all that are there")
	flag.Parse()
	if err := c.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "links:", err)
		os.Exit(1)
	}
}

type config struct {
	rounds, tiny, window         int
	firn, before, dir, latencies string
	only                         string
	bandwidth, large             int64
}

func (c *config) run(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp(c.dir, "firn-links-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	o := links.Options{Dir: c.dir, Rounds: c.rounds, Link: link.Options{Bandwidth: c.bandwidth, Window: c.window}, Log: os.Stderr}
	for _, text := range strings.Split(c.latencies, ",") {
		latency, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		o.Latencies = append(o.Latencies, latency)
	}
	if c.tiny > 0 {
		o.Loads = append(o.Loads, links.Tiny(c.tiny))
	}
	if c.large > 0 {
		o.Loads = append(o.Loads, links.Large(c.large))
	}
	maker, tools, err := c.tools()
	if err != nil {
		return err
	}
	o.Tools = tools
	results, err := links.Run(ctx, o, maker)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d rounds, %d processors, %d MB/s, windows of %d MiB.\n", time.Now().Format(time.DateOnly), c.rounds, links.Processors(), c.bandwidth/1e6, c.window>>20)
	return links.Print(os.Stdout, o, results, links.Processors())
}

// tools are those that are there, and the one that makes the objects.
func (c *config) tools() (maker links.Tool, tools []links.Tool, err error) {
	only, err := regexp.Compile(c.only)
	if err != nil {
		return maker, nil, err
	}
	key := filepath.Join(c.dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		return maker, nil, err
	}
	if c.firn, err = filepath.Abs(c.firn); err != nil {
		return maker, nil, err
	}
	all := []links.Tool{
		links.Firn("firn, 8 upload workers", c.firn, key, "8"),
		links.Firn("firn, auto", c.firn, key, "auto"),
	}
	if c.before != "" {
		if c.before, err = filepath.Abs(c.before); err != nil {
			return maker, nil, err
		}
		all = append(all, links.Firn("firn before, auto", c.before, key, "auto"))
	}
	maker = all[1]
	for _, peer := range []struct {
		name string
		tool func(program string) links.Tool
	}{{"aws", links.AWS}, {"s5cmd", links.S5cmd}, {"rclone", links.Rclone}} {
		program, err := exec.LookPath(peer.name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "links: %v: left out\n", err)
			continue
		}
		all = append(all, peer.tool(program))
	}
	for _, t := range all {
		if only.MatchString(t.Name) {
			tools = append(tools, t)
		}
	}
	return maker, tools, nil
}
