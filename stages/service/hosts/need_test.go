package hosts_test

import (
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
)

// TestNeed: a host that has more in hand than its own link sends in the time that all need together says so,
// and the time left is that, also after another one has nothing more to do.
func TestNeed(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		const mib = 1 << 20
		begun := time.Now()
		var totals report.Totals
		totals.Subtrees.Store(2)
		totals.Scanned.Store(2)
		totals.Cut.Store(true)
		progress := func() report.Progress { return report.Progress{Elapsed: time.Since(begun), Load: s.works.Load()} }
		s.lead("run-1", func(o *hosts.Options) { o.Totals, o.Progress = &totals, progress })
		s.offer("x", "y")
		type host struct {
			m     *hosts.Member
			work  *hosts.Work
			tasks *report.Works
			task  *report.Task
		}
		var all []*host
		for _, name := range []string{"quick", "slow"} {
			h := &host{tasks: report.NewWorks(report.StageArchive, report.StageUpload)}
			m, link := s.join(name)
			defer link.Close()
			defer m.Leave()
			h.m, h.work = m, s.take(m)
			h.tasks.Looked(100, 0, true)
			h.task = h.tasks.Begin(h.work, report.StageArchive, 100, 100, 0)
			h.task.First(100)
			h.task.FirstDone(100 * mib)
			h.work.Follow(h.task)
			joined := time.Now()
			m.Watch(func() report.Progress {
				return report.Progress{Elapsed: time.Since(joined), Load: h.tasks.Load(), Stages: []pipeline.Counters{
					{Stage: report.StageArchive, Active: time.Millisecond}, {Stage: report.StageUpload, Workers: 1, Active: time.Since(joined)},
				}}
			}, &report.Totals{})
			all = append(all, h)
		}
		quick, slow := all[0], all[1]
		check := func(want time.Duration) {
			t.Helper()
			if s := s.c.Status(); s.Left < want-15*time.Second || s.Left > want+15*time.Second || s.Limit != report.StageUpload {
				t.Errorf("%v are left, said %v, limited by %s", want, s.Left, s.Limit)
			}
		}
		for range 20 {
			time.Sleep(time.Second)
			quick.task.Second(4 * mib)
			slow.task.Second(mib / 2)
		}
		check(180 * time.Second)
		for range 5 {
			time.Sleep(time.Second)
			quick.task.Second(4 * mib)
			slow.task.Second(mib / 2)
		}
		must(t, quick.work.Answer(t.Context(), nil))
		quick.task.End()
		for range 5 {
			time.Sleep(time.Second)
			slow.task.Second(mib / 2)
		}
		check(170 * time.Second)
		must(t, slow.work.Answer(t.Context(), nil))
		slow.task.End()
		s.finish(nil)
	})
}
