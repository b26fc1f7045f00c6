package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/harness"
	"firn/bench/stagestest"
)

// planned is what firn plan --json says that the tests look at.
type planned struct {
	Kind   string
	Depths []struct {
		Depth                    int
		Archives                 int64
		Requests                 map[string]int64
		New, Replaced, Unchanged struct{ Archives int64 }
	}
}

// firnJSON runs firn, which must exit with code 0, and reads the last line that it printed.
func firnJSON(t *testing.T, dir string, env []string, answer any, args ...string) {
	t.Helper()
	cmd := exec.Command("firn", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), answer); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// What a plan says of requests is what a first run asks the server, to the last request. Noise does not
// compress, so the ratio is that of the plan. The files are of one part, of exactly one, and of several.
func TestRequestsAreCounted(t *testing.T) {
	const part = 5 << 20
	server, tables := harness.S3(t), harness.DynamoDB(t)
	table := harness.Proxy(t, tables.Endpoint)
	tables.CreateTable(t, "records")
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for i := range 12 {
		size := 100 * i
		if i%5 == 0 {
			size = (1 + i) * part / 2
		}
		stagestest.Noise(t, filepath.Join(tree, fmt.Sprint("d", i%3), fmt.Sprint("e", i%4), "noise", fmt.Sprint(i)), int64(i), size)
	}
	stagestest.Write(t, filepath.Join(tree, "plain"), "plain")
	stagestest.Write(t, filepath.Join(tree, "d0", "left.out"), "out")
	if err := os.Symlink("plain", filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(tree, "d0", "socket"), unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	for n, c := range []struct {
		depth int
		path  string
		table bool
	}{{0, tree, false}, {1, tree, false}, {2, tree, true}, {3, ".", false}, {5, tree + "/", false}} { // the first one makes the key file
		env := append(server.Env(), "AWS_ENDPOINT_URL_DYNAMODB="+table.Endpoint)
		args := []string{
			"--json", "--backup-path", c.path, "--cache-path", filepath.Join(dir, fmt.Sprint("cache", n)), "--bucket-name", server.Bucket, "--prefix", fmt.Sprint("p", n),
			"--depth", strconv.Itoa(c.depth), "--keyfile", key, "--part-size", "5MiB", "--compression-algorithm", "zstd", "--exclude", "*.out",
		}
		if c.table {
			args = append(args, "--dynamodb-table-name", "records")
		}
		var said planned
		firnJSON(t, tree, env, &said, append([]string{"plan"}, args...)...)
		want := said.Depths[c.depth].Requests

		server.ResetCounts()
		table.ResetCounts()
		var summary struct{ Event string }
		firnJSON(t, tree, env, &summary, append([]string{"backup"}, args...)...)
		got := server.Counts()
		for _, op := range []string{"PutItem", "DescribeTable", "GetItem", "BatchGetItem"} {
			if n := table.Count(op); n > 0 {
				got[op] = n
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("depth %d of %s: the run asked %v, the plan said %v", c.depth, c.path, got, want)
		}
	}
}
