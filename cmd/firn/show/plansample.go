package show

import (
	"fmt"
	"math"

	"firn/cmd/firn/ui"
	"firn/stages/stage/forecast"
	"firn/stages/stage/sample"
)

// sample prints what was measured on a part of the tree.
func (p *Printer) sample(r *forecast.Report) {
	s := r.Sample
	if s == nil {
		return
	}
	p.line("")
	read := fmt.Sprintf("Measured on a sample of %s of %s, with %s", ui.Bytes(s.Read), ui.Bytes(s.Tree), ui.Count(int64(s.Workers), "compress worker"))
	if s.Capped {
		read += " (more would tell little more)"
	}
	if s.Faults > 0 {
		read += "; not read: " + ui.Count(s.Faults, "file")
	}
	p.wrap(read + ":")
	rows := [][]string{{"ALGORITHM", "<RATIO", "<A CORE, MiB/s", "<~STORED", "<~FIRST RUN", "LIMIT"}}
	for i, t := range s.Trials {
		name := fmt.Sprintf("%s %d", t.Algorithm, t.Level)
		if i == 0 {
			name += " *"
		}
		takes, ofLink := t.Takes(s.Tree, s.Workers, r.Assume.Rate)
		limit := "compress"
		if ofLink {
			limit = "link"
		}
		stored := t.Stored(s.Tree)
		rows = append(rows, []string{
			name, "<" + span(t.Ratio, 1), "<" + span(t.Rate, 1<<20),
			"<" + between(short(int64(stored.From)), short(int64(stored.To)), stored.To > 0), "<" + between(ui.Duration(forecast.Duration(takes.From)), ui.Duration(forecast.Duration(takes.To)), takes.To > 0), limit,
		})
	}
	p.tight(rows)
	if p.o.Quiet {
		return
	}
	p.wrap(fmt.Sprintf("Ranges hold the true value with 95 %%, as far as the sample tells. ~FIRST RUN: the slower of compression and a link of %s/s (--assume-rate).", ui.Bytes(int64(r.Assume.Rate))))
	if better := faster(r); better != "" {
		p.wrap(better)
	}
}

// faster says which algorithm makes the first run much faster than the one that was chosen.
func faster(r *forecast.Report) string {
	s := r.Sample
	chosen := s.Trials[0]
	now, _ := chosen.Takes(s.Tree, s.Workers, r.Assume.Rate)
	best, least := -1, now.Value*2/3
	for i, t := range s.Trials {
		if takes, _ := t.Takes(s.Tree, s.Workers, r.Assume.Rate); takes.Value < least && t.Rate.Apart(chosen.Rate) {
			best, least = i, takes.Value
		}
	}
	if best < 0 {
		return ""
	}
	t := s.Trials[best]
	change := chosen.Ratio.Value/t.Ratio.Value - 1
	word := "more"
	if change < 0 {
		word = "less"
	}
	return fmt.Sprintf("With --compression-algorithm %s a first run takes ~%s in place of ~%s, and stores %.0f %% %s.",
		t.Algorithm, ui.Duration(forecast.Duration(least)), ui.Duration(forecast.Duration(now.Value)), 100*math.Abs(change), word)
}

// span is a range in units.
func span(r sample.Range, unit float64) string {
	if r.Count == 1 {
		return fmt.Sprintf("%.2f", r.Value/unit)
	}
	return between(fmt.Sprintf("%.2f", r.Low/unit), fmt.Sprintf("%.2f", r.High/unit), !r.Unbounded)
}

func between(from, to string, known bool) string {
	switch {
	case !known:
		return from + "-?"
	case from == to:
		return from
	}
	return from + "-" + to
}

type jsonSample struct {
	Read    int64       `json:"read_bytes"`
	Tree    int64       `json:"of_bytes"`
	Faults  int64       `json:"sample_faults"`
	Workers int         `json:"compress_workers"`
	Trials  []jsonTrial `json:"trials"`
}

type jsonTrial struct {
	Algorithm string   `json:"algorithm"`
	Level     int      `json:"trial_level"`
	Ratio     jsonSpan `json:"compressed_ratio"`
	Rate      jsonSpan `json:"bytes_per_core_second"`
	Stored    jsonSpan `json:"compressed_bytes"`
	Takes     jsonSpan `json:"first_run_seconds"`
}

type jsonSpan struct {
	Value float64 `json:"value"`
	From  float64 `json:"from"`
	To    float64 `json:"to,omitempty"`
}

func sampleObject(r *forecast.Report) *jsonSample {
	s := r.Sample
	o := &jsonSample{Read: s.Read, Tree: s.Tree, Faults: s.Faults, Workers: s.Workers}
	measured := func(m sample.Range) jsonSpan {
		if m.Unbounded {
			return jsonSpan{Value: m.Value, From: m.Low}
		}
		return jsonSpan{m.Value, m.Low, m.High}
	}
	estimated := func(s forecast.Span) jsonSpan { return jsonSpan{s.Value, s.From, s.To} }
	for _, t := range s.Trials {
		takes, _ := t.Takes(s.Tree, s.Workers, r.Assume.Rate)
		o.Trials = append(o.Trials, jsonTrial{t.Algorithm, t.Level, measured(t.Ratio), measured(t.Rate), estimated(t.Stored(s.Tree)), estimated(takes)})
	}
	return o
}
