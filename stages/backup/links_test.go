package backup_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/link"
	"firn/bench/stagestest"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/service/report"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

// overLink is a site whose store is reached over a link.
func overLink(t *testing.T, o link.Options) (*stagestest.Site, *pipeline.Throttle) {
	t.Helper()
	s := stagestest.NewSite(t)
	to, err := url.Parse(s.Proxy.Endpoint)
	s.Must(err)
	l, err := link.Start(to.Host, o)
	s.Must(err)
	t.Cleanup(func() { s.Must(l.Close()) })
	throttle := new(pipeline.Throttle)
	s.Store, err = s3.Open(t.Context(), s3.Options{Bucket: s.Bucket, Options: awsconf.Options{
		Endpoint: "http://" + l.Addr, MaxBackoff: time.Millisecond, Throttled: throttle.Note,
	}})
	s.Must(err)
	return s, throttle
}

func uploaders(t *testing.T, o *stagestest.Outcome) int {
	t.Helper()
	for _, c := range o.Stages {
		if c.Stage == report.StageUpload && c.Tuned {
			return c.Workers
		}
	}
	t.Fatal("the upload workers were not found")
	return 0
}

// Small archives wait for round trips: more than the first workers are found to be faster. A server
// that asks for fewer requests gets fewer.
func TestUploadWorkersAreFound(t *testing.T) {
	s, throttle := overLink(t, link.Options{Latency: 50 * time.Millisecond})
	for i := range 150 {
		stagestest.Write(t, filepath.Join(s.Tree, fmt.Sprintf("d%03d", i)), fmt.Sprint("content ", i))
	}
	auto := func(b *backup.Options) { b.Workers.Upload, b.Throttle = 0, throttle }
	if n := uploaders(t, s.MustBackup(auto)); n <= 8 {
		t.Errorf("%d workers were found", n)
	}
	s.Proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "PutObject" && c.Number%10 == 0 {
			return harness.SlowDown()
		}
		return harness.Fault{}
	})
	s.Proxy.ResetCounts()
	if n := uploaders(t, s.MustBackup(auto, func(b *backup.Options) { b.Rekey, b.ForceRead, b.Walk.Prefix, b.Prefix = false, true, "again", "again" })); n > 8 {
		t.Errorf("%d workers although the server asked for fewer requests", n)
	}
}
