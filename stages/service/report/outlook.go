package report

import "time"

// An Outlook says how a run gets on, from samples of its counters over the last minute.
type Outlook struct {
	// Flows are those of the stages that move bytes, in the order of the data: of a backup read,
	// compress, upload; of a restore fetch, extract; of a verification fetch.
	Flows []Flow
	Left  time.Duration // until all is through, a thaw's wait left out; -1: it can't be told yet
	Limit string        // the stage with the most left to do at its rate; "" if it is unknown
	Thaw  bool          // what is left waits for a thaw, which Left does not count
}

// A Flow is how the bytes of one stage get on.
type Flow struct {
	Stage       string  // its name
	Done, Total int64   // bytes; Total 0: it can't be told yet
	About       bool    // Total is estimated
	Share       float64 // of Total that is done, from 0 to 1: it never falls; -1: it can't be told yet
	Rate        float64 // bytes a second in the last minute
	Busy        float64 // share of the last minute in which the stage's workers worked, from 0 to 1
	Ratio       float64 // bytes in for each byte out; 0: that is not known, or it makes no sense
}

// An Observer keeps samples of a run's counters. It is not for many goroutines. The zero value is
// ready.
type Observer struct{ share map[string]float64 }

// Look adds a sample, and says how the run gets on. t may be nil: then there is no more than p has.
func (o *Observer) Look(p Progress, t *Totals, now time.Time) Outlook {
	out := Outlook{Left: -1}
	for _, c := range p.Stages {
		f := Flow{Stage: c.Stage, Share: -1}
		switch c.Stage {
		case StageArchive:
			f.Stage, f.Done = StageRead, c.BytesOut
			if t != nil && t.Final() {
				f.Total = t.Bytes.Load() - t.UnreadBytes.Load()
				f.Done = min(f.Done, f.Total)
			}
		case StageCompress:
			f.Done = c.BytesIn
		case StageUpload:
			f.Done = c.BytesOut
		case StageFetch:
			f.Done = c.BytesIn
		case StageExtract:
			f.Done = c.BytesOut
		default:
			continue
		}
		if s := p.Elapsed.Seconds(); s > 0 {
			f.Rate = float64(f.Done) / s
		}
		if c.BytesIn > 0 && c.BytesOut > 0 {
			f.Ratio = float64(c.BytesIn) / float64(c.BytesOut)
		}
		f.Busy = c.BusyShare(c)
		out.Flows = append(out.Flows, f)
	}
	return out
}
