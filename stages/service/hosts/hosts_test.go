package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// keys are made once: they take some milliseconds.
var keys = sync.OnceValue(func() *encryption.Keys { return newKeys("a passphrase that is long enough") })

func newKeys(pass string) *encryption.Keys {
	k, err := encryption.NewKeys(encryption.NewPassphrase([]byte(pass)), nil)
	if err != nil {
		panic(err)
	}
	return k
}

const lease = time.Minute

// A site is a queue with a coordinator, in a bubble of synctest.
type site struct {
	t      *testing.T
	q      *hoststest.Queue
	link   *hoststest.Link
	c      *hosts.Coordinator
	works  *report.Works
	events log
	slow   time.Duration // what a result takes

	mu      sync.Mutex
	results map[string][]hosts.Result
	notes   []string
	ended   chan error // of Results
}

// log keeps the texts of events.
type log struct {
	mu    sync.Mutex
	texts []string
}

func (l *log) Event(e report.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts = append(l.texts, e.Text)
}

func (l *log) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.texts, "\n")
}

// bubble runs fn in a bubble, with a coordinator that is ended afterwards.
func bubble(t *testing.T, fn func(t *testing.T, s *site)) {
	t.Helper()
	keys()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, q: hoststest.New()}
		fn(t, s)
		if s.c != nil {
			s.c.End(nil)
			s.link.Close()
		}
	})
}

// lead makes a coordinator, and gathers its results.
func (s *site) lead(run string, change ...func(*hosts.Options)) {
	s.t.Helper()
	s.link, s.works = s.q.Link(), report.NewWorks(report.StageArchive, report.StageUpload)
	s.results, s.ended = map[string][]hosts.Result{}, make(chan error, 1)
	o := hosts.Options{
		Link: s.link, Keys: keys(), Run: run, Operation: "backup", Settings: map[string]int{"level": 3}, Lease: lease,
		Host: "boss", Firn: "1.0", Report: &s.events, Works: s.works, Begun: report.StageArchive,
		Note: func(id, host string, body []byte) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.notes = append(s.notes, fmt.Sprintf("%s %s %s", id, host, body))
		},
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if s.c, err = hosts.Lead(s.t.Context(), o); err != nil {
		s.t.Fatal(err)
	}
	results, ended, c := s.results, s.ended, s.c
	go func() {
		ended <- c.Results(s.t.Context(), func(_ context.Context, r hosts.Result) error {
			time.Sleep(s.slow)
			s.mu.Lock()
			defer s.mu.Unlock()
			results[r.ID] = append(results[r.ID], r)
			return nil
		})
	}()
}

// offer offers items of 100 bytes.
func (s *site) offer(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		s.works.Looked(100, 0, true)
		if err := s.c.Offer(s.t.Context(), hosts.Item{ID: id, Name: "/data/" + id, Bytes: 100, Body: []byte("do " + id)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// join makes a worker on a link of its own.
func (s *site) join(host string, change ...func(*hosts.JoinOptions)) (*hosts.Member, *hoststest.Link) {
	s.t.Helper()
	link := s.q.Link()
	o := hosts.JoinOptions{Link: link, Keys: keys(), Hello: hosts.Hello{Host: host, Firn: "1.0"}, Room: 4, Wait: time.Hour}
	for _, c := range change {
		c(&o)
	}
	m, err := hosts.Join(s.t.Context(), o)
	if err != nil {
		s.t.Fatalf("%s: %v", host, err)
	}
	return m, link
}

// take takes the next item.
func (s *site) take(m *hosts.Member) *hosts.Work {
	s.t.Helper()
	l, err := m.Take(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return l.(*hosts.Work)
}

// end takes the next n items, and ends each as its id says.
func (s *site) end(m *hosts.Member, n int) {
	s.t.Helper()
	for range n {
		switch w := s.take(m); w.ID() {
		case "failed":
			must(s.t, w.Fail(s.t.Context(), errors.New("it is odd")))
		case "gaveup":
			must(s.t, w.GiveUp(s.t.Context(), errors.New("no memory")))
		case "back":
			w.HandBack()
		default:
			must(s.t, w.Answer(s.t.Context(), []byte("saved")))
		}
	}
}

// want compares the results: host and outcome by item.
func (s *site) want(want map[string]string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := map[string]string{}
	for id, all := range s.results {
		for _, r := range all {
			got[id] += r.Host + ":" + string(r.Body) + r.Err
		}
	}
	if !maps.Equal(got, want) {
		s.t.Errorf("the results are %q, not %q", got, want)
	}
}

// finish waits for Results.
func (s *site) finish(want error) {
	s.t.Helper()
	s.c.Offered()
	select {
	case err := <-s.ended:
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			s.t.Errorf("the results ended with %v, not %v", err, want)
		}
	case <-time.After(time.Hour):
		s.t.Fatalf("the results do not end: %+v, kept %+v", s.c.Status(), s.q.Kept())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestRun: what is offered is taken, noted and answered, and the workers leave when the run is over.
func TestRun(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		var settings struct{ Level int }
		if must(t, m.Settings(&settings)); settings.Level != 3 || m.Operation() != "backup" || m.Run() != "run-1" || m.Keys().ID() != keys().ID() {
			t.Errorf("the worker is told %+v, %s, %s", settings, m.Operation(), m.Run())
		}
		s.offer("x", "y", "z")
		for range 3 {
			w := s.take(m)
			if string(w.Body()) != "do "+w.ID() || w.String() != "/data/"+w.ID() || w.Item().Bytes != 100 || w.Try() != 1 {
				t.Errorf("took %+v", w.Item())
			}
			must(t, w.Note(t.Context(), []byte("begun")))
			switch w.ID() {
			case "x":
				must(t, w.Answer(t.Context(), []byte("saved")))
				must(t, w.Fail(t.Context(), errors.New("too late")))
			case "y":
				must(t, w.Fail(t.Context(), errors.New("it is a socket")))
			default:
				must(t, w.Answer(t.Context(), nil))
			}
		}
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:it is a socket", "z": "a:"})
		if want := []string{"x a begun", "y a begun", "z a begun"}; !slices.Equal(s.notes, want) {
			t.Errorf("the notes are %q", s.notes)
		}
		go s.c.End(nil)
		if _, err := m.Take(t.Context()); !errors.Is(err, pipeline.ErrTaken) || !errors.Is(context.Cause(m.Context()), hosts.ErrOver) {
			t.Errorf("after the end: %v, %v", err, context.Cause(m.Context()))
		}
		m.Leave()
		if c := s.c.Counts(); c != (hosts.Counts{Hosts: 1}) || s.q.Kept() != (hosts.Kept{}) || s.events.all() != "" {
			t.Errorf("%+v; kept %+v; said %s", c, s.q.Kept(), s.events.all())
		}
		if l := s.works.Load(); l.Begun != 300 || l.Done != 300 || l.Waiting != 0 || len(l.Parts) != 0 {
			t.Errorf("%+v", l)
		}
	})
}
