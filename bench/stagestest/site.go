package stagestest

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

// A Site is a rig whose store is a bucket of an S3 server, behind a proxy that can spoil requests.
type Site struct {
	*Rig
	Server *harness.S3Server
	Proxy  *harness.FaultProxy
	Bucket string
}

// NewSite starts a server and a proxy, and sets the environment so that clients reach the server.
func NewSite(t *testing.T, options ...func(*harness.S3Config)) *Site {
	t.Helper()
	server := harness.S3(t, options...)
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	s := &Site{Server: server, Proxy: harness.Proxy(t, server.Endpoint)}
	return s.With(t, server.Bucket)
}

// With returns a new rig on a bucket of the same server. The bucket is made if need be.
func (s *Site) With(t testing.TB, bucket string) *Site {
	t.Helper()
	if bucket != s.Server.Bucket {
		s.Server.NewBucket(t, bucket)
	}
	next := &Site{Rig: NewRig(t), Server: s.Server, Proxy: s.Proxy, Bucket: bucket}
	st, err := s3.Open(t.Context(), s3.Options{Bucket: bucket, Options: awsconf.Options{Endpoint: s.Proxy.Endpoint, MaxBackoff: time.Millisecond, RetryFor: time.Minute}})
	next.Must(err)
	next.Store = st
	next.Change = func(b *backup.Options) {
		b.Class = store.ClassStandard // what is in GLACIER would have to be thawed first
		Settled(b)
	}
	return next
}

// MustBackup is a backup that must save everything. The requests that the server counts are its
// own.
func (s *Site) MustBackup(options ...func(*backup.Options)) *Outcome {
	s.T.Helper()
	s.Server.ResetCounts()
	o := s.Backup(options...)
	if o.Err != nil || !o.Complete(&o.Totals) {
		s.T.Fatalf("%v; %v", o.Err, o.Events)
	}
	if sent, stored := o.Load.Sent, o.Totals.Stored.Load()-o.Totals.SparedBytes.Load(); sent != stored {
		s.T.Errorf("%d bytes are said to be sent of %d that were stored", sent, stored)
	}
	return o
}

// ETags are the tags of the archives, by key. Equal tags are the very same objects, for each upload
// has a salt of its own.
func (s *Site) ETags() map[string]string {
	s.T.Helper()
	tags := map[string]string{}
	for key, o := range s.Objects() {
		tags[key] = o.ETag
	}
	return tags
}

// Delete deletes an object, or one version of it if that is not "".
func (s *Site) Delete(key, version string) {
	s.T.Helper()
	in := &awss3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	_, err := s.Server.Client().DeleteObject(s.T.Context(), in)
	s.Must(err)
}

// Rewrite does to an object what an operator does: it is copied onto itself to change its storage
// class, and the version before it expires.
func (s *Site) Rewrite(key string) {
	s.T.Helper()
	before, err := s.Store.Head(s.T.Context(), key, "")
	s.Must(err)
	body := s.ReadObject(key)
	after, err := s.Store.Put(s.T.Context(), key, body, store.PutOptions{Meta: before.Meta, Class: "STANDARD_IA", CRC32C: store.CRC32C(body)})
	s.Must(err)
	s.Delete(key, before.Version)
	if after.Version == before.Version || after.ETag != before.ETag {
		s.T.Fatalf("%+v, was %+v", after, before)
	}
}

// SavedTwice is a bucket with versions and a tree that was saved, changed in d1, and saved again.
// The lines of the second run are returned by key. Thaws take an hour, or until Server.FinishThaws.
func SavedTwice(t *testing.T, change ...func(*backup.Options)) (s *Site, lines map[string]catalogue.Subtree) {
	t.Helper()
	s = NewSite(t, harness.Versioning(), harness.ThawDelay(time.Hour))
	for _, name := range []string{"d1", "d2", "d3"} {
		Noise(t, filepath.Join(s.Tree, name, "noise"), int64(name[1]), 20_000)
	}
	s.MustBackup(change...)
	Write(t, filepath.Join(s.Tree, "d1", "new"), "new")
	s.MustBackup(change...)
	_, lines = s.Lines()
	if len(lines) != 4 || lines[s.KeyOf("d1")].Version == "" {
		t.Fatalf("%+v", lines)
	}
	return s, lines
}
