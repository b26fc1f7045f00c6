package attackers_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func lists(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2"
}

// TestListingsThatLie: endless ones are refused with a word, and what they hide is missed.
func TestListingsThatLie(t *testing.T) {
	h := newHost(t, "s3")
	h.night()
	var pages atomic.Int64
	h.over(wire{answer: func(rw http.ResponseWriter, r *http.Request) bool {
		if lists(r) && r.URL.Query().Get("max-keys") != "1" {
			fmt.Fprintf(rw, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken><Contents><Key>%s%08d</Key><Size>1</Size></Contents></ListBucketResult>`,
				r.URL.Query().Get("prefix"), pages.Add(1))
			return true
		}
		return false
	}})
	for _, s := range []said{h.backup(), h.verify("--quick"), h.firn("list")} {
		s.exits(1).has("same continuation token twice").lacks("checked is intact")
	}
	_, s := h.restore()
	s.exits(1).has("same continuation token twice")
	if pages.Load() > 40 {
		t.Errorf("it asked for %d pages", pages.Load())
	}
	h.over(wire{answer: func(rw http.ResponseWriter, r *http.Request) bool { // what is not listed is asked for
		hidden := r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, archive("d1"))
		if hidden {
			rw.WriteHeader(http.StatusNotFound)
		}
		return hidden
	}, down: func(r *http.Response, body []byte) []byte {
		if lists(r.Request) {
			text := string(body)
			if at := strings.Index(text, "d1.tar.gz"); at >= 0 {
				from, to := strings.LastIndex(text[:at], "<Contents>"), at+strings.Index(text[at:], "</Contents>")+len("</Contents>")
				text = text[:from] + text[to:]
			}
			r.Header.Del("Content-Length")
			r.ContentLength = int64(len(text))
			return []byte(text)
		}
		return body
	}})
	h.verify("--quick").exits(3).about("tree/d1", `damaged: `).lacks("checked is intact")
	h.backup().exits(3).has(`warning: .*(tree/d1|gone)`).has(`not saved: tree/d1: another run stored it`)
	h.over(wire{})
	h.healthy()
}

// TestObjectsThatLie: answers with other bytes than those that were stored, and a HEAD that lies. Each is named, nothing of it extracted, the rest comes back.
func TestObjectsThatLie(t *testing.T) {
	t.Parallel() // it waits between attempts
	h := newHost(t, "s3")
	h.night()
	_, other := h.object(archive("d2"))
	h.over(wire{down: func(r *http.Response, body []byte) []byte {
		if gets(r, archive("d1")) {
			r.Header.Set("Content-Length", fmt.Sprint(len(other)))
			r.ContentLength = int64(len(other))
			return other
		}
		return body
	}})
	target, s := h.restore()
	s.exits(3).about("tree/d1", `not restored: `)
	h.missing(filepath.Join(target, "d1"))
	h.same(filepath.Join(h.tree, "d2"), filepath.Join(target, "d2"))
	h.verify("--read-data").exits(3).about("tree/d1", `damaged: |not checked: `).lacks("checked is intact")
	for _, size := range []string{"1", "100000000000000"} {
		h.over(wire{down: func(r *http.Response, body []byte) []byte {
			if r.Request.Method == http.MethodHead && strings.HasSuffix(r.Request.URL.Path, archive("d1")) {
				r.Header.Set("Content-Length", size)
			}
			return body
		}})
		target, s := h.restore()
		s.exits(3).about("tree/d1", `not restored: .*bytes`).little()
		h.missing(filepath.Join(target, "d1"))
		h.verify("").exits(3).about("tree/d1", `damaged: `).lacks("checked is intact")
	}
	h.over(wire{})
	h.healthy()
}

// TestUploadsThatWereNotKept: the next backup finds that the listing does not have them.
func TestUploadsThatWereNotKept(t *testing.T) {
	h := newHost(t, "s3")
	h.over(wire{answer: func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, archive("d1")) {
			rw.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
			return true
		}
		return false
	}})
	h.settle()
	first := h.backup()
	h.over(wire{})
	if first.code == 0 {
		h.verify("--quick").exits(3).about("tree/d1", `damaged: `)
		h.backup().exits(0).has(`warning: .*(tree/d1|gone)`)
	} else {
		first.exits(3).has("tree/d1")
		h.night()
	}
	h.healthy()
}
