package awsconf

import (
	"io"
	"net/http"

	"firn/stages/store"
)

// send sends a request whose body is that of an object, or of a part.
func send(client interface {
	Do(*http.Request) (*http.Response, error)
}, traffic *store.Traffic, r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return client.Do(r)
	}
	ctx := r.Context()
	try := traffic.Try(ctx)
	r = r.WithContext(ctx) // a copy
	r.Body = &sentBody{r.Body, try}
	if again := r.GetBody; again != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return &sentBody{body, try}, nil
		}
	}
	answer, err := client.Do(r)
	try.End(err == nil && answer.StatusCode < 300)
	return answer, err
}

// sentBody counts what is taken of the body of a request: what the connection has not sent of it is
// small. The transport may go on reading when the request has failed.
type sentBody struct {
	io.ReadCloser
	try *store.Try
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.try.Sent(n)
	return n, err
}

// receivedBody counts what is taken of the body of an answer.
type receivedBody struct {
	io.ReadCloser
	traffic *store.Traffic
}

func (b *receivedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.traffic.Receive(n)
	return n, err
}
