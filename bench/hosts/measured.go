package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"firn/bench/hosts/chart"
)

// kept is what was measured last: see measure's flag -json.
//
//go:embed measured.json
var kept []byte

// measuredView draws what was measured.
type measuredView struct{ record }

func newMeasured() (*measuredView, error) {
	v := &measuredView{}
	if err := json.Unmarshal(kept, &v.record); err != nil {
		return nil, fmt.Errorf("reading what was measured: %w", err)
	}
	return v, nil
}

// least is how long a set takes at least with so many workers: the bytes over all links, or the
// largest archive over one.
func (r *record) least(o *outcome) (links, largest float64) {
	return float64(o.Stored) / float64(r.Link) / float64(o.Workers), float64(o.Largest) / float64(r.Link)
}

func (r *record) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s: %d subtrees, %d MB, links of %.1f MB/s, %d rounds.\n", r.Date, r.Machine, r.Subtrees, r.Bytes/1e6, float64(r.Link)/1e6, r.Rounds)
	for _, s := range r.Sets {
		header(w, fmt.Sprintf("Skew %g: the largest subtree is %.1f %% of all, so it binds from %.1f workers.", s.Skew,
			100*float64(s.Outcomes[0].Largest)/float64(s.Outcomes[0].Stored), float64(s.Outcomes[0].Stored)/float64(s.Outcomes[0].Largest)),
			"workers", "wall s", "MB/s", "× one worker", "of linear", "least s", "of it", "binds", "CPU s coordinator", "CPU s workers", "CPU s server, links")
		for i := range s.Outcomes {
			o := &s.Outcomes[i]
			name := fmt.Sprint(o.Workers)
			switch o.Kind {
			case "plain":
				name = "no queue"
			case "works":
				name = fmt.Sprintf("%d, one of them the coordinator", o.Workers)
			}
			links, largest := r.least(o)
			binds := "links"
			if largest > links {
				binds = "largest subtree"
			}
			times := s.one().Wall / o.Wall
			row(w, name, fmt.Sprintf("%.1f", o.Wall), fmt.Sprintf("%.2f", float64(o.Stored)/o.Wall/1e6), fmt.Sprintf("%.2f", times), fmt.Sprintf("%.2f", times/float64(o.Workers)),
				fmt.Sprintf("%.1f", max(links, largest)), fmt.Sprintf("%.2f", max(links, largest)/o.Wall), binds, fmt.Sprintf("%.1f", o.Lead), fmt.Sprintf("%.1f", o.Work), fmt.Sprintf("%.1f", o.Others))
		}
	}
}

func (s *tinySet) print(w io.Writer) {
	header(w, fmt.Sprintf("%s: %d tiny archives into a directory, %d rounds.", s.Date, s.Items, s.Rounds),
		"", "wall s", "CPU s coordinator", "CPU s workers", "CPU ms an item", "more than with no queue, ms")
	each := 1000 / float64(s.Items)
	for _, o := range s.Outcomes {
		name := fmt.Sprintf("%d workers", o.Workers)
		if o.Kind == "plain" {
			name = "no queue"
		}
		used := o.Lead + o.Work
		row(w, name, fmt.Sprintf("%.1f", o.Wall), fmt.Sprintf("%.2f", o.Lead), fmt.Sprintf("%.2f", o.Work), fmt.Sprintf("%.2f", used*each), fmt.Sprintf("%.2f", (used-s.Outcomes[0].Lead)*each))
	}
}

// assumedRecord is the CPU time of the coordinator for an item, in seconds, where none was
// measured.
const assumedRecord = 0.0005

// coordinator is the CPU time of the coordinator for an item, with that of a broker in it.
func (v *measuredView) coordinator() float64 {
	if v.Tiny == nil || len(v.Tiny.Outcomes) == 0 {
		return assumedRecord
	}
	return v.Tiny.Outcomes[len(v.Tiny.Outcomes)-1].Lead / float64(v.Tiny.Items)
}

func (v *measuredView) table(w io.Writer, _ *study) {
	if len(v.Sets) > 0 {
		v.print(w)
	}
	if v.Tiny != nil {
		v.Tiny.print(w)
	}
}

func (v *measuredView) drawings(*study) map[string]drawing {
	if len(v.Sets) == 0 {
		return nil
	}
	ticks := []float64{1, 2, 4, 8}
	mbps := float64(v.Link) / 1e6
	p := &chart.Plot{Title: "Measured: throughput of worker processes, each behind a link of its own", X: "workers", Y: "MB/s", Xs: ticks}
	linear := chart.Line{Name: "linear", Dashed: true}
	for _, n := range ticks {
		p.Ys = append(p.Ys, n*mbps)
		linear.Points = append(linear.Points, [2]float64{n, n * mbps})
	}
	p.Ys = append([]float64{mbps / 2}, p.Ys...)
	p.Lines = append(p.Lines, linear)
	for _, s := range v.Sets {
		l := chart.Line{Name: fmt.Sprintf("skew %g", s.Skew), Dots: true}
		bound := chart.Line{Name: fmt.Sprintf("skew %g, at most", s.Skew), Dashed: true}
		for i := range s.Outcomes {
			o := &s.Outcomes[i]
			if o.Kind != "" {
				continue
			}
			links, largest := v.least(o)
			l.Points = append(l.Points, [2]float64{float64(o.Workers), float64(o.Stored) / o.Wall / 1e6})
			bound.Points = append(bound.Points, [2]float64{float64(o.Workers), float64(o.Stored) / max(links, largest) / 1e6})
		}
		p.Lines = append(p.Lines, bound, l)
	}
	return map[string]drawing{"hosts-measured.svg": p}
}
