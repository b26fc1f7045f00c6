package attackers_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A wire is between the host and the S3 server, and changes what goes over it: requests, and answers.
type wire struct {
	up   func(r *http.Request, body []byte) []byte
	down func(r *http.Response, body []byte) []byte
	// answer may answer without the server.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

// over makes the host reach its store over a wire from now on.
func (h *host) over(w wire) {
	h.Helper()
	to, err := url.Parse(server.Endpoint)
	h.must(err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
			if w.up != nil && r.In.Method == http.MethodPut {
				body, _ := io.ReadAll(r.In.Body)
				r.Out.Body = io.NopCloser(bytes.NewReader(w.up(r.In, body)))
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if w.down == nil {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(w.down(r, body)))
			return err
		},
	}
	between := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.answer == nil || !w.answer(rw, r) {
			proxy.ServeHTTP(rw, r)
		}
	}))
	h.Cleanup(between.Close)
	h.flags = []string{"--endpoint-url", between.URL}
}

func gets(r *http.Response, key string) bool {
	return r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, key) && r.StatusCode < 300
}

// TestBitsThatFlipOnTheWayBack: a bit of an archive, of a run, of a manifest. What is not whole is named
// and not extracted, and the rest comes back.
func TestBitsThatFlipOnTheWayBack(t *testing.T) {
	t.Parallel() // it waits between attempts
	h := newHost(t, "s3")
	run := h.night().run()
	for _, c := range []struct{ key, says string }{
		{archive("d1"), `not restored: tree/d1: the archive is not what was saved`},
		{runKey(run), `the catalogue: a run can't be read`},
		{".firn/manifests/" + run + "-001.jsonl.gz", `the catalogue: the manifest of run .* can't be read`},
	} {
		h.over(wire{down: func(r *http.Response, body []byte) []byte {
			if gets(r, c.key) {
				body[len(body)/2] ^= 4
			}
			return body
		}})
		target, s := h.restore()
		s.exits(3).has(c.says)
		h.same(filepath.Join(h.tree, "d2"), filepath.Join(target, "d2"))
		if c.key == archive("d1") {
			h.missing(filepath.Join(target, "d1"))
		}
		h.verify("--read-data").exits(3).lacks("checked is intact")
	}
	h.over(wire{})
	h.healthy()
}

// TestBitsThatFlipOnTheWayThere: nothing is stored that is not what was sent. Once it is sent again, always
// it is a fault.
func TestBitsThatFlipOnTheWayThere(t *testing.T) {
	t.Parallel() // it waits between attempts
	h := newHost(t, "s3")
	var before atomic.Bool
	h.over(wire{up: func(r *http.Request, body []byte) []byte {
		if strings.HasSuffix(r.URL.Path, archive("d1")) && !before.Swap(true) {
			body[len(body)/2] ^= 4
		}
		return body
	}})
	h.night()
	h.healthy()
	h.write("tree/d1/text", "changed since")
	h.over(wire{up: func(r *http.Request, body []byte) []byte {
		if strings.HasSuffix(r.URL.Path, archive("d1")) {
			body[len(body)/2] ^= 4
		}
		return body
	}})
	h.settle()
	h.backup().exits(3).has(`tree/d1.*checksum`)
	h.over(wire{})
	h.night()
	h.healthy()
}

// TestTokenOverPlainHTTP: whoever reads the connection could use it, so that is told, unless it stays on
// this machine.
func TestTokenOverPlainHTTP(t *testing.T) {
	h := newHost(t, "s3")
	h.night()
	list := func(endpoint string) said {
		h.flags = []string{"--endpoint-url", endpoint}
		cmd := h.cmd("list")
		cmd.Env = append(os.Environ(), "AWS_SESSION_TOKEN=token", "AWS_MAX_ATTEMPTS=1", "HTTP_PROXY="+server.Endpoint)
		return h.say("list", cmd)
	}
	const warns = "warning: the session token is sent over plain http to another machine"
	list("http://s3.example:1").has(warns)
	list(server.Endpoint).lacks("session token")
}
