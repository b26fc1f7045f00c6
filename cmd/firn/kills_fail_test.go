package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The checks of TestKills find what is wrong, and nothing in what is as it should be.

func found(t *testing.T, what string, lines []string, err error, want ...string) {
	t.Helper()
	ok := err == nil && len(lines) == len(want)
	for i := range want {
		ok = ok && strings.Contains(lines[i], want[i])
	}
	if !ok {
		t.Errorf("%s: %q, %v; want %q", what, lines, err, want)
	}
}

func TestKillsManifest(t *testing.T) {
	began := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	runs := []listed{
		{Run: "old", Started: began, Subtrees: 1},
		{Run: "new", Started: began.Add(time.Hour), Complete: true, Subtrees: 2},
	}
	lines := []listed{
		{Run: "new", Path: "/t", Key: "t.tar.gz", Status: "saved"},
		{Run: "new", Path: "/t/a", Key: "t/a.tar.gz", Status: "unchanged"},
	}
	tree := []string{"/t", "/t/a"}
	for name, test := range map[string]struct {
		change func(runs, lines []listed) ([]listed, []listed)
		want   []string
	}{
		"as it should be": {want: nil},
		"missing":         {func(r, l []listed) ([]listed, []listed) { return r, l[:1] }, []string{"/t/a has 0 lines"}},
		"double":          {func(r, l []listed) ([]listed, []listed) { return r, append(l, l[1]) }, []string{"/t/a has 2 lines", "has 2 lines"}},
		"another's": {func(r, l []listed) ([]listed, []listed) {
			return r, append(l, listed{Run: "new", Path: "/u", Key: "u.tar.gz", Status: "saved"})
		}, []string{"/u is not in the tree"}},
		"failed":           {func(r, l []listed) ([]listed, []listed) { l[1].Status = "failed"; return r, l }, []string{`/t/a is "failed"`}},
		"of another run":   {func(r, l []listed) ([]listed, []listed) { l[1].Run = "old"; return r, l }, []string{"/t/a is of run old"}},
		"one key for two":  {func(r, l []listed) ([]listed, []listed) { l[1].Key = l[0].Key; return r, l }, []string{"has 2 lines"}},
		"not complete":     {func(r, l []listed) ([]listed, []listed) { r[1].Complete = false; return r, l }, []string{"is not complete"}},
		"a newer run":      {func(r, l []listed) ([]listed, []listed) { r[0].Started = began.Add(2 * time.Hour); return r, l }, []string{"the newest run is"}},
		"a run twice":      {func(r, l []listed) ([]listed, []listed) { return append(r, r[0]), l }, []string{"run old is listed twice"}},
		"counted wrong":    {func(r, l []listed) ([]listed, []listed) { r[1].Subtrees = 3; return r, l }, []string{"counts 3 subtrees"}},
		"no run":           {func(_, l []listed) ([]listed, []listed) { return nil, l }, []string{"the newest run is"}},
		"an empty listing": {func(r, _ []listed) ([]listed, []listed) { return r, nil }, []string{"/t has 0", "/t/a has 0"}},
	} {
		r, l := slices.Clone(runs), slices.Clone(lines)
		if test.change != nil {
			r, l = test.change(r, l)
		}
		found(t, name, wholeManifest(r, l, "new", tree), nil, test.want...)
	}
}

func TestKillsContents(t *testing.T) {
	for name, test := range map[string]struct {
		versions    []string
		back, twice bool
	}{
		"once":                    {[]string{"a"}, false, false},
		"changed":                 {[]string{"a", "b", "c"}, false, false},
		"again":                   {[]string{"a", "b", "b"}, false, true},
		"an older one":            {[]string{"a", "b", "a"}, true, false},
		"an older one, and again": {[]string{"a", "a", "b", "b", "a"}, true, true},
	} {
		contents := map[string][]string{"k": test.versions}
		if back := goneBack(contents); len(back) > 0 != test.back {
			t.Errorf("%s: gone back %q", name, back)
		}
		if twice := storedTwice(contents); len(twice) > 0 != test.twice {
			t.Errorf("%s: twice %q", name, twice)
		}
	}
}

func TestKillsExplained(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	call := func(second, host int, op string) step { return step{at: at(second), host: host, op: op, key: "k"} }
	hit := func(second, host int, op string) step { return step{at: at(second), host: host, op: op} }
	again := []step{call(10, 1, "HeadObject"), call(20, 1, "PutObject"), call(30, 2, "CreateMultipartUpload")}
	for name, test := range map[string]struct {
		more []step
		why  string // "": nothing explains it
	}{
		"nothing":                      {nil, ""},
		"killed":                       {[]step{hit(25, 1, killsWorker)}, killsWorker},
		"killed before it sent":        {[]step{hit(12, 1, killsWorker)}, killsWorker},
		"another was killed":           {[]step{hit(25, 2, killsWorker)}, ""},
		"long before":                  {[]step{hit(2, 1, killsWorker)}, ""},
		"just before":                  {[]step{hit(8, everyone, killsBroker)}, killsBroker},
		"later":                        {[]step{hit(31, 1, killsWorker)}, ""},
		"everyone":                     {[]step{hit(25, everyone, killsCoordinator)}, killsCoordinator},
		"the last of two":              {[]step{hit(22, 1, cutsLink), hit(25, 1, stopsHost)}, stopsHost},
		"changed":                      {[]step{call(25, 0, changesFile)}, changesFile},
		"another was changed":          {[]step{{at: at(25), op: changesFile, key: "other"}}, ""},
		"another call is no cause":     {[]step{call(25, 1, "UploadPart")}, ""},
		"another had it and was hit":   {[]step{call(15, 2, "HeadObject"), hit(16, 2, stopsHost)}, stopsHost},
		"another was hit and took it":  {[]step{hit(15, 2, killsWorker), call(16, 2, "HeadObject")}, ""},
		"it had it twice":              {[]step{call(5, 1, "HeadObject"), hit(4, everyone, wipesBroker)}, wipesBroker},
		"another had it from before":   {[]step{hit(15, 2, stopsHost), call(16, 2, "HeadObject")}, stopsHost},
		"an upload that is taken over": {[]step{call(25, 3, "UploadPart"), hit(26, 1, quitsWorker)}, quitsWorker},
	} {
		steps := append(slices.Clone(again), test.more...)
		slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
		why, unexplained := sentAgain(steps, 5*time.Second)
		if test.why == "" && (len(unexplained) != 1 || len(why) > 0) || test.why != "" && (why[test.why] != 1 || len(why) != 1 || len(unexplained) > 0) {
			t.Errorf("%s: %v, %q", name, why, unexplained)
		}
	}
	if why, unexplained := sentAgain([]step{call(1, 1, "PutObject"), call(2, 2, "UploadPart"), call(3, 2, "CompleteMultipartUpload")}, 0); len(why)+len(unexplained) > 0 {
		t.Errorf("what was sent once: %v, %q", why, unexplained)
	}
}

func TestKillsTwice(t *testing.T) {
	call := func(host int, op string) step { return step{host: host, op: op, key: "k"} }
	stored := []step{call(1, "HeadObject"), call(1, "PutObject"), {host: 0, op: killsCoordinator}, call(2, "HeadObject"), call(2, "PutObject")}
	for name, test := range map[string]struct {
		host   int
		why    string
		before bool // anything was sent
	}{
		"everyone":     {everyone, killsCoordinator, false},
		"its host":     {1, killsCoordinator, false},
		"another host": {2, "", false},
		"before":       {everyone, "", true},
	} {
		steps := slices.Clone(stored)
		steps[2].host = test.host
		if test.before {
			steps[0], steps[2] = steps[2], steps[0]
		}
		if why := whyTwice(steps, "k"); why != test.why {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestKillsCounts(t *testing.T) {
	const saved = `{"event":"saved","path":"a"}` + "\n"
	summary := func(more string) string {
		return `{"event":"summary","run":"r","complete":true,"subtrees":2` + more + "}\n"
	}
	for name, test := range map[string]struct {
		events string
		want   []string
	}{
		"as it should be":    {saved + summary(`,"saved":1,"unchanged":1,"queue":{"retried":3,"twice":1}`), nil},
		"killed in a line":   {saved + `{"event":"saved","pa`, nil},
		"twice":              {saved + `{"event":"identical","path":"a"}` + "\n" + summary(`,"saved":2`), []string{"a is identical, and was saved"}},
		"counted twice":      {saved + summary(`,"saved":2,"identical":1`), []string{"3 of 2 archives are counted"}},
		"forged":             {saved + summary(`,"saved":2,"queue":{"forged":1}`), []string{"1 messages did not open"}},
		"other events count": {saved + `{"event":"entry-changed","path":"a"}` + "\n", nil},
	} {
		_, wrong := countedOnce([]byte(test.events))
		found(t, name, wrong, nil, test.want...)
	}
}

func TestKillsFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"firn-state.db", "worker/firn-state.db", "queue/jetstream/x/1.blk"} {
		write(name, nil)
	}
	lines, err := leftInCache(dir)
	found(t, "caches", lines, err)
	write("firn-spool/a.kept", nil)
	write("worker/firn-spool/b", nil)
	write("queue-of-another", nil)
	lines, err = leftInCache(dir)
	found(t, "caches", lines, err, "a.kept", "queue-of-another", "worker/firn-spool/b")

	text := []byte(zipfMark)
	lines, err = holding(dir, text)
	found(t, "plaintext", lines, err)
	const block = 1 << 20
	for name, at := range map[string]int{"begins": 0, "first block": block - 5, "second block": 2*block - len(zipfMark) + 1} {
		body := make([]byte, 3*block)
		copy(body[at:], text)
		write("held", body)
		lines, err = holding(dir, text)
		found(t, "plaintext that "+name, lines, err, "held holds")
	}
}

// What the archives of a zipf are is in them as it is, so that plaintext is found.
func TestKillsTree(t *testing.T) {
	dir := t.TempDir()
	z := newZipf(t, filepath.Join(dir, "tree"), 1, 60, 1<<20)
	archive, err := os.Create(filepath.Join(dir, "archive.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-czf", archive.Name(), "-C", dir, "tree").CombinedOutput(); err != nil {
		t.Fatal(err, out)
	}
	if held, err := holds(archive.Name(), []byte(zipfMark)); err != nil || !held {
		t.Errorf("the mark is not in the archive: %v", err)
	}
	for i := range z.sizes {
		if n, ok := z.find(z.archive(i)); !ok || n != i {
			t.Errorf("subtree %d is found as %d", i, n)
		}
		before, err := os.ReadFile(filepath.Join(z.path(i), "noise"))
		if err != nil || len(before) != z.sizes[i] {
			t.Fatal(len(before), z.sizes[i], err)
		}
		z.write(i)
		if after, _ := os.ReadFile(filepath.Join(z.path(i), "noise")); bytes.Equal(before[len(zipfMark):], after[len(zipfMark):]) {
			t.Errorf("subtree %d has not changed", i)
		}
	}
}

// A plain run passes the checks of a bucket, which see what is wrong with it afterwards.
func TestKillsBucket(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0, 0)
	f.lease = time.Second
	z := newZipf(t, f.tree(), 1, 3, 20_000)
	s := &siege{fleet: f, tree: z}
	backup := func() {
		t.Helper()
		p := f.firn(f.hosts[0], "plain", "backup", "--backup-path", f.tree(), "--bucket-name", f.server.Bucket, "--keyfile", f.key(), "--cache-path", f.hosts[0].cache,
			"--depth", "2", "--storage-class", "STANDARD", "--compression-algorithm", "gzip", "--json")
		<-p.done
		if p.code != exitDone {
			t.Fatal(p.says())
		}
		s.last = p.summary().Run
	}
	manifest := func() []string {
		t.Helper()
		runs, err := parseList(s.ask("list"))
		s.must(err)
		subtrees, err := parseList(s.ask("list", "latest"))
		s.must(err)
		return wholeManifest(runs, subtrees, s.last, z.paths())
	}
	backup()
	s.check()
	s.whole()
	client, bucket, key := f.server.Client(), f.server.Bucket, z.archive(1)
	old, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	s.must(err)
	var body bytes.Buffer
	_, err = body.ReadFrom(old.Body)
	s.must(err)
	z.write(1)
	backup()
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body.Bytes()), Metadata: old.Metadata}); err != nil {
		t.Fatal(err)
	}
	contents, err := contentsIn(t.Context(), client, bucket)
	found(t, "an older content", goneBack(contents), err, fmt.Sprintf("version 3 of %s is an older one again", key))
	if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	lines, err := unfinishedIn(t.Context(), client, bucket)
	found(t, "an upload", lines, err, "of "+key+" is left")
	found(t, "the manifest", manifest(), nil)
	if err := os.MkdirAll(filepath.Join(z.dir, "g0", "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	backup()
	found(t, "a subtree more", manifest(), nil, "/g0/new is not in the tree", "counts 6 subtrees, and the tree has 5")
}
