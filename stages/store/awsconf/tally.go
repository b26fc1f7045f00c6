package awsconf

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
)

// A Tally counts the requests of a run, each of its tries, as they are answered. The zero value is
// ready. It is for many goroutines.
type Tally struct{ counts sync.Map } // Answer → *atomic.Int64

// An Answer is what requests have in common that are counted together.
type Answer struct {
	Service   string // "S3"
	Operation string // "UploadPart"
	Status    int    // of HTTP; 0: there was no answer
	Again     bool   // it was sent before, and failed
}

// All yields each kind of answer with its number, in no order.
func (t *Tally) All() iter.Seq2[Answer, int64] {
	return func(yield func(Answer, int64) bool) {
		t.counts.Range(func(a, n any) bool { return yield(a.(Answer), n.(*atomic.Int64).Load()) })
	}
}

// note counts the answer to r; nil if there was none. A request that its caller gave up is none.
func (t *Tally) note(r *http.Request, answer *http.Response) {
	ctx := r.Context()
	if t == nil || answer == nil && context.Cause(ctx) != nil {
		return
	}
	try, _, _ := strings.Cut(r.Header.Get("Amz-Sdk-Request"), ";")
	a := Answer{
		Service: middleware.GetServiceID(ctx), Operation: middleware.GetOperationName(ctx),
		Again: try != "" && try != "attempt=1",
	}
	if answer != nil {
		a.Status = answer.StatusCode
	}
	t.Add(a)
}

// Add counts one more answer.
func (t *Tally) Add(a Answer) {
	n, ok := t.counts.Load(a)
	if !ok {
		n, _ = t.counts.LoadOrStore(a, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
