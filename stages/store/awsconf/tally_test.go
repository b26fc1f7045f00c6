package awsconf

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Each try is counted, with what was answered and whether it was the first one.
func TestTally(t *testing.T) {
	answers := []int{503, 0, 404}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := answers[0]
		answers = answers[1:]
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	tally := new(Tally)
	cfg, _, err := Load(t.Context(), Options{Region: "us-east-1", Endpoint: server.URL, MaxBackoff: time.Millisecond, Tally: tally})
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &server.URL, true })
	_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if Status(err) != 404 {
		t.Fatal(err)
	}
	want := map[Answer]int64{{"S3", "HeadObject", 503, false}: 1, {"S3", "HeadObject", 0, true}: 1, {"S3", "HeadObject", 404, true}: 1}
	if got := maps.Collect(tally.All()); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}
