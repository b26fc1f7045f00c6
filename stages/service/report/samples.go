package report

import (
	"time"

	"firn/pipeline"
)

const (
	// window is the time over which rates are measured, in seconds.
	window = 60
	// step is the least time between two samples that are kept.
	step = 1
)

// A tally is what a run has moved, and in what time, in seconds. Times in which it could do nothing but
// wait for a service or for a thaw are left out of both.
type tally struct {
	time                                    float64
	busy                                    float64 // of time, in which a half did something
	first, second, compressed, scans, ended float64
	quickest                                float64 // the most that ended in a second
	swiftest                                float64 // the most bytes of the second half in a second in which it moved
	stages                                  []spent
}

// spent is the time of a stage: in which it did something, in which its workers worked, and what there
// was of their time.
type spent struct {
	name                  string
	active, busy, offered float64
}

// samples are those of the last minute, the oldest first; the last one is that of now.
type samples struct {
	last *look
	all  []tally
}

// add adds what was seen, and returns what was done within the last minute.
func (s *samples) add(now *look) tally {
	if s.last == nil {
		s.last, s.all = &look{}, []tally{{}}
	}
	next := s.all[len(s.all)-1].with(s.last, now)
	s.last = now
	switch n := len(s.all); {
	case next.first+next.second == 0 && next.ended == 0: // nothing has begun: how long that took says nothing
		s.all = []tally{next}
	case n > 1 && next.time-s.all[n-2].time < step:
		s.all[n-1] = next
	default:
		s.all = append(s.all, next)
	}
	for len(s.all) > 2 && next.time-s.all[1].time >= window {
		s.all = s.all[1:]
	}
	sum := next.since(s.all[0])
	for i, t := range s.all[1:] {
		if took := t.time - s.all[i].time; took >= step/2. {
			sum.quickest = max(sum.quickest, (t.ended-s.all[i].ended)/took)
		}
		if active := t.stage(now.load.Second).active - s.all[i].stage(now.load.Second).active; active > 0 {
			sum.swiftest = max(sum.swiftest, (t.second-s.all[i].second)/active)
		}
	}
	return sum
}

// with adds what was done between two looks. In an outage, what moves is what the service takes or
// gives; all else that happens then does not count, as its time does not.
func (t tally) with(before, now *look) tally {
	span := (now.elapsed - before.elapsed).Seconds()
	if span <= 0 {
		return t
	}
	lost := min(max((now.lost-before.lost).Seconds(), 0), span)
	switch {
	case before.idle && now.idle:
		lost = span
	case now.waits: // what of the time was a wait alone is seen by what else there was
		active := 0.0
		for _, c := range now.stages {
			if c.Stage != StageFind {
				active = max(active, (c.Active - before.stage(c.Stage).Active).Seconds())
			}
		}
		lost = max(lost, span-active)
	}
	share := (span - lost) / span
	t.time += span - lost
	t.first += moved(now.load.Done-before.load.Done, now.load.First, share)
	t.second += moved(now.load.Sent-before.load.Sent, now.load.Second, share)
	t.compressed += share * float64(now.stage(StageCompress).BytesIn-before.stage(StageCompress).BytesIn)
	t.scans += share * float64(now.entries-before.entries)
	t.ended += share * float64(now.ended-before.ended)
	stages := make([]spent, len(now.stages))
	for i, c := range now.stages {
		was := before.stage(c.Stage)
		stages[i] = t.stage(c.Stage)
		stages[i].add(c, was, share)
	}
	t.busy += now.busy(before) * (span - lost)
	t.stages = stages
	return t
}

// busy is the share of the time since before in which one half did something, or the other, if they took
// turns.
func (l *look) busy(before *look) float64 {
	span, first, second := (l.elapsed - before.elapsed).Seconds(), 0.0, 0.0
	for _, c := range l.stages {
		was := before.stage(c.Stage)
		switch c.Stage {
		case l.load.Second:
			second = (c.Active - was.Active).Seconds() / span
		case l.load.First, StageWalk:
			first = max(first, (c.Active-was.Active).Seconds()/span)
		case StageCompress:
			first = max(first, c.BusyShare(was))
		}
	}
	return min(first+second, 1)
}

// moved is how much of the bytes counts that moved in a time of which a share does.
func moved(bytes int64, stage string, share float64) float64 {
	if remote := stage == StageUpload || stage == StageFetch; remote && share > 0 {
		share = 1
	}
	return share * float64(bytes)
}

func (s *spent) add(now, was pipeline.Counters, share float64) {
	span := func(now, was time.Duration) float64 { return share * max((now-was).Seconds(), 0) }
	s.active += span(now.Active, was.Active)
	s.busy += span(now.Busy, was.Busy)
	s.offered += span(now.Offered, was.Offered)
}

// stage returns the time of a stage, zero if there is none.
func (t *tally) stage(name string) spent {
	for _, s := range t.stages {
		if s.name == name {
			return s
		}
	}
	return spent{name: name}
}

// paces are how many bytes a second stages moved while they had something to do, when that was known last.
type paces map[string]float64

// of is the pace of a stage in a time in which it moved so many bytes. If these are fewer than tell how fast
// they move, it is that of before, unless the stage stands still; 0 if it is not known.
func (p paces) of(t *tally, stage string, moved, enough float64) float64 {
	active := t.stage(stage).active
	switch {
	case active > 0 && moved > 0 && moved >= enough:
		p[stage] = moved / active
	case active > t.time/2:
		return 0
	}
	return p[stage]
}

// since is what t has more than before.
func (t tally) since(before tally) tally {
	stages := make([]spent, len(t.stages))
	for i, s := range t.stages {
		was := before.stage(s.name)
		stages[i] = spent{s.name, s.active - was.active, s.busy - was.busy, s.offered - was.offered}
	}
	return tally{
		t.time - before.time, t.busy - before.busy,
		t.first - before.first, t.second - before.second, t.compressed - before.compressed, t.scans - before.scans, t.ended - before.ended, 0, 0,
		stages,
	}
}

// share is how busy the workers of a stage were, from 0 to 1.
func (s spent) share() float64 {
	if s.offered <= 0 {
		return 0
	}
	return min(s.busy/s.offered, 1)
}
