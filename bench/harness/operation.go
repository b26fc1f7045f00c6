package harness

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
)

// operation gives S3's or DynamoDB's name for what a request does.
func operation(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, op, _ := strings.Cut(target, ".")
		return op
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	args := r.URL.Query()
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case bucket == "":
		return "ListBuckets"
	case key == "":
		return bucketOperation(r.Method, args.Has)
	case r.Method == http.MethodPut && args.Has("partNumber") && copied:
		return "UploadPartCopy"
	case r.Method == http.MethodPut && args.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodPut && copied:
		return "CopyObject"
	case r.Method == http.MethodGet && args.Has("uploadId"):
		return "ListParts"
	case r.Method == http.MethodGet && args.Has("attributes"):
		return "GetObjectAttributes"
	case r.Method == http.MethodDelete && args.Has("uploadId"):
		return "AbortMultipartUpload"
	case r.Method == http.MethodPost && args.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && args.Has("uploadId"):
		return "CompleteMultipartUpload"
	case r.Method == http.MethodPost && args.Has("restore"):
		return "RestoreObject"
	}
	return verb(r.Method) + "Object"
}

func bucketOperation(method string, has func(string) bool) string {
	switch {
	case method == http.MethodPost && has("delete"):
		return "DeleteObjects"
	case method == http.MethodGet && has("uploads"):
		return "ListMultipartUploads"
	case method == http.MethodGet && has("versions"):
		return "ListObjectVersions"
	case method == http.MethodGet && has("list-type"):
		return "ListObjectsV2"
	case method == http.MethodGet && has("location"):
		return "GetBucketLocation"
	case has("versioning"):
		return verb(method) + "BucketVersioning"
	case method == http.MethodGet:
		return "ListObjects"
	case method == http.MethodPut:
		return "CreateBucket"
	}
	return verb(method) + "Bucket"
}

func verb(method string) string {
	return method[:1] + strings.ToLower(method[1:])
}

// maxDrained is how much of a refused request's body is read before the
// answer, so that the client is not cut off while it writes.
const maxDrained = 64 << 20

// refuse answers with an error in the form that the client's service has.
func refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
	if r.Header.Get("X-Amz-Target") != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(f.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"__type":  "com.amazonaws.dynamodb.v20120810#" + f.Code,
			"message": f.Message,
		})
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.Status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: f.Code, Message: f.Message, Resource: r.URL.Path, RequestID: "FAULT"})
}
