package hosts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// TestRefused: a worker that does not fit is told why in one line, and the user once for each host.
func TestRefused(t *testing.T) {
	other := newKeys("another passphrase, as long")
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1", func(o *hosts.Options) {
			o.Fits = func(h hosts.Hello) error {
				if h.Path != "" && h.Path != "/data" {
					return fmt.Errorf("its backup path is %s, and the run's is /data", h.Path)
				}
				return nil
			}
		})
		for _, tt := range []struct {
			change func(*hosts.JoinOptions)
			want   string
			warns  bool
		}{
			{func(o *hosts.JoinOptions) { o.Hello.Firn = "1.1" }, "it is firn 1.1, and the coordinator is firn 1.0", true},
			{func(o *hosts.JoinOptions) { o.Hello.Path = "/else" }, "its backup path is /else, and the run's is /data", true},
			{func(o *hosts.JoinOptions) { o.Keys = other }, "the coordinator has another key file: its key id is " + keys().ID() + ", and that of this worker is " + theirs(t, other), false},
		} {
			for range 2 {
				link := s.q.Link()
				o := hosts.JoinOptions{Link: link, Keys: keys(), Hello: hosts.Hello{Host: "a: " + tt.want, Firn: "1.0"}, Wait: time.Hour}
				tt.change(&o)
				_, err := hosts.Join(t.Context(), o)
				if refused, is := errors.AsType[*hosts.RefusedError](err); !is || refused.Why != tt.want || errors.Is(err, encryption.ErrOtherKey) == tt.warns {
					t.Errorf("joined with %v, not %q", err, tt.want)
				}
				link.Close()
			}
			n := strings.Count(s.events.all(), "was refused: "+tt.want)
			if tt.warns && n != 1 || !tt.warns && n != 0 {
				t.Errorf("%d warnings: %s", n, s.events.all())
			}
		}
		if c := s.c.Counts(); c.Hosts != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// theirs is the key id of other keys at the salt of the run's.
func theirs(t *testing.T, other *encryption.Keys) string {
	t.Helper()
	_, err := other.ForID(keys().ID())
	is, ok := errors.AsType[*encryption.OtherKeyError](err)
	if !ok || is.KeyID != keys().ID() || is.Own == is.KeyID {
		t.Fatal(err)
	}
	return is.Own
}

// TestOtherKeyFile: the coordinator tells of workers with another key file, as far as it can: each key id
// once, and a few of them, for anybody may say so.
func TestOtherKeyFile(t *testing.T) {
	other := newKeys("another passphrase, as long")
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		for range 2 {
			link := s.q.Link()
			_, err := hosts.Join(t.Context(), hosts.JoinOptions{Link: link, Keys: other, Hello: hosts.Hello{Host: "node\n1", Firn: "1.0"}, Wait: time.Hour})
			if !errors.Is(err, encryption.ErrOtherKey) {
				t.Error(err)
			}
			link.Close()
		}
		own := keys().ID()
		want := `a worker that calls itself "node\n1" was refused: it has another key file, whose key id is ` + theirs(t, other) + ", and that of the run is " + own
		if got := s.events.all(); got != want {
			t.Errorf("told %q, not %q", got, want)
		}
		evil := s.q.Link()
		defer evil.Close()
		digest := strings.LastIndexByte(own, '-') + 1
		say := func(keyID, host string) {
			send(t, evil, hoststest.Asked, "", []byte("firn queue 1\n1.0\nother\n"+keyID+"\n\n\n"+host))
		}
		for _, keyID := range []string{own, "", "nonsense", own[:digest], own[:len(own)-1] + "z", "2" + own[1:], own + "00"} {
			say(keyID, "evil")
		}
		say(own[:digest]+strings.Repeat("0", len(own)-digest), strings.Repeat("x", 1000))
		if got := s.events.all(); got != want {
			t.Errorf("told %q", got)
		}
		for i := range 20 {
			say(own[:digest]+fmt.Sprintf("%0*x", len(own)-digest, i), "evil")
		}
		if n := strings.Count(s.events.all(), "has another key file"); n != 4 {
			t.Errorf("%d warnings: %s", n, s.events.all())
		}
	})
}

// TestTookPart: a worker counts once it has passed its own checks, or has an item.
func TestTookPart(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*site, *hosts.Member)
		want int64
	}{
		{"refused by itself", func(*site, *hosts.Member) {}, 0},
		{"ready", func(_ *site, m *hosts.Member) {
			m.Watch(func() report.Progress { return report.Progress{} }, &report.Totals{})
		}, 1},
		{"busy", func(s *site, m *hosts.Member) { must(s.t, s.take(m).Answer(s.t.Context(), nil)) }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				s.offer("x")
				m, link := s.join("a")
				defer link.Close()
				tt.do(s, m)
				time.Sleep(5 * time.Second)
				m.Leave()
				synctest.Wait()
				if n := s.c.Counts().Hosts; n != tt.want {
					t.Errorf("%d took part, not %d", n, tt.want)
				}
			})
		})
	}
}

// TestClock: a host whose clock is wrong may work, and the user is told.
func TestClock(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		var link *hoststest.Link
		for _, host := range []string{"fine", "late", "late"} {
			link = s.q.Link()
			defer link.Close()
			clock := time.Now
			if host == "late" {
				clock = func() time.Time { return time.Now().Add(-6 * time.Minute) }
			}
			m, err := hosts.Join(t.Context(), hosts.JoinOptions{Link: link, Keys: keys(), Hello: hosts.Hello{Host: host, Firn: "1.0", Time: clock()}})
			if err != nil {
				t.Fatal(err)
			}
			m.Leave()
		}
		if got := s.events.all(); got != "the clock of late differs from this one by 6m0s" {
			t.Errorf("told: %q", got)
		}
	})
}

// TestWaitForCoordinator: a worker waits for a coordinator that is to come, and for one that is lost,
// but not for ever.
func TestWaitForCoordinator(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		link := s.q.Link()
		defer link.Close()
		start := time.Now()
		o := hosts.JoinOptions{Link: link, Keys: keys(), Hello: hosts.Hello{Host: "a", Firn: "1.0"}, Wait: 10 * time.Minute}
		if _, err := hosts.Join(t.Context(), o); !errors.Is(err, hosts.ErrNobody) || time.Since(start) < o.Wait {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		link.Freeze() // it has no connection
		start = time.Now()
		if _, err := hosts.Join(t.Context(), o); !errors.Is(err, hosts.ErrNobody) || time.Since(start) != o.Wait {
			t.Errorf("without a connection: %v after %v", err, time.Since(start))
		}
		link.Thaw()
		go func() {
			time.Sleep(5 * time.Minute)
			s.lead("run-1")
		}()
		m, err := hosts.Join(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Leave()
		s.link.Freeze()
		start = time.Now()
		if _, err := m.Take(t.Context()); !errors.Is(err, hosts.ErrNobody) || time.Since(start) < o.Wait {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		s.link.Thaw()
		if m.Leave(); context.Cause(m.Context()) != hosts.ErrNobody {
			t.Error(context.Cause(m.Context()))
		}
	})
}

// TestRestart: a coordinator that begins again drops what was left. Its workers join again, and what
// they say of the run before is stale.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		s.offer("x", "y", "z")
		w := s.take(m)
		s.link.Kill()
		s.c.End(nil)
		<-s.ended
		s.lead("run-2")
		<-m.Context().Done()
		if err := context.Cause(m.Context()); !errors.Is(err, hosts.ErrOtherRun) {
			t.Errorf("the worker left: %v", err)
		}
		if _, err := m.Take(t.Context()); !errors.Is(err, pipeline.ErrTaken) {
			t.Errorf("took: %v", err)
		}
		must(t, w.Answer(t.Context(), []byte("saved")))
		m.Leave()
		again, link2 := s.join("a")
		defer link2.Close()
		defer again.Leave()
		s.offer("x")
		must(t, s.take(again).Answer(t.Context(), []byte("saved again")))
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved again"})
		if c := s.c.Counts(); c.Stale == 0 || c.Forged != 0 || again.Run() != "run-2" {
			t.Errorf("%+v, %s", c, again.Run())
		}
	})
}

// TestOldWorkers: workers that have not noticed that another run has begun don't use up the tries of its
// items.
func TestOldWorkers(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var deaf atomic.Bool
		s.q.Lose = func(m hoststest.Message) bool { return m.Kind == hoststest.Announced && deaf.Load() }
		s.lead("run-1")
		var old []*hosts.Member
		for range 2 * hosts.MaxTries {
			m, link := s.join("old")
			defer link.Close()
			defer m.Leave()
			old = append(old, m)
		}
		ended := make(chan error, len(old))
		for _, m := range old {
			go func() {
				_, err := m.Take(t.Context())
				ended <- err
			}()
		}
		s.link.Kill()
		s.c.End(nil)
		<-s.ended
		deaf.Store(true)
		s.lead("run-2")
		s.offer("x")
		time.Sleep(time.Minute)
		m, link := s.join("new")
		defer link.Close()
		defer m.Leave()
		must(t, s.take(m).Answer(t.Context(), []byte("saved")))
		s.finish(nil)
		s.want(map[string]string{"x": "new:saved"})
		if c := s.c.Counts(); c.Returned != int64(len(old)) || c.Retried+c.Exhausted+c.Forged != 0 {
			t.Errorf("%+v", c)
		}
		deaf.Store(false)
		for range old {
			if err := <-ended; !errors.Is(err, pipeline.ErrTaken) {
				t.Error(err)
			}
		}
	})
}

// TestOver: a run that ends early tells its workers why.
func TestOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		s.offer("x", "y")
		s.take(m)
		go s.c.End(errors.New("the disk is full"))
		<-m.Context().Done()
		if err := context.Cause(m.Context()); !errors.Is(err, hosts.ErrOver) || !strings.Contains(err.Error(), "the disk is full") {
			t.Error(err)
		}
		m.Leave()
		for _, end := range []error{nil, hosts.ErrOver, context.Cause(m.Context())} {
			if err := m.Outcome(end); err == nil || err.Error() != "the coordinator says: the disk is full" {
				t.Errorf("a run that ended with %v ends with %v", end, err)
			}
		}
		if kept := s.q.Kept(); kept.Waiting != 0 {
			t.Errorf("kept: %+v", kept)
		}
	})
}

// TestMerge: the coordinator's progress is that of all hosts, whatever was lost on the way, also of hosts
// that are gone; and what was in work there counts as not begun.
func TestMerge(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		n := 0
		var sound atomic.Bool
		s.q.Lose = func(m hoststest.Message) bool {
			if m.Kind == hoststest.Told {
				n++
			}
			return m.Kind == hoststest.Told && n%3 == 0 && !sound.Load()
		}
		s.lead("run-1")
		s.offer("x", "y", "z")
		works := report.NewWorks(report.StageArchive, report.StageUpload)
		type host struct {
			m    *hosts.Member
			link *hoststest.Link
			w    *hosts.Work
			task *report.Task
			sum  report.Progress
		}
		all := map[string]*host{}
		for _, name := range []string{"a", "b"} {
			h := &host{}
			h.m, h.link = s.join(name)
			h.m.Watch(func() report.Progress {
				h.sum.Sent += 200
				h.sum.Stages = []pipeline.Counters{{
					Stage: report.StageArchive, Workers: 2, InFlight: 1, BytesOut: h.sum.Sent / 2, Active: time.Duration(h.sum.Sent/100) * time.Second,
				}}
				h.sum.SpoolUsed, h.sum.SpoolLimit = 7, 10
				return h.sum
			}, &report.Totals{})
			h.w = s.take(h.m)
			h.task = works.Begin(h.w, report.StageArchive, 100, 100, 0)
			h.w.Follow(h.task)
			all[name] = h
		}
		all["a"].task.First(60)
		all["b"].task.First(100)
		all["b"].task.FirstDone(40)
		all["b"].task.Doing(report.StageUpload)
		all["b"].task.Second(10)
		time.Sleep(31 * time.Second)
		p := report.Progress{Stages: []pipeline.Counters{{Stage: report.StageCut, Workers: 1}, {Stage: report.StageArchive, Workers: 1, BytesOut: 1}}}
		s.c.Merge(&p)
		if len(p.Hosts) != 2 || p.Hosts[0].Name != "a" || p.Hosts[0].Work != 1 || p.Hosts[0].SpoolOf != 10 || p.SpoolLimit != 20 {
			t.Errorf("%+v", p.Hosts)
		}
		for _, h := range p.Hosts {
			if h.SentRate < 80 || h.SentRate > 120 || h.ReadRate < 40 || h.ReadRate > 60 || h.Silent > 10*time.Second {
				t.Errorf("%+v", h)
			}
		}
		if now := p.Hosts[1].Now; len(now) != 1 || now[0] != (report.Work{Path: "/data/" + all["b"].w.ID(), Doing: report.StageUpload, Source: 100, Done: 10, Total: 40}) {
			t.Errorf("%+v", now)
		}
		if c := p.Stages[1]; len(p.Stages) != 2 || c.Workers != 5 || c.InFlight != 2 || c.BytesOut != p.Sent/2+1 || c.Active < 20*time.Second || c.Active > 32*time.Second {
			t.Errorf("%+v, %d sent", p.Stages, p.Sent)
		}
		if l := s.works.Load(); l.Begun != 200 || l.Waiting != 1 || l.Done != 160 || l.Sent != 10 || len(l.Parts) != 2 {
			t.Errorf("%+v", l)
		}
		left := time.Duration(-1)
		all["b"].m.Spare(func(_ hosts.InHand, l time.Duration) bool { left = l; return false })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := all["b"].m.Take(ctx); err == nil || left < 800*time.Millisecond || left > 1250*time.Millisecond {
			t.Errorf("%v; what nobody has is said to take %v", err, left)
		}
		cancel()
		all["b"].m.Spare(nil)
		before := p.Sent
		all["a"].link.Kill()
		all["a"].m.Leave()
		all["b"].task.Doing(report.StageUpload) // it moves
		time.Sleep(15 * time.Second)
		p = report.Progress{}
		if s.c.Merge(&p); p.Hosts[0].Silent < 10*time.Second || p.Hosts[0].SentRate+p.Hosts[0].ReadRate != 0 || p.Hosts[1].SentRate == 0 {
			t.Errorf("%+v", p.Hosts)
		}
		time.Sleep(20 * time.Second)
		p = report.Progress{}
		s.c.Merge(&p)
		if len(p.Hosts) != 1 || p.Hosts[0].State != report.HostWorks || len(p.Gone) != 1 || p.Gone[0].State != report.HostLost || p.Gone[0].Name != "a" || p.Sent < before || p.Stages[0].Workers != 2 {
			t.Errorf("%+v", p)
		}
		if all := s.c.Status().Hosts; len(all) != 2 || all[0].State != report.HostLost || all[1].State != report.HostWorks {
			t.Errorf("the status has %+v", all)
		}
		if l := s.works.Load(); l.Begun != 100 || l.Waiting != 2 || l.Done != 100 || len(l.Parts) != 1 {
			t.Errorf("%+v", l)
		}
		for range 2 {
			must(t, s.take(all["b"].m).Answer(t.Context(), nil))
		}
		all["b"].task.Second(30)
		must(t, all["b"].w.Answer(t.Context(), nil))
		sound.Store(true)
		all["b"].m.Leave()
		time.Sleep(time.Second)
		p = report.Progress{}
		if s.c.Merge(&p); len(p.Hosts) != 0 || len(p.Gone) != 2 || p.Gone[1].State != report.HostLeft || p.Gone[1].Done != 3 || p.Gone[1].Sent != all["b"].sum.Sent {
			t.Errorf("%+v", p)
		}
		all["b"].link.Close()
		s.finish(nil)
		if l := s.works.Load(); l.Begun != 300 || l.Waiting != 0 || l.Done != 300 || l.Sent != 40 || len(l.Parts) != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// TestReadAhead: what is left is told from what is sent, also of a worker that has read all that it has.
func TestReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x", "y", "z")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		p := report.Progress{Stages: []pipeline.Counters{{Stage: report.StageArchive, BytesOut: 1000}}}
		m.Watch(func() report.Progress { p.Sent += 20; return p }, &report.Totals{})
		works := []*hosts.Work{s.take(m)}
		time.Sleep(41 * time.Second) // 10 bytes a second: 400 of 1000 are sent
		left := time.Duration(-1)
		m.Spare(func(_ hosts.InHand, l time.Duration) bool { left = l; return true })
		works = append(works, s.take(m))
		var own, all report.Progress
		m.Merge(&own)
		time.Sleep(5 * time.Second) // until it is told
		if s.c.Merge(&all); own.Held != 2 || all.Hosts[0].Work != 2 {
			t.Errorf("a worker holds %d, and %d are known of", own.Held, all.Hosts[0].Work)
		}
		if want := 8 * time.Second; left < want*8/10 || left > want*12/10 { // of 200 bytes
			t.Errorf("what nobody has is said to take %v, not %v", left, want)
		}
		for _, w := range append(works, s.take(m)) {
			must(t, w.Answer(t.Context(), nil))
		}
		s.finish(nil)
	})
}

// TestLeft: how long it will take is told as for one host, however often somebody looks.
func TestLeft(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		begun := time.Now()
		var totals report.Totals
		totals.Subtrees.Store(2)
		totals.Scanned.Store(2)
		totals.Cut.Store(true)
		totals.Bytes.Store(200)
		progress := func() report.Progress { return report.Progress{Elapsed: time.Since(begun), Load: s.works.Load()} }
		s.lead("run-1", func(o *hosts.Options) { o.Totals, o.Progress = &totals, progress })
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y")
		w := s.take(m)
		task := report.NewWorks(report.StageArchive, report.StageUpload).Begin(w, report.StageArchive, 100, 100, 0)
		task.First(100)
		task.FirstDone(100 << 20)
		w.Follow(task)
		start := time.Now()
		m.Watch(func() report.Progress {
			return report.Progress{Stages: []pipeline.Counters{
				{Stage: report.StageArchive, Active: time.Millisecond}, {Stage: report.StageUpload, Workers: 1, InFlight: 1, Active: time.Since(start)},
			}}
		}, &report.Totals{})
		var o report.Observer
		var out report.Outlook
		for range 40 * 5 {
			time.Sleep(200 * time.Millisecond)
			task.Second(1 << 20 / 5)
			p := progress()
			s.c.Merge(&p)
			out = o.Look(p, &totals, time.Now())
			if left := s.c.Status().Left; left >= 0 && left < 50*time.Second {
				t.Fatalf("more than a minute is left, said %v", left)
			}
		}
		for _, left := range []time.Duration{out.Left, s.c.Status().Left} {
			if left < 50*time.Second || left > 70*time.Second {
				t.Errorf("60 s are left, said %v", left)
			}
		}
	})
}

// TestStatus: who has the key sees how a run gets on, and who has not sees no name.
func TestStatus(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		link := s.q.Link()
		defer link.Close()
		if _, err := hosts.AskStatus(t.Context(), link, keys(), "1.0"); !errors.Is(err, hosts.ErrNobody) {
			t.Errorf("nobody leads: %v", err)
		}
		var totals report.Totals
		totals.Subtrees.Store(3)
		s.lead("run-1", func(o *hosts.Options) {
			o.Totals = &totals
			o.Progress = func() report.Progress { return report.Progress{Load: s.works.Load()} }
		})
		m, far := s.join("a")
		defer far.Close()
		defer m.Leave()
		s.offer("x", "y", "z")
		must(t, s.take(m).Fail(t.Context(), errors.New("it is a socket")))
		s.take(m)
		time.Sleep(5 * time.Second)
		st, err := hosts.AskStatus(t.Context(), link, keys(), "1.0")
		if err != nil {
			t.Fatal(err)
		}
		if st.Run != "run-1" || st.Phase != hosts.PhaseFinding || st.Found != 3 || st.Open != 2 || st.Host != "boss" ||
			len(st.Hosts) != 1 || st.Hosts[0].Work != 1 || st.Hosts[0].Failed != 1 || st.Kept != (hosts.Kept{Waiting: 1, Held: 1}) ||
			len(st.Trouble) != 1 || st.Trouble[0].Failed != "it is a socket" || st.Counts.Hosts != 1 {
			t.Errorf("%+v", st)
		}
		s.c.Offered()
		if p := s.c.Status().Phase; p != hosts.PhaseWorking {
			t.Error(p)
		}
		g, err := hosts.Look(t.Context(), link)
		if text, _ := json.Marshal(g); err != nil || g.Run != "run-1" || g.KeyID != keys().ID() || g.Kept != st.Kept || strings.Contains(string(text), "data") {
			t.Errorf("%s, %v", text, err)
		}
		must(t, s.take(m).Answer(t.Context(), nil))
	})
}

// TestJoinAtTheEnd: who comes when a run ends waits for the next one.
func TestJoinAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		old, held := s.join("old")
		go func() {
			time.Sleep(time.Second)
			s.c.End(nil)
			<-s.ended
			s.link.Close()
			old.Leave()
			held.Close()
			s.lead("run-2")
		}()
		time.Sleep(2 * time.Second)
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		if m.Run() != "run-2" {
			t.Error(m.Run())
		}
	})
}

// TestOverBeforeJoin: who waits while a run begins and ends leaves with it.
func TestOverBeforeJoin(t *testing.T) {
	for _, why := range []error{nil, errors.New("interrupted")} {
		bubble(t, func(t *testing.T, s *site) {
			link := s.q.Link()
			defer link.Close()
			joined := make(chan error, 1)
			go func() {
				_, err := hosts.Join(t.Context(), hosts.JoinOptions{Link: link, Keys: keys(), Hello: hosts.Hello{Host: "a", Firn: "1.0"}, Wait: time.Hour})
				joined <- err
			}()
			synctest.Wait()
			time.Sleep(time.Minute) // it asks every 2 seconds, and has asked a moment ago
			s.lead("run-1")
			s.c.End(why)
			err := <-joined
			early, is := errors.AsType[*hosts.EarlyError](err)
			if !errors.Is(err, hosts.ErrOver) || is != (why != nil) || is && early.Why != why.Error() {
				t.Error(err)
			}
			<-s.ended
		})
	}
}
