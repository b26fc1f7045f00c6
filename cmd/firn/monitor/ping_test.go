package monitor

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A service answers pings as a function says, and keeps what it was told.
type service struct {
	mu     sync.Mutex
	told   []string // "/path body"
	answer func(*http.Request) (int, error)
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.told = append(s.told, r.URL.RequestURI()+" "+string(body))
	s.mu.Unlock()
	status := 200
	if s.answer != nil {
		if status, err = s.answer(r); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

const secretURL = "https://user:password@hc.example/4ec2e7/nightly?create=1"

func TestPing(t *testing.T) {
	silent := func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() }
	status := func(all ...int) func(*http.Request) (int, error) {
		var mu sync.Mutex
		return func(*http.Request) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			first := all[0]
			all = all[min(1, len(all)-1):]
			return first, nil
		}
	}
	for name, c := range map[string]struct {
		code   int
		said   []string
		answer func(*http.Request) (int, error)
		told   []string
		warned []string
		took   time.Duration
	}{
		"success":       {0, []string{"one", "two"}, nil, []string{"/4ec2e7/nightly/start?create=1 ", "/4ec2e7/nightly?create=1 one\ntwo\n"}, nil, 0},
		"failure":       {130, []string{"why"}, nil, []string{"/4ec2e7/nightly/start?create=1 ", "/4ec2e7/nightly/130?create=1 why\n"}, nil, 0},
		"a second try":  {0, nil, status(503, 200), []string{"/4ec2e7/nightly/start?create=1 ", "/4ec2e7/nightly/start?create=1 ", "/4ec2e7/nightly?create=1 "}, nil, pingRest},
		"no such check": {0, nil, status(404), []string{"/4ec2e7/nightly/start?create=1 ", "/4ec2e7/nightly?create=1 "}, []string{"hc.example was not told that the run ended with exit code 0: it answered 404 Not Found"}, 0},
		"the start alone": {0, nil, status(500, 502, 500, 200), nil, []string{"hc.example was not told that the run began: it answered 500 Internal Server Error"},
			2 * pingRest},
		"silence": {1, nil, silent, nil, []string{"hc.example was not told that the run ended with exit code 1: no answer within 10 seconds"}, 2 * pingFor},
		"refused": {1, nil, func(*http.Request) (int, error) { return 0, errors.New("connection refused") }, nil,
			[]string{"hc.example was not told that the run ended with exit code 1: connection refused"}, 4 * pingRest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := &service{answer: c.answer}, time.Now()
				p := newPing(secretURL, "1")
				p.client.Transport = s
				p.begin()
				if time.Since(began) != 0 {
					t.Error("the run waited for the ping")
				}
				var warned []string
				for _, err := range p.finish(c.code, c.said) {
					warned = append(warned, err.Error())
				}
				if !slices.Equal(warned, c.warned) || c.told != nil && !slices.Equal(s.told, c.told) {
					t.Errorf("told %q, warned %q", s.told, warned)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestCheckPing(t *testing.T) {
	for text, ok := range map[string]bool{secretURL: true, "http://h:8000/x": true, "hc-ping.com/x": false, "ftp://h/x": false, "https:///x": false, "https://h/%zz": false} {
		if err := CheckPing(text); (err == nil) != ok || err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLastLinesFit(t *testing.T) {
	line := strings.Repeat("x", 999)
	body := lastOf(append(slices.Repeat([]string{line}, 50), "end"))
	if len(body) > mostSaid || !strings.HasSuffix(body, "\nend\n") || strings.Count(body, "\n") != 10 {
		t.Errorf("%d bytes, %d lines", len(body), strings.Count(body, "\n"))
	}
	if lastOf(nil) != "" {
		t.Error("there is something")
	}
}
