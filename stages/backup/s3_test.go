package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/store"
)

// The union of all archives, opened with openssl and tar alone, is the tree, and so is what is
// restored. Depth 3 makes the longest keys. Other depths and formats go through restore's own tests,
// and, opened with openssl and tar, through those of package recovery.
func TestAwkwardTreeOnS3(t *testing.T) {
	s := stagestest.NewSite(t)
	const depth = 3
	// GNU tar can't unpack what lies deeper than 4,096 bytes.
	skipped, err := tree.Awkward(s.Tree, tree.TooDeep)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("left out here: %q", skipped)
	o := s.MustBackup(cutAt(depth))
	if left := o.Of(report.Left); len(left) != 1 || left[0] != filepath.Join(s.Tree, "socket") {
		t.Errorf("left out: %q", left)
	}
	same := tree.DiffOptions{
		Skip:      func(_ string, mode fs.FileMode) bool { return mode.Type() == fs.ModeSocket },
		LinkScope: stagestest.ArchiveOf(depth),
	}
	s.Diff(s.Tree, filepath.Join(s.Extract(), s.Tree), same)
	target, back := s.Restore()
	if back.Err != nil || !back.Complete(&back.Totals) {
		t.Errorf("restoring it: %v %v", back.Err, back.Events)
	}
	s.Diff(s.Tree, filepath.Join(target, s.Tree), same)
}

// archived is how many archives a run made.
func archived(o *stagestest.Outcome) int64 {
	for _, c := range o.Stages {
		if c.Stage == "archive" {
			return c.ItemsIn
		}
	}
	return -1
}

// recoveryFiles are the files that lie beside the archives: each run compares them.
const recoveryFiles = 2

func TestRunsOnS3AskLittle(t *testing.T) {
	s := stagestest.NewSite(t)
	s.Plant(6)
	first := s.MustBackup()
	keys := first.Totals.Saved.Load()
	if n := s.Server.Count("HeadObject"); n != recoveryFiles {
		t.Errorf("a first run asked for %d keys one by one", n-recoveryFiles)
	}
	if n := s.Server.Count("ListObjectsV2"); n > 5 {
		t.Errorf("a first run listed %d times", n)
	}
	before := s.ETags()

	second := s.MustBackup()
	counts := s.Server.Counts()
	if archived(second) != 0 || second.Totals.Unchanged.Load() != keys {
		t.Errorf("nothing changed, but %d archives were made, and %d of %d subtrees skipped", archived(second), second.Totals.Unchanged.Load(), keys)
	}
	if counts["PutObject"] != 2 || counts["CreateMultipartUpload"]+counts["UploadPart"] != 0 || counts["HeadObject"] != recoveryFiles { // 2: the run and its manifest
		t.Errorf("nothing changed, and the run asked %v", counts)
	}
	checkChanged(s, before)

	stagestest.Write(t, filepath.Join(s.Tree, "d2", "sub", "text"), "touched")
	if third := s.MustBackup(); archived(third) != 1 {
		t.Errorf("one file changed, and %d archives were made", archived(third))
	}
	checkChanged(s, before, "d2")
	s.CheckArchives()

	// A lost state file costs time and uploads nothing.
	before = s.ETags()
	if err := os.RemoveAll(s.Cache); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.Cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if again := s.MustBackup(); again.Totals.Identical.Load() != keys || again.Totals.Adopted.Load() != 0 || s.Server.Count("HeadObject") != s.Server.Count("GetObject") { // of the catalogue, and of the recovery files
		t.Errorf("without its state, a run found %d of %d archives identical, adopted %d, and asked %v", again.Totals.Identical.Load(), keys, again.Totals.Adopted.Load(), s.Server.Counts())
	}
	checkChanged(s, before)
}

// checkChanged makes sure that the objects of these subtrees, and no others, are
// other ones than before.
func checkChanged(s *stagestest.Site, before map[string]string, subtrees ...string) {
	s.T.Helper()
	want := map[string]bool{}
	for _, sub := range subtrees {
		name, _ := key.For("", filepath.Join(s.Tree, sub), "tar.gz")
		want[name] = true
	}
	now := s.ETags()
	for name, tag := range now {
		if (before[name] != tag) != want[name] {
			s.T.Errorf("%s: tag %s, before %s", name, tag, before[name])
		}
	}
	if len(now) != len(before) {
		s.T.Errorf("%d objects, before %d", len(now), len(before))
	}
}

// Objects of the old script carry an md5 and nothing else, and are believed.
func TestOldScriptsObjectsAreHonoured(t *testing.T) {
	s := stagestest.NewSite(t)
	s.PlantSmall(7, 10_000)
	s.MustBackup()
	old := s.With(t, "old-script")
	old.Tree, old.Keyfile = s.Tree, s.Keyfile
	client := s.Server.Client()
	for name, o := range s.Objects() {
		body, err := s.Store.Get(t.Context(), name, store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: &old.Bucket, Key: &name, Body: bytes.NewReader(content), Metadata: map[string]string{"md5": o.Meta["md5"]},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := old.ETags()
	if o := old.MustBackup(); o.Totals.Identical.Load() != int64(len(before)) {
		t.Errorf("%d of %d objects were found identical: %v", o.Totals.Identical.Load(), len(before), o.Events)
	}
	if o := old.MustBackup(); o.Totals.Unchanged.Load() != int64(len(before)) {
		t.Errorf("%d of %d subtrees were skipped unread", o.Totals.Unchanged.Load(), len(before))
	}
	checkChanged(old, before)
	old.CheckArchives()
}

// What others left of uploads under the tree's keys is aborted and told of once it is old; what is
// younger, or lies elsewhere, is not touched.
func TestForeignUploadsAreAborted(t *testing.T) {
	s := stagestest.NewSite(t)
	s.PlantSmall(8, 10_000)
	client := s.Server.Client()
	begin := func(name string) {
		t.Helper()
		up, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: &s.Bucket, Key: &name})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.UploadPart(t.Context(), &awss3.UploadPartInput{
			Bucket: &s.Bucket, Key: &name, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"d1", "gone/for/long"} {
		name, _ := key.For("", filepath.Join(s.Tree, sub), "tar.bz2")
		begin(name)
	}
	begin("elsewhere/d1.tar.bz2")
	begin(strings.TrimPrefix(s.Tree, "/") + "/not an archive")
	if o := s.MustBackup(); o.Totals.UploadsAborted.Load() != 0 || s.UnfinishedUploads() != 4 {
		t.Errorf("%d young uploads aborted; %v", o.Totals.UploadsAborted.Load(), o.Events)
	}
	o := s.MustBackup(func(b *backup.Options) { b.AbortAfter = 0 })
	if o.Totals.UploadsAborted.Load() != 2 || len(o.Of(report.Notice)) != 1 {
		t.Errorf("%d uploads aborted; %v", o.Totals.UploadsAborted.Load(), o.Events)
	}
	if n := s.UnfinishedUploads(); n != 2 {
		t.Errorf("%d unfinished uploads are left, not those 2 that are none of firn's", n)
	}
}

// Throttling, lost connections and lost answers don't fail a run.
func TestSpoiledRequestsAreRepeated(t *testing.T) {
	s := stagestest.NewSite(t)
	s.Plant(9)
	s.Proxy.SetRule(func(c harness.Call) harness.Fault {
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
	s.MustBackup()
	s.Proxy.SetRule(nil)
	if s.Proxy.Count("PutObject") < 10 || s.Proxy.Count("UploadPart") < 4 {
		t.Errorf("hardly anything was spoiled: %d and %d calls", s.Proxy.Count("PutObject"), s.Proxy.Count("UploadPart"))
	}
	if n := s.UnfinishedUploads(); n != 0 {
		t.Errorf("%d unfinished uploads", n)
	}
	s.CheckArchives()
}

// A bucket that goes away ends the run with that as its cause.
func TestBucketGoneInMidRun(t *testing.T) {
	s := stagestest.NewSite(t)
	s.PlantSmall(10, 10_000)
	var gone atomic.Bool
	s.Proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "PutObject" && c.Number == 3 && // the first archive, after the recovery files
			gone.CompareAndSwap(false, true) {
			if err := s.Server.DropBucket(s.Bucket); err != nil {
				t.Error(err)
			}
		}
		return harness.Fault{}
	})
	o, err := s.TryBackup(context.Background(), func(b *backup.Options) { b.Workers.Upload = 1 })
	if err != nil {
		t.Fatal(err)
	}
	if !pipeline.IsFatal(o.Err) || !strings.Contains(o.Err.Error(), "there is no such bucket") || !strings.Contains(o.Err.Error(), s.Bucket) {
		t.Errorf("the run ended with: %v", o.Err)
	}
	s.Proxy.SetRule(nil)
	if err := s.Server.MakeBucket(t.Context(), s.Bucket); err != nil {
		t.Fatal(err)
	}
	s.MustBackup()
	s.CheckArchives()
}
