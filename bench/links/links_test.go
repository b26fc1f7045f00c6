package links

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/link"
)

// TestMain is also a tool that uploads a directory: see self.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LINKS_TEST_UPLOAD"); dir != "" {
		if err := upload(context.Background(), dir, os.Getenv("LINKS_TEST_BUCKET"), os.Getenv("LINKS_TEST_LEAVE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// upload stores each file of a directory but one.
func upload(ctx context.Context, dir, bucket, leave string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || leave != "" && strings.Contains(path, leave) {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key := strings.TrimPrefix(path, dir+"/")
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
		return err
	})
}

// self is this program as a tool.
func self(name, leave string, from func(Upload) string) Tool {
	return Tool{Name: name, Peer: true, Command: func(u Upload) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"LINKS_TEST_UPLOAD=" + from(u), "LINKS_TEST_BUCKET=" + u.Bucket, "LINKS_TEST_LEAVE=" + leave}
		return cmd
	}}
}

// Each tool uploads each load over each link, which is as slow as it says; one that leaves something
// out is not measured.
func TestRun(t *testing.T) {
	maker := self("maker", "", func(u Upload) string { return u.Tree })
	peer := self("peer", "", func(u Upload) string { return u.Objects })
	o := Options{
		Dir: t.TempDir(), Rounds: 2, Latencies: []time.Duration{0, 5 * time.Millisecond},
		Link: link.Options{Bandwidth: 1e9}, Loads: []Load{Tiny(3), Large(300_000)}, Tools: []Tool{maker, peer}, Log: io.Discard,
	}
	all, err := Run(t.Context(), o, maker)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * 2 * 2 * 3; len(all) != want {
		t.Errorf("%d results, want %d", len(all), want)
	}
	for _, r := range all {
		if least := 4 * r.Latency; r.Wall < least { // with the handshake
			t.Errorf("%+v: less than %v", r, least)
		}
		if r.Tool != linkItself && (r.CPU <= 0 || r.All < r.CPU) {
			t.Errorf("%+v: no CPU time", r)
		}
	}
	var table strings.Builder
	if err := Print(&table, o, all, 2); err != nil || strings.Count(table.String(), "\n| ") != 2*(1+2*2) {
		t.Errorf("%v\n%s", err, table.String())
	}
	o.Dir, o.Tools = t.TempDir(), []Tool{self("bad", "d0001", func(u Upload) string { return u.Objects })}
	if _, err := Run(t.Context(), o, maker); err == nil || !strings.Contains(err.Error(), "holds 2 objects") {
		t.Errorf("a tool that leaves an object out: %v", err)
	}
}

// What is printed are medians, the ratio to the best peer, and the limit that binds: the link's best.
func TestPrint(t *testing.T) {
	o := Options{Loads: []Load{{Name: "load"}}, Latencies: []time.Duration{20 * time.Millisecond}, Tools: []Tool{
		{Name: "firn"}, {Name: "slow", Peer: true}, {Name: "quick", Peer: true},
	}}
	var all []Result
	for round := range time.Duration(3) {
		for i, tool := range []string{linkItself, "firn", "slow", "quick"} {
			wall := []time.Duration{2, 3, 8, 4}[i]*time.Second + (round-1)*time.Second/2
			all = append(all, Result{"load", o.Latencies[0], tool, wall, wall / 2, 2 * wall / time.Duration(i+1)})
		}
	}
	var table strings.Builder
	if err := Print(&table, o, all, 2); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 20 ms | firn | 3.00 | 1.50 | 0.75 | link | 1.50 | 2.00 |\n",
		"| 20 ms | slow | 8.00 | 4.00 | 2.00 | CPU | 2.67 | 3.00 |\n",
		"| 20 ms | quick | 4.00 | 2.00 | 1.00 | link | 1.50 | 2.67 |\n",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
}
