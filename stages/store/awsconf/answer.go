package awsconf

import (
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"

	"firn/stages/store"
)

// Bounds of the body of an answer in bytes. Those that S3 sends have no more than 1,000 keys of
// 1,024 bytes, each escaped; those of DynamoDB no more than 16 MB of items, before they are encoded.
const (
	maxAnswer      = 16 << 20
	maxTableAnswer = 32 << 20
)

// ErrAnswerSize: a server's answer goes on where those of its kind have long ended.
var ErrAnswerSize = errors.New("the server's answer is larger than any such answer may be")

// A boundedClient bounds the bodies of all answers but objects, because the SDK reads them into
// memory.
type boundedClient struct {
	aws.HTTPClient
	tally   *Tally         // may be nil
	traffic *store.Traffic // may be nil
}

// Do sends a request.
func (c boundedClient) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.do(r)
	c.tally.note(r, answer)
	if err != nil || answer.Body == nil {
		return answer, err
	}
	if middleware.GetOperationName(r.Context()) == "GetObject" && answer.StatusCode < 300 {
		answer.Body = &receivedBody{answer.Body, c.traffic}
		return answer, nil
	}
	most := int64(maxAnswer)
	if middleware.GetServiceID(r.Context()) == "DynamoDB" {
		most = maxTableAnswer
	}
	answer.Body = &boundedBody{answer.Body, most}
	return answer, nil
}

func (c boundedClient) do(r *http.Request) (*http.Response, error) {
	switch middleware.GetOperationName(r.Context()) {
	case "PutObject", "UploadPart":
		return send(c.HTTPClient, c.traffic, r)
	}
	return c.HTTPClient.Do(r)
}

// boundedBody fails with ErrAnswerSize after left bytes.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrAnswerSize
	}
	return n, err
}
