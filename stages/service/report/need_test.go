package report

import (
	"math"
	"slices"
	"testing"
	"time"

	"firn/pipeline"
)

// TestLastArchive: at a steady rate the time left is known to the end, also while the last archive takes
// longer than rates are measured; of a restore, also if nothing was ever extracted before it.
func TestLastArchive(t *testing.T) {
	for _, tt := range []struct {
		restore     bool
		works, side int
		limit       string
	}{{true, 1, 1, StageFetch}, {true, 21, 1, StageFetch}, {true, 21, 4, StageFetch}, {false, 21, 1, StageRead}, {false, 21, 4, StageRead}} {
		w := &world{
			t: t, restore: tt.restore, works: tt.works, ratio: 0.5, scan: 1000, side: tt.side, spool: unbounded,
			read: 200 << 10, compress: 1e12, send: 10 * mib,
			size: func(i int) int64 {
				if i == tt.works-1 {
					return 100 * mib
				}
				return 5 * mib
			},
		}
		for _, o := range w.run(1)[30:] {
			is := w.now - o.at
			if left := o.Left.Seconds(); o.Left < 0 || math.Abs(left-is) > max(is/5, 6) {
				t.Errorf("%+v: at %.0f s, %.0f s are left, said %v", tt, o.at, is, o.Left)
				break
			}
			if o.Limit != tt.limit && is > 10 {
				t.Errorf("%+v: at %.0f s: limited by %s", tt, o.at, o.Limit)
				break
			}
		}
	}
}

// A span is a run of which so many bytes are sent each second, and so many are left.
type span struct {
	Observer
	works  *Works
	totals Totals
	now    time.Duration
	counts []pipeline.Counters
}

func newSpan(items int64) *span {
	s := &span{works: NewWorks(StageArchive, StageUpload), counts: []pipeline.Counters{{Stage: StageArchive, Active: 1}, {Stage: StageUpload}}}
	s.totals.Cut.Store(true)
	s.totals.Subtrees.Store(items)
	s.totals.Scanned.Store(items)
	return s
}

// made is a work that is made, and has so many bytes to send.
func (s *span) made(bytes int64) *Task {
	s.works.Looked(100, 0, true)
	task := s.works.Begin(&thing{}, StageArchive, 100, 100, 0)
	task.First(100)
	task.FirstDone(bytes)
	return task
}

// pass passes a second in which a task sends bytes.
func (s *span) pass(task *Task, bytes int64) Progress {
	s.now += time.Second
	task.Second(bytes)
	s.counts[1].Active += time.Second
	return Progress{Elapsed: s.now, Load: s.works.Load(), Stages: slices.Clone(s.counts)}
}

// TestNeeds: of many hosts, the one that needs longer for what it has in hand than all would together
// decides; one that is not known to need long does not.
func TestNeeds(t *testing.T) {
	s := newSpan(1)
	task := s.made(100 * mib)
	var out Outlook
	for _, tt := range []struct {
		seconds int
		hosts   []Host
		left    time.Duration
		limit   string
	}{
		{20, nil, 80 * time.Second, StageUpload},
		{10, []Host{{Need: -1}, {Need: 30 * time.Second, Limit: StageCompress}}, 70 * time.Second, StageUpload},
		{10, []Host{{Need: -1}, {Need: 130 * time.Second, Limit: StageCompress}, {Need: 20 * time.Second}}, 130 * time.Second, StageCompress},
	} {
		for range tt.seconds {
			p := s.pass(task, mib)
			p.Hosts = tt.hosts
			out = s.Look(p, &s.totals, time.Unix(0, 0))
		}
		if out.Left.Round(time.Second) != tt.left || out.Limit != tt.limit {
			t.Errorf("hosts %+v: said %v, limited by %s", tt.hosts, out.Left, out.Limit)
		}
	}
}

// TestNeed: a worker knows what it needs for what it has in hand, though it finds nothing itself; at least
// that, if it never sent anything.
func TestNeed(t *testing.T) {
	s := newSpan(1)
	s.totals.Cut.Store(false)
	if need, _ := s.Need(Progress{}, &s.totals, time.Unix(0, 0)); need != 0 {
		t.Errorf("nothing is in hand: %v", need)
	}
	before := s.made(mib)
	s.Need(s.pass(before, mib), &s.totals, time.Unix(0, 0))
	before.End()
	for range 20 { // it has nothing to do
		s.now += time.Second
		s.Need(Progress{Elapsed: s.now, Load: s.works.Load(), Stages: slices.Clone(s.counts)}, &s.totals, time.Unix(0, 0))
	}
	task := s.made(100 * mib)
	var need time.Duration
	var limit string
	for range 20 {
		need, limit = s.Need(s.pass(task, mib), &s.totals, time.Unix(0, 0))
	}
	if need.Round(time.Second) != 80*time.Second || limit != StageUpload {
		t.Errorf("said %v, limited by %s", need, limit)
	}

	s = newSpan(0)
	s.works.Looked(1000, 0, true)
	task = s.works.Begin(&thing{}, StageArchive, 1000, 1000, 0)
	s.counts = append(s.counts, pipeline.Counters{Stage: StageCompress})
	for range 20 {
		task.First(10)
		s.counts[2].BytesIn += 10
		s.counts[2].BytesOut += 5
		s.now += time.Second
		s.counts[0].Active += time.Second
		need, limit = s.Need(Progress{Elapsed: s.now, Load: s.works.Load(), Stages: slices.Clone(s.counts)}, &s.totals, time.Unix(0, 0))
	}
	if need.Round(time.Second) != 80*time.Second || limit != StageRead {
		t.Errorf("nothing was sent: said %v, limited by %s", need, limit)
	}
}

// TestEnding: what has moved and is not recorded yet takes as long as recording takes, and is not said to be
// looked up. As long as nothing was ever recorded of a run on many hosts, no one can tell.
func TestEnding(t *testing.T) {
	for _, tt := range []struct {
		items, ended int64
		sends        int64 // bytes that another work has to send
		hosts        []Host
		left         time.Duration
		limit        string
	}{
		{41, 4, 0, []Host{{}}, 41 * time.Second / 4, StageRecord},
		{41, 0, 0, []Host{{}}, -1, ""},
		{1000, 4, 0, []Host{{}}, 1000 * time.Second / 4, StageLookup},
		{41, 0, 60 * mib, []Host{{}}, -1, StageUpload},
		{41, 0, 630 * mib, []Host{{}}, 30 * time.Second, StageUpload},
		{41, 1, 630 * mib, []Host{{}}, 30 * time.Second, StageUpload},
		{41, 0, 0, nil, 0, ""},
		{1000, 4, 0, nil, 1000 * time.Second / 4, StageLookup},
	} {
		s := newSpan(tt.items + tt.ended)
		for range 40 {
			s.made(mib).Second(mib)
		}
		last := s.made(2*mib + tt.sends)
		s.totals.DoneSubtrees.Add(tt.ended)
		var out Outlook
		for range 2 {
			p := s.pass(last, mib)
			p.Hosts = tt.hosts
			out = s.Look(p, &s.totals, time.Unix(0, 0))
		}
		if out.Left.Round(time.Second) != tt.left.Round(time.Second) || out.Limit != tt.limit {
			t.Errorf("%+v: said %v, limited by %q", tt, out.Left, out.Limit)
		}
	}
}

// TestSmallArchives: that many small archives are extracted slowly says nothing of a large one, as long as
// extracting is not what takes the time.
func TestSmallArchives(t *testing.T) {
	for _, tt := range []struct {
		busy float64 // seconds to extract a small archive, one of which comes each second
		left time.Duration
	}{{0.1, 101 * time.Second}, {1, 388 * time.Second}} {
		works := NewWorks(StageFetch, StageExtract)
		counts := []pipeline.Counters{{Stage: StageFetch}, {Stage: StageExtract}}
		var totals Totals
		totals.Cut.Store(true)
		totals.Subtrees.Store(1)
		totals.Scanned.Store(1)
		works.Looked(100*mib, 100*mib, true)
		large := works.Begin(&thing{}, StageFetch, 0, 100*mib, 100*mib)
		var o Observer
		var out Outlook
		for i := range 40 {
			bytes := int64(mib / 10)
			if i == 5 { // a large one
				bytes = 10 * mib
			}
			works.Looked(mib, bytes, true)
			small := works.Begin(&thing{}, StageFetch, 0, mib, bytes)
			small.First(mib)
			small.FirstDone(bytes)
			small.Second(bytes)
			small.End()
			counts[0].Active += time.Second
			counts[1].Active += seconds(tt.busy)
			out = o.Look(Progress{Elapsed: time.Duration(i+1) * time.Second, Load: works.Load(), Stages: slices.Clone(counts)}, &totals, time.Unix(0, 0))
		}
		if large.End(); out.Left < tt.left*9/10 || out.Left > tt.left*11/10 {
			t.Errorf("%+v: said %v, limited by %s", tt, out.Left, out.Limit)
		}
	}
}

// TestNothingSent: as long as nothing was sent, what hosts have is not said to be through as soon as it is made.
func TestNothingSent(t *testing.T) {
	s := newSpan(2)
	s.works.Looked(200, 0, true)
	s.works.Looked(100, 0, true)
	task := s.works.Begin(&thing{}, StageArchive, 200, 200, 0)
	s.counts = append(s.counts, pipeline.Counters{Stage: StageCompress})
	for _, tt := range []struct {
		hosts []Host
		left  time.Duration
	}{{nil, 20 * time.Second}, {[]Host{{Need: 5 * time.Second}}, -1}} {
		var out Outlook
		for range 10 {
			task.First(10)
			s.counts[0].Active += time.Second
			s.counts[2].BytesIn += 10
			s.counts[2].BytesOut += 5
			p := s.pass(nil, 0)
			p.Hosts = tt.hosts
			p.Stages[1].Active = 0
			out = s.Look(p, &s.totals, time.Unix(0, 0))
		}
		if out.Left.Round(time.Second) != tt.left.Round(time.Second) || tt.left < 0 && out.Left >= 0 {
			t.Errorf("%d hosts: said %v", len(tt.hosts), out.Left)
		}
	}
}
