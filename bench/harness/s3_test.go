package harness_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
)

func TestPutHeadGet(t *testing.T) {
	srv := harness.S3(t)
	client := srv.Client()
	body := []byte("hello")
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: new("a"), Body: bytes.NewReader(body), Metadata: map[string]string{"md5": "abc", "firn-Size": "5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("a")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("read %q, %v", got, err)
	}
	if out.Metadata["md5"] != "abc" || out.Metadata["firn-size"] != "5" || len(out.Metadata) != 2 {
		t.Errorf("metadata %v", out.Metadata)
	}
	if out.StorageClass != "" {
		t.Errorf("class %q", out.StorageClass)
	}
	if n := srv.Count("GetObject"); n != 1 {
		t.Errorf("%d GetObject", n)
	}
	if n := srv.Count("HeadObject"); n != 0 {
		t.Errorf("%d HeadObject", n)
	}
}

func TestDynamoDB(t *testing.T) {
	db := harness.DynamoDB(t)
	db.CreateTable(t, "firn-test")
}
