package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"firn/bench/harness"
	"firn/stages/service/state"
)

// atOnce lets a firn that watches for races end without the second that it sleeps otherwise.
const atOnce = "atexit_sleep_ms=0"

// The test binary is firn too: scripts and tests run it from PATH.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		if err := os.Setenv("GORACE", atOnce); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, programs)
}

// programs are what the test binary is, by its name.
var programs = map[string]func(){"firn": func() {
	for _, name := range []string{"FIRN_LONG", "FIRN_SEED", "FIRN_KEEP"} { // settings of the tests, not of firn
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	main()
}}

// servers are what scripts talk to.
type servers struct {
	s3     *harness.S3Server
	tables *harness.DynamoDBServer
	nats   *harness.NATSServer // with the token that scripts have as $TOKEN
	bare   *harness.NATSServer // without JetStream
}

func TestScripts(t *testing.T) {
	const token = "a-token-of-tests"
	s := servers{
		s3: harness.S3(t), tables: harness.DynamoDB(t), nats: harness.NATS(t, func(c *harness.NATSConfig) { c.Token = token }),
		bare: harness.NATS(t, func(c *harness.NATSConfig) { c.NoJetStream = true }),
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		WorkdirRoot:         openDirectory(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, s.tables.Env()...)
			e.Vars = append(e.Vars, s.s3.Env()...)
			e.Vars = append(e.Vars, "CLOSED=http://"+harness.Port(t), "NATS="+s.nats.URL, "BARE_NATS="+s.bare.URL, "TOKEN="+token, "NEWLINE=\n", "GORACE="+os.Getenv("GORACE"))
			return os.Chmod(e.WorkDir, 0o777)
		},
		Condition: func(name string) (bool, error) {
			if name == "mount" {
				return exec.Command("unshare", mountFlags(), "mount", "-t", "tmpfs", "tmpfs", "/mnt").Run() == nil, nil
			}
			return false, fmt.Errorf("no such condition: %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":  fails,
			"exits":  func(ts *testscript.TestScript, _ bool, args []string) { exits(ts, args) },
			"onelog": oneLine,
			"bucket": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(s.s3.MakeBucket(context.Background(), args[0]))
			},
			"versions": s.keepVersions,
			"objects":  s.objects,
			"table":    s.table,
			"lock":     lock,
			"repeat":   repeat,
			"socket":   socket,
			"settled":  settled,
		},
	})
}

// keepVersions makes a bucket keep versions.
func (s servers) keepVersions(ts *testscript.TestScript, _ bool, args []string) {
	_, err := s.s3.Client().PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{
		Bucket: &args[0], VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	ts.Check(err)
}

// openDirectory is one that every user may enter, and from which every user
// may run firn.
func openDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "firn-scripts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	firn, err := exec.LookPath("firn")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, firn, filepath.Dir(firn), filepath.Dir(filepath.Dir(firn))} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mountFlags() string {
	if os.Geteuid() == 0 {
		return "-m"
	}
	return "-rm"
}

// command takes what runs firn otherwise off the front of args: "nobody" makes
// it run as an ordinary user, "disk=SIZE:DIR" with a file system of that size
// at DIR, "env" is the program of that name.
func command(ts *testscript.TestScript, args []string) []string {
	switch first := args[0]; {
	case first == "nobody" && os.Geteuid() == 0:
		return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, command(ts, args[1:])...)
	case first == "nobody":
		return command(ts, args[1:])
	case strings.HasPrefix(first, "disk="):
		size, dir, _ := strings.Cut(strings.TrimPrefix(first, "disk="), ":")
		mount := `mount -t tmpfs -o mode=700,size="$0" tmpfs "$1" && shift && exec "$@"`
		return append([]string{"unshare", mountFlags(), "sh", "-c", mount, size, ts.MkAbs(dir)}, command(ts, args[1:])...)
	}
	return args
}

// exits runs a command that must end with an exit code: exits 3 firn …
func exits(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	args = command(ts, args[1:])
	err = ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, not %d", code, want)
	}
}

// fails is exits for what must be refused: with one line that says why, before
// anything was made that a user would have to clear away.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	before := files(ts)
	exits(ts, args)
	oneLine(ts, false, nil)
	for _, f := range files(ts) {
		if _, found := slices.BinarySearch(before, f); !found && filepath.Base(f) != "firn-state.db" {
			ts.Fatalf("left behind: %s", f)
		}
	}
}

// lineTime is the time in front of a line that was printed while a run was under way.
var lineTime = regexp.MustCompile(`(?m)^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d `)

// oneLine makes sure that the last command said one thing on standard error,
// and nothing else.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	said := lineTime.ReplaceAllString(ts.ReadFile("stderr"), "")
	if !strings.HasPrefix(said, "firn: ") || strings.Count(said, "\n") != 1 || ts.ReadFile("stdout") != "" {
		ts.Fatalf("not one line of error, or something beside it")
	}
}

// files are all that is not a directory under the script's own directory.
func files(ts *testscript.TestScript) (found []string) {
	err := filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return nil // what root can't enter on its way nobody has made
	})
	ts.Check(err)
	slices.Sort(found)
	return found
}

// objects checks how many archives a bucket holds: objects BUCKET 5
func (s servers) objects(ts *testscript.TestScript, _ bool, args []string) {
	out, err := s.s3.Client().ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &args[0]})
	ts.Check(err)
	var keys []string
	for _, o := range out.Contents {
		if strings.Contains(*o.Key, ".tar.") {
			keys = append(keys, *o.Key)
		}
	}
	if fmt.Sprint(len(keys)) != args[1] {
		ts.Fatalf("%d archives in %s, not %s: %q", len(keys), args[0], args[1], keys)
	}
}

// settled waits until nothing below a directory was changed so lately that firn would read it again: settled DIR
func settled(ts *testscript.TestScript, _ bool, args []string) {
	const margin = 100 * time.Millisecond // twice what package walk asks of a disk with fine times
	var newest time.Time
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if changed := time.Unix(st.Ctim.Unix()); changed.After(newest) {
			newest = changed
		}
		return nil
	}))
	<-time.After(time.Until(newest.Add(margin)))
}

// table makes a table: table NAME KEY S
func (s servers) table(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.tables.MakeTable(context.Background(), args[0], args[1], types.ScalarAttributeType(args[2])))
}

// lock holds a cache path until the script ends, as another run would.
func lock(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	db, _, err := state.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() {
		if err := db.Close(); err != nil {
			ts.Logf("%v", err)
		}
	})
}

// repeat sets a variable to a text n times over: repeat LONG 600 p
func repeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Setenv(args[0], strings.Repeat(args[2], n))
}

// socket leaves a socket in a directory, under its short relative name: a
// path of more than some hundred bytes can't be bound to.
func socket(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("python3", "-c", "import os, socket, sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind('socket')", args[0]))
}
