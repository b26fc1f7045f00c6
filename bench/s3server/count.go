package main

import (
	"encoding/json"
	"log"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// counters counts requests by S3 operation when they arrive, whatever becomes
// of them. Safe for concurrent use.
type counters struct {
	mu  sync.Mutex
	ops map[string]int64
}

func (c *counters) add(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ops == nil {
		c.ops = map[string]int64{}
	}
	c.ops[op]++
}

func (c *counters) snapshot() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int64{}
	maps.Copy(out, c.ops)
	return out
}

func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.ops)
}

// subresources are the query arguments that make another operation of a
// method, by what they are asked of. The first one that a request bears names
// the operation; the method is put before it where S3's name has it there.
var objectSubresources = []struct{ method, arg, op string }{
	{"PUT", "partNumber", "UploadPart"},
	{"GET", "uploadId", "ListParts"},
	{"DELETE", "uploadId", "AbortMultipartUpload"},
	{"POST", "uploads", "CreateMultipartUpload"},
	{"POST", "uploadId", "CompleteMultipartUpload"},
	{"POST", "restore", "RestoreObject"},
	{"POST", "select", "SelectObjectContent"},
	{"GET", "attributes", "GetObjectAttributes"},
	{"", "acl", "ObjectAcl"},
	{"", "tagging", "ObjectTagging"},
	{"", "retention", "ObjectRetention"},
	{"", "legal-hold", "ObjectLegalHold"},
}

var bucketSubresources = []struct{ method, arg, op string }{
	{"GET", "uploads", "ListMultipartUploads"},
	{"GET", "versions", "ListObjectVersions"},
	{"GET", "list-type", "ListObjectsV2"},
	{"GET", "location", "GetBucketLocation"},
	{"POST", "delete", "DeleteObjects"},
	{"", "acl", "BucketAcl"},
	{"", "cors", "BucketCors"},
	{"", "lifecycle", "BucketLifecycleConfiguration"},
	{"", "encryption", "BucketEncryption"},
	{"", "notification", "BucketNotificationConfiguration"},
	{"", "object-lock", "ObjectLockConfiguration"},
	{"", "ownershipControls", "BucketOwnershipControls"},
	{"", "policy", "BucketPolicy"},
	{"", "publicAccessBlock", "PublicAccessBlock"},
	{"", "tagging", "BucketTagging"},
	{"", "versioning", "BucketVersioning"},
}

// operation gives S3's name for what a request does.
func operation(r *fasthttp.RequestCtx) string {
	method := string(r.Method())
	bucket, key, _ := strings.Cut(strings.TrimPrefix(string(r.URI().PathOriginal()), "/"), "/")
	if bucket == "" {
		return "ListBuckets"
	}
	args := r.QueryArgs()
	subresources, what := bucketSubresources, "Bucket"
	if key != "" {
		subresources, what = objectSubresources, "Object"
	}
	copied := len(r.Request.Header.Peek("x-amz-copy-source")) > 0
	for _, s := range subresources {
		if !args.Has(s.arg) || s.method != "" && s.method != method {
			continue
		}
		switch {
		case s.method == "":
			return verb(method) + s.op
		case copied && s.op == "UploadPart":
			return "UploadPartCopy"
		}
		return s.op
	}
	switch {
	case key != "" && method == "PUT" && copied:
		return "CopyObject"
	case key == "" && method == "PUT":
		return "CreateBucket"
	case key == "" && method == "GET":
		return "ListObjects"
	}
	return verb(method) + what
}

func verb(method string) string {
	return method[:1] + strings.ToLower(method[1:])
}

// middleware counts, logs, and gives a thaw that was started its status.
func middleware(c *counters, verbose *log.Logger) fiber.Handler {
	return func(ctx fiber.Ctx) error {
		r := ctx.RequestCtx()
		op := operation(r)
		c.add(op)
		start := time.Now()
		err := ctx.Next()
		if r.UserValue(startedThaw) == true && r.Response.StatusCode() == http.StatusOK {
			r.Response.SetStatusCode(http.StatusAccepted)
		}
		if verbose != nil {
			verbose.Printf("%s %s %s?%s %d %v", op, r.Method(), r.URI().PathOriginal(), r.URI().QueryString(),
				r.Response.StatusCode(), time.Since(start).Round(time.Microsecond))
		}
		return err
	}
}

// admin is the handler of the admin listener.
func admin(c *counters, t *thaws) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.snapshot())
	})
	mux.HandleFunc("POST /counters/reset", func(http.ResponseWriter, *http.Request) { c.reset() })
	mux.HandleFunc("POST /thaws/finish", func(http.ResponseWriter, *http.Request) { t.finish() })
	mux.HandleFunc("POST /thaws/expire", func(http.ResponseWriter, *http.Request) { t.expire() })
	return mux
}
