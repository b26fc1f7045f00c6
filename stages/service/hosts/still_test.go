package hosts_test

import (
	"sync/atomic"
	"testing"
	"time"

	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// TestStill: a coordinator that stood still for a minute does not take back what its workers have done: it
// was not they who were silent.
func TestStill(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var still atomic.Bool
		s.q.Lose = func(m hoststest.Message) bool { return m.Kind == hoststest.Told && still.Load() }
		s.lead("run-1", func(o *hosts.Options) {
			o.Totals = &report.Totals{}
			o.Progress = func() report.Progress {
				if still.Load() {
					time.Sleep(time.Minute)
					still.Store(false)
				}
				return report.Progress{}
			}
		})
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x")
		w := s.take(m)
		task := report.NewWorks(report.StageArchive, report.StageUpload).Begin(w, report.StageArchive, 100, 100, 0)
		task.First(60)
		w.Follow(task)
		time.Sleep(5 * time.Second)
		still.Store(true)
		for range 100 {
			time.Sleep(time.Second)
			if l := s.works.Load(); l.Done != 60 {
				t.Fatalf("%+v", l)
			}
		}
		must(t, w.Answer(t.Context(), nil))
		s.finish(nil)
	})
}
