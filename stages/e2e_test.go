package stages_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/store"
	awslink "firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

// A site is a rig whose store is a bucket of a real S3 server, behind a proxy
// that can spoil requests.
type site struct {
	*rig
	server *harness.S3Server
	proxy  *harness.FaultProxy
	bucket string
}

// newSite starts a server; bucket gives further rigs on it.
func newSite(t *testing.T, options ...func(*harness.S3Config)) *site {
	t.Helper()
	server := harness.S3(t, options...)
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	s := &site{server: server, proxy: harness.Proxy(t, server.Endpoint)}
	return s.with(t, server.Bucket)
}

// with gives a rig on another bucket of the same server, which is made if need
// be.
func (s *site) with(t testing.TB, bucket string) *site {
	t.Helper()
	if bucket != s.server.Bucket {
		s.server.NewBucket(t, bucket)
	}
	next := &site{rig: newRig(t), server: s.server, proxy: s.proxy, bucket: bucket}
	next.store = next.open(t)
	next.change = func(b *stages.Backup) {
		b.Class = store.ClassStandard // what is in GLACIER would have to be thawed first
		b.Walk.Now = func() time.Time { return time.Now().Add(time.Minute) }
	}
	return next
}

func (s *site) open(t testing.TB) store.Store {
	t.Helper()
	st, err := s3.Open(t.Context(), s3.Options{Bucket: s.bucket, Options: awslink.Options{Endpoint: s.proxy.Endpoint, MaxBackoff: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// done is a run that must save everything whole.
func (s *site) done(options ...func(*stages.Backup)) *outcome {
	s.t.Helper()
	s.server.ResetCounts()
	o := s.run(options...)
	if o.Err != nil || !o.Complete(&o.totals) {
		s.t.Fatalf("%v; %v", o.Err, o.events)
	}
	return o
}

// archived is how many archives a run made.
func (o *outcome) archived() int64 {
	for _, c := range o.Stages {
		if c.Stage == "archive" {
			return c.ItemsIn
		}
	}
	return -1
}

// etags are the objects' tags: equal, they are the very same objects, for each
// upload has a salt of its own.
func (s *site) etags() map[string]string {
	s.t.Helper()
	tags := map[string]string{}
	for key, o := range s.objects() {
		tags[key] = o.ETag
	}
	return tags
}

// The union of all archives, opened with openssl and tar alone, is the tree.
func TestAwkwardTreeOnS3(t *testing.T) {
	s := newSite(t)
	for _, name := range codec.Names() {
		for depth := range 4 {
			t.Run(fmt.Sprint(name, depth), func(t *testing.T) {
				s := s.with(t, fmt.Sprintf("%s-%d", name, depth))
				// GNU tar can't unpack what lies deeper than 4,096 bytes.
				skipped, err := tree.Awkward(s.tree, tree.TooDeep)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("left out here: %q", skipped)
				format, err := codec.New(name, 1)
				if err != nil {
					t.Fatal(err)
				}
				o := s.done(func(b *stages.Backup) {
					b.Format, b.Walk.Depth = format, depth
					b.MemoryLimit = 2 * stages.MemoryNeeded(format, b.PartSize)
				})
				if left := o.of(report.Left); len(left) != 1 || left[0] != filepath.Join(s.tree, "socket") {
					t.Errorf("left out: %q", left)
				}
				same := tree.DiffOptions{
					Skip:      func(_ string, mode fs.FileMode) bool { return mode.Type() == fs.ModeSocket },
					LinkScope: archiveOf(depth),
				}
				if name == "gzip" || depth == 1 { // what openssl and tar make of a format, they make of it at any depth
					s.sameTree(same)
				}
				target, back := s.restore()
				if back.Err != nil || !back.Complete(&back.totals) {
					t.Errorf("restoring it: %v %v", back.Err, back.events)
				}
				s.diff(s.tree, filepath.Join(target, s.tree), same)
			})
		}
	}
}

// archiveOf tells which archive holds a path below the tree that is no
// directory: only within one are names of one file kept together.
func archiveOf(depth int) func(string) string {
	return func(p string) string {
		parts := strings.Split(p, "/")
		if len(parts) < depth {
			return "shell of " + path.Dir(p)
		}
		return strings.Join(parts[:depth], "/")
	}
}

// sameTree compares the tree with the union of all archives.
func (r *rig) sameTree(o tree.DiffOptions) {
	r.t.Helper()
	diffs, err := tree.Diff(r.tree, filepath.Join(r.extract(), r.tree), o)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range diffs {
		r.t.Error(d)
	}
}

// recoveryFiles are the files that lie beside the archives: each run asks
// whether they are there.
const recoveryFiles = 2

func TestRunsOnS3AskLittle(t *testing.T) {
	s := newSite(t)
	s.plant(6)
	first := s.done()
	keys := first.totals.Saved.Load()
	if n := s.server.Count("HeadObject"); n != recoveryFiles {
		t.Errorf("a first run asked for %d keys one by one", n-recoveryFiles)
	}
	if n := s.server.Count("ListObjectsV2"); n > 5 {
		t.Errorf("a first run listed %d times", n)
	}
	before := s.etags()

	second := s.done()
	counts := s.server.Counts()
	if second.archived() != 0 || second.totals.Unchanged.Load() != keys {
		t.Errorf("nothing changed, but %d archives were made, and %d of %d subtrees skipped", second.archived(), second.totals.Unchanged.Load(), keys)
	}
	if counts["PutObject"] != 2 || counts["CreateMultipartUpload"]+counts["UploadPart"] != 0 || counts["HeadObject"] != keys+recoveryFiles { // 2: the run and its manifest
		t.Errorf("nothing changed, and the run asked %v", counts)
	}
	s.changed(before)

	write(t, filepath.Join(s.tree, "d2", "sub", "text"), "touched")
	if third := s.done(); third.archived() != 1 {
		t.Errorf("one file changed, and %d archives were made", third.archived())
	}
	s.changed(before, "d2")
	s.same()

	// A lost state file costs time and uploads nothing.
	before = s.etags()
	if err := os.RemoveAll(s.cache); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if again := s.done(); again.totals.Identical.Load() != keys {
		t.Errorf("without its state, a run found %d of %d archives identical", again.totals.Identical.Load(), keys)
	}
	s.changed(before)
}

// changed makes sure that the objects of these subtrees, and no others, are
// other ones than before.
func (s *site) changed(before map[string]string, subtrees ...string) {
	s.t.Helper()
	want := map[string]bool{}
	for _, sub := range subtrees {
		name, _ := key.For("", filepath.Join(s.tree, sub), "tar.gz")
		want[name] = true
	}
	now := s.etags()
	for name, tag := range now {
		if (before[name] != tag) != want[name] {
			s.t.Errorf("%s: tag %s, before %s", name, tag, before[name])
		}
	}
	if len(now) != len(before) {
		s.t.Errorf("%d objects, before %d", len(now), len(before))
	}
}

// Objects of the old script carry an md5 and nothing else, and are believed.
func TestOldScriptsObjectsAreHonoured(t *testing.T) {
	s := newSite(t)
	s.plant(7)
	s.done()
	old := s.with(t, "old-script")
	old.tree, old.keyfile = s.tree, s.keyfile
	client := s.server.Client()
	for name, o := range s.objects() {
		body, err := s.store.Get(t.Context(), name, store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: &old.bucket, Key: &name, Body: bytes.NewReader(content), Metadata: map[string]string{"md5": o.Meta["md5"]},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := old.etags()
	if o := old.done(); o.totals.Identical.Load() != int64(len(before)) {
		t.Errorf("%d of %d objects were found identical: %v", o.totals.Identical.Load(), len(before), o.events)
	}
	if o := old.done(); o.totals.Unchanged.Load() != int64(len(before)) {
		t.Errorf("%d of %d subtrees were skipped unread", o.totals.Unchanged.Load(), len(before))
	}
	old.changed(before)
	old.same()
}

// What is left of earlier uploads under the tree's keys is aborted and told
// of; what lies elsewhere is not touched.
func TestForeignUploadsAreAborted(t *testing.T) {
	s := newSite(t)
	s.plant(8)
	client := s.server.Client()
	begin := func(name string) {
		t.Helper()
		up, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &name})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.UploadPart(t.Context(), &awss3.UploadPartInput{
			Bucket: &s.bucket, Key: &name, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"d1", "gone/for/long"} {
		name, _ := key.For("", filepath.Join(s.tree, sub), "tar.bz2")
		begin(name)
	}
	begin("elsewhere/d1.tar.bz2")
	begin(strings.TrimPrefix(s.tree, "/") + "/not an archive")
	o := s.done()
	if o.totals.UploadsAborted.Load() != 2 || len(o.of(report.Notice)) != 1 {
		t.Errorf("%d uploads aborted; %v", o.totals.UploadsAborted.Load(), o.events)
	}
	if n := s.unfinished(); n != 2 {
		t.Errorf("%d unfinished uploads are left, not those 2 that are none of firn's", n)
	}
}

// Throttling, lost connections and lost answers don't fail a run.
func TestSpoiledRequestsAreRepeated(t *testing.T) {
	s := newSite(t)
	s.plant(9)
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		switch {
		case c.Number%3 == 0:
			return harness.Fault{}
		case c.Op == "PutObject" && c.Number%3 == 1, c.Op == "UploadPart" && c.Number == 1:
			return harness.SlowDown()
		case c.Op == "PutObject":
			return harness.Fault{CutRequest: 100}
		case c.Op == "UploadPart" && c.Number == 2:
			return harness.Fault{CutRequest: 1 << 20}
		case c.Op == "CompleteMultipartUpload" && c.Number == 1:
			return harness.Fault{LoseResponse: true}
		case c.Op == "ListObjectsV2" && c.Number == 1:
			return harness.InternalError()
		case c.Op == "ListObjectsV2" && c.Number == 2:
			return harness.Fault{Drop: true}
		}
		return harness.Fault{}
	})
	s.done()
	s.proxy.SetRule(nil)
	if s.proxy.Count("PutObject") < 10 || s.proxy.Count("UploadPart") < 4 {
		t.Errorf("hardly anything was spoiled: %d and %d calls", s.proxy.Count("PutObject"), s.proxy.Count("UploadPart"))
	}
	if n := s.unfinished(); n != 0 {
		t.Errorf("%d unfinished uploads", n)
	}
	s.same()
}

// A bucket that goes away ends the run with that as its cause.
func TestBucketGoneInMidRun(t *testing.T) {
	s := newSite(t)
	s.plant(10)
	var gone atomic.Bool
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "PutObject" && c.Number == 2 && gone.CompareAndSwap(false, true) {
			if err := s.server.DropBucket(s.bucket); err != nil {
				t.Error(err)
			}
		}
		return harness.Fault{}
	})
	o, err := s.try(context.Background(), func(b *stages.Backup) { b.Workers.Upload = 1 })
	if err != nil {
		t.Fatal(err)
	}
	if !pipeline.IsFatal(o.Err) || !strings.Contains(o.Err.Error(), "there is no bucket "+s.bucket) {
		t.Errorf("the run ended with: %v", o.Err)
	}
	s.proxy.SetRule(nil)
	if err := s.server.MakeBucket(t.Context(), s.bucket); err != nil {
		t.Fatal(err)
	}
	s.done()
	s.same()
}
