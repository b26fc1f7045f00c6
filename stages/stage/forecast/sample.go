package forecast

import (
	"math"
	"time"

	"firn/stages/stage/sample"
)

// A Sample is what was measured on a part of the tree, on this machine.
type Sample struct {
	Read, Tree int64 // bytes of tar: of the part, and of the whole
	Capped     bool  // more was asked for
	Faults     int64 // files of the part that could not be read
	Workers    int   // that compress at the same time in a backup
	Trials     []Trial
}

// A Trial is what one algorithm did; the first of a sample is that of the backup.
type Trial struct {
	Algorithm string
	Level     int
	Ratio     sample.Range // bytes of tar for one that is stored
	Rate      sample.Range // bytes of tar per second of one core
}

// A Span is an estimate from two ends of a range; To may be unknown, 0.
type Span struct{ From, Value, To float64 }

// Stored is how many bytes a tar takes once compressed.
func (t Trial) Stored(tar int64) Span { return over(float64(tar), t.Ratio) }

// over is n over what a range says. The high end of the range gives the low one of the span.
func over(n float64, r sample.Range) (s Span) {
	if r.Value > 0 {
		s.Value = n / r.Value
	}
	if r.High > 0 && !r.Unbounded {
		s.From = n / r.High
	}
	if r.Low > 0 {
		s.To = n / r.Low
	}
	return s
}

// Takes is how many seconds a first run takes, and whether the link is what limits it: the slower of
// compression on all workers, and of a link of so many bytes a second.
func (t Trial) Takes(tar int64, workers int, link float64) (s Span, ofLink bool) {
	compress, send := over(float64(tar)/float64(max(workers, 1)), t.Rate), t.Stored(tar)
	s = Span{max(compress.From, send.From/link), max(compress.Value, send.Value/link), max(compress.To, send.To/link)}
	if compress.To == 0 || send.To == 0 {
		s.To = 0
	}
	return s, send.Value/link > compress.Value
}

// Duration is a number of seconds, up to the longest time that there is.
func Duration(seconds float64) time.Duration {
	if n := seconds * float64(time.Second); n < math.MaxInt64/2 {
		return time.Duration(n)
	}
	return math.MaxInt64 / 2 // a thaw may be added
}
