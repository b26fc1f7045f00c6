package harness_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/bench/harness"
)

func TestPutHeadGet(t *testing.T) {
	srv := harness.S3(t)
	client := srv.Client()
	crc := crc32c("hello")
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: new("a"), Body: strings.NewReader("hello"), ChecksumCRC32C: &crc,
		Metadata: map[string]string{"md5": "abc", "firn-Size": "5"},
	})
	wantCode(t, "put", err, "")
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{
		Bucket: &srv.Bucket, Key: new("a"), ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	if head.Metadata["md5"] != "abc" || head.Metadata["firn-size"] != "5" || len(head.Metadata) != 2 {
		t.Errorf("metadata %v", head.Metadata)
	}
	if head.StorageClass != "" || head.Restore != nil {
		t.Errorf("class %q, restore %v", head.StorageClass, head.Restore)
	}
	if head.ChecksumCRC32C == nil || *head.ChecksumCRC32C != crc || head.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("checksum %v %q", head.ChecksumCRC32C, head.ChecksumType)
	}
	got, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a")})
	if err != nil || got != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	got, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a"), Range: new("bytes=1-3")})
	if err != nil || got != "ell" {
		t.Errorf("range: read %q, %v", got, err)
	}
	_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("b")})
	wantCode(t, "get of nothing", err, "NoSuchKey")
	_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("b")})
	wantCode(t, "head of nothing", err, "NotFound")
}

func TestPutChecksItsChecksum(t *testing.T) {
	srv := harness.S3(t)
	wrong := crc32c("hallo")
	_, err := srv.Client().PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: new("a"), Body: strings.NewReader("hello"), ChecksumCRC32C: &wrong,
	})
	wantCode(t, "put with a wrong CRC", err, "BadDigest")
	_, err = get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a")})
	wantCode(t, "get of what was refused", err, "NoSuchKey")
}

func TestPutIfNoneMatch(t *testing.T) {
	srv := harness.S3(t)
	in := func() *s3.PutObjectInput {
		return &s3.PutObjectInput{Bucket: &srv.Bucket, Key: new("a/b"), Body: strings.NewReader("x"), IfNoneMatch: new("*")}
	}
	_, err := srv.Client().PutObject(t.Context(), in())
	wantCode(t, "first", err, "")
	_, err = srv.Client().PutObject(t.Context(), in())
	wantCode(t, "second", err, "PreconditionFailed")
}

func TestStorageClasses(t *testing.T) {
	srv := harness.S3(t)
	client := srv.Client()
	for _, class := range []types.StorageClass{
		types.StorageClassStandard, types.StorageClassStandardIa, types.StorageClassOnezoneIa, types.StorageClassIntelligentTiering,
		types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
	} {
		key := string(class)
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &srv.Bucket, Key: &key, Body: strings.NewReader("x"), StorageClass: class, Metadata: map[string]string{"md5": "abc"},
		})
		wantCode(t, "put "+key, err, "")
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		want := class
		if class == types.StorageClassStandard {
			want = ""
		}
		if head.StorageClass != want {
			t.Errorf("head: class %q, want %q", head.StorageClass, want)
		}
		if len(head.Metadata) != 1 {
			t.Errorf("metadata %v", head.Metadata)
		}
		wantErr := ""
		if class == types.StorageClassGlacier || class == types.StorageClassDeepArchive {
			wantErr = "InvalidObjectState"
		}
		_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &key})
		wantCode(t, "get "+key, err, wantErr)
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &srv.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if string(o.StorageClass) != *o.Key {
			t.Errorf("list: class %q of %s", o.StorageClass, *o.Key)
		}
	}
	if len(list.Contents) != 7 {
		t.Errorf("%d objects", len(list.Contents))
	}
	for _, class := range []types.StorageClass{"COLD", "glacier", "OUTPOSTS"} {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &srv.Bucket, Key: new("x"), Body: strings.NewReader("x"), StorageClass: class,
		})
		wantCode(t, "put "+string(class), err, "InvalidStorageClass")
	}
}

func TestCopyTakesTheClassThatIsAskedFor(t *testing.T) {
	srv := harness.S3(t)
	client := srv.Client()
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: new("from here"), Body: strings.NewReader("x"), Metadata: map[string]string{"md5": "abc"},
		StorageClass: types.StorageClassStandardIa,
	})
	wantCode(t, "put", err, "")
	source := srv.Bucket + "/from%20here"
	for _, class := range []types.StorageClass{"", types.StorageClassGlacier} { // the last is cold
		_, err = client.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: &srv.Bucket, Key: new("to"), CopySource: &source, StorageClass: class,
		})
		wantCode(t, "copy", err, "")
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("to")})
		if err != nil {
			t.Fatal(err)
		}
		if head.StorageClass != class || head.Metadata["md5"] != "abc" || len(head.Metadata) != 1 {
			t.Errorf("copy as %q: class %q, metadata %v", class, head.StorageClass, head.Metadata)
		}
	}
	cold := srv.Bucket + "/to"
	_, err = client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &srv.Bucket, Key: new("x"), CopySource: &cold})
	wantCode(t, "copy of a cold object", err, "ObjectNotInActiveTierError")
	_, err = client.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: &srv.Bucket, Key: new("from here"), CopySource: &source, StorageClass: types.StorageClassDeepArchive,
	})
	wantCode(t, "copy onto itself", err, "")
	_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("from here")})
	wantCode(t, "get after a copy onto itself", err, "InvalidObjectState")
}

func TestVersions(t *testing.T) {
	srv := harness.S3(t, harness.Versioning())
	client := srv.Client()
	var ids []string
	for _, body := range []string{"1", "2", "3"} {
		ids = append(ids, *put(t, srv, "a/k", body).VersionId)
		put(t, srv, "b/k", body)
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: new("a/k"), Body: strings.NewReader("cold"), StorageClass: types.StorageClassGlacier,
	})
	wantCode(t, "put", err, "")
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &srv.Bucket, Key: new("b/k")}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1", "2", "3"} {
		got, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a/k"), VersionId: &ids[i]})
		if err != nil || got != want {
			t.Errorf("version %d: %q, %v", i, got, err)
		}
	}
	_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a/k")})
	wantCode(t, "get of the latest", err, "InvalidObjectState")
	_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("b/k")})
	wantCode(t, "get of what was deleted", err, "NoSuchKey")

	for _, limit := range []int32{1, 2, 1000} {
		var versions []types.ObjectVersion
		markers := 0
		pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: &srv.Bucket, MaxKeys: &limit})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, page.Versions...)
			markers += len(page.DeleteMarkers)
		}
		if len(versions) != 7 || markers != 1 {
			t.Fatalf("pages of %d: %d versions, %d delete markers", limit, len(versions), markers)
		}
		if v := versions[0]; *v.Key != "a/k" || !*v.IsLatest || v.StorageClass != "GLACIER" {
			t.Errorf("pages of %d: first %s, latest %v, class %s", limit, *v.Key, *v.IsLatest, v.StorageClass)
		}
		for i, v := range versions[1:4] {
			if *v.VersionId != ids[2-i] || v.StorageClass != "STANDARD" || *v.IsLatest {
				t.Errorf("pages of %d: version %d is %s, class %s, latest %v", limit, i+1, *v.VersionId, v.StorageClass, *v.IsLatest)
			}
		}
	}
}
