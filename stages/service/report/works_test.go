package report

import (
	"testing"
	"time"
)

// TestWorks: what fails is taken back, what is spared is no work, and what ends is not in work any more.
func TestWorks(t *testing.T) {
	w := NewWorks(StageArchive, StageUpload)
	for range 4 {
		w.Looked(100, 0, true)
	}
	w.Looked(1000, 0, false)
	w.Leave(100)
	sent := w.Begin(&thing{name: "sent"}, StageArchive, 100, 100, 0)
	sent.First(120) // headers too
	sent.FirstDone(50)
	sent.Spare(20)
	sent.Doing(StageUpload)
	sent.Second(25)
	sent.Second(-10)
	failed := w.Begin(&thing{name: "failed"}, StageArchive, 90, 90, 0)
	failed.First(30)
	failed.FirstAgain()
	failed.First(10)
	l := w.Load()
	if l.Looked != 1400 || l.Planned != 300 || l.Begun != 190 || l.Waiting != 1 || l.Done != 110 || l.Raw != 130 || l.Made != 100 || l.Known != 30 || l.Sent != 15 {
		t.Errorf("%+v", l)
	}
	now := w.Now()
	if len(now) != 2 || now[0] != (Work{"sent", StageUpload, 100, 15, 30}) || now[1] != (Work{"failed", StageArchive, 90, 10, 90}) {
		t.Errorf("%+v", now)
	}
	failed.End()
	failed.End()
	sent.SecondAgain() // what was spared is gone, too
	if l = w.Load(); l.Known != 50 || l.Sent != 0 {
		t.Errorf("again: %+v", l)
	}
	sent.Spare(20)
	sent.Second(30)
	sent.End()
	if l = w.Load(); l.Done != 190 || l.Sent != 30 || len(l.Parts)+len(w.Now()) > 0 {
		t.Errorf("in the end: %+v", l)
	}
	var none *Works
	none.Begin(nil, "", 0, 0, 0).End()
}

// TestStopped: after a soft stop, what is in work is all that is left, and no bar falls.
func TestStopped(t *testing.T) {
	w := &world{t: t, works: 100, size: even, ratio: 0.5, scan: 1000, read: 100 * mib, compress: 100 * mib, send: 20 * mib, side: 2, spool: 300 * mib}
	w.start()
	var o Observer
	var before Outlook
	for range 400 {
		w.step()
		before = o.Look(w.progress(), &w.totals, w.at(w.now))
	}
	w.queue = nil
	stopped := w.now
	var first Outlook
	for len(w.making)+len(w.made) > 0 {
		p := w.progress()
		p.Stopping = true
		if out := o.Look(p, &w.totals, w.at(w.now)); w.now == stopped {
			first = out
		}
		w.step()
	}
	took := w.now - stopped
	if left := first.Left.Seconds(); left < 0.8*took || left > 1.2*took {
		t.Errorf("what was in work took %.1f s, said %.1f", took, left)
	}
	upload := first.Flows[2]
	if sent := float64(w.all.Load().Sent); float64(upload.Total) < 0.95*sent || float64(upload.Total) > 1.05*sent {
		t.Errorf("%.0f bytes were sent: %+v", sent, upload)
	}
	for i, was := range before.Flows {
		if is := first.Flows[i]; is.Done < was.Done || is.Share < was.Share {
			t.Errorf("%+v falls to %+v", was, is)
		}
	}
}

// TestLostHost: what a lost host had in work is not done any more.
func TestLostHost(t *testing.T) {
	works, totals, o := NewWorks(StageArchive, StageUpload), new(Totals), new(Observer)
	works.Looked(100, 0, true)
	works.Looked(100, 0, true)
	look := func() Flow {
		return o.Look(Progress{Load: works.Load()}, totals, time.Now()).Flows[0]
	}
	totals.Cut.Store(true)
	for range 2 {
		task := works.Begin(nil, StageArchive, 100, 100, 0)
		task.First(100)
		if f := look(); f.Share != 0.5 {
			t.Errorf("half is read: %+v", f)
		}
		task.Back()
		if f := look(); f.Share != 0 {
			t.Errorf("nothing is read: %+v", f)
		}
	}
}

// TestFirstLook: one look tells what can be told of a run under way, and none is told what can't.
func TestFirstLook(t *testing.T) {
	w := &world{t: t, works: 100, size: even, ratio: 0.5, scan: 1000, read: 100 * mib, compress: 100 * mib, send: 20 * mib, side: 2, spool: unbounded}
	w.start()
	if out := new(Observer).Look(Progress{}, new(Totals), time.Now()); out.Left != -1 || len(out.Flows) != 0 || out.Limit != "" {
		t.Errorf("of a run that has not begun: %+v", out)
	}
	for range 200 {
		w.step()
	}
	out := new(Observer).Look(w.progress(), &w.totals, w.at(w.now))
	if left := out.Left.Seconds(); left < 180 || left > 220 || out.Limit != StageUpload {
		t.Errorf("200 s are left: %+v", out)
	}
}
