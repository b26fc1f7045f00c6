package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"firn/bench/hosts/chart"
	"firn/bench/hosts/sim"
)

// A view is a table, and drawings by the names of their files.
type view interface {
	table(w io.Writer, y *study)
	drawings(y *study) map[string]drawing
}

type drawing interface{ Write(io.Writer) error }

func draw(name string, d drawing) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Write(f), f.Close())
}

// row prints a row of a Markdown table.
func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func header(w io.Writer, title string, cells ...string) {
	fmt.Fprintf(w, "\n%s\n\n", title)
	row(w, cells...)
	row(w, strings.Split("---"+strings.Repeat(" --:", len(cells)-1), " ")...)
}

func hostNumbers(all []int) (cells []string, ticks []float64) {
	for _, n := range all {
		cells, ticks = append(cells, fmt.Sprint(n)), append(ticks, float64(n))
	}
	return cells, ticks
}

// duration is so many seconds, for people.
func duration(seconds float64) string {
	switch {
	case seconds < 90*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 72*hour:
		return fmt.Sprintf("%.1f h", seconds/hour)
	}
	return fmt.Sprintf("%.1f d", seconds/day)
}

// tick is a round time on an axis.
func tick(seconds float64) string {
	switch {
	case seconds < hour:
		return chart.Number(seconds/60) + " min"
	case seconds < 2*day:
		return chart.Number(seconds/hour) + " h"
	}
	return chart.Number(seconds/day) + " d"
}

// speed is time and speed by hosts and skew.
type speed struct{ at [][]int }

func newSpeed(s *site, y *study) (view, error) {
	v := &speed{}
	for _, skew := range skews {
		var row []int
		for _, n := range manyHosts {
			c, err := s.at(n, skew)
			if err != nil {
				return nil, err
			}
			row = append(row, y.add(c))
		}
		v.at = append(v.at, row)
	}
	return v, nil
}

// names of what binds, in the order of their colours.
var bindings = []struct{ limit, name string }{
	{sim.LimitCPU, "processors"}, {sim.LimitLink, "links"}, {sim.LimitScan, "scans"}, {sim.LimitLargest, "largest subtree"},
	{sim.LimitBucket, "bucket's requests"}, {sim.LimitBroker, "broker"}, {sim.LimitWalk, "coordinator's walk"}, {sim.LimitRecord, "coordinator's record"},
}

func binding(r *sim.Result) (i int) {
	for i = range bindings {
		if bindings[i].limit == r.Limits[0].Name {
			return i
		}
	}
	return 0
}

func (v *speed) table(w io.Writer, y *study) {
	cells, _ := hostNumbers(manyHosts)
	header(w, "Time, and what binds, by skew and hosts.", append([]string{"skew"}, cells...)...)
	for k, skew := range skews {
		cells := []string{chart.Number(skew)}
		for _, i := range v.at[k] {
			cells = append(cells, fmt.Sprintf("%s, %s", duration(y.results[i].Seconds), bindings[binding(y.results[i])].name))
		}
		row(w, cells...)
	}
	header(w, "Largest subtree, by skew.", "skew", "share of all", "bytes", "alone on a host")
	for k, skew := range skews {
		c := &y.cases[v.at[k][0]]
		alone := 0.0
		for _, l := range y.results[v.at[k][0]].Limits {
			if l.Name == sim.LimitLargest {
				alone = l.Seconds
			}
		}
		row(w, chart.Number(skew), fmt.Sprintf("%.2g %%", 100*c.Load.Largest()), fmt.Sprintf("%.2g TB", c.Load.Largest()*c.Load.Bytes/1e12), duration(alone))
	}
}

func (v *speed) drawings(y *study) map[string]drawing {
	cells, ticks := hostNumbers(manyHosts)
	p := &chart.Plot{Title: "Simulated: how many times as fast as one host", X: "hosts", Y: "times as fast", Xs: ticks, Ys: ticks}
	linear := chart.Line{Name: "linear", Dashed: true}
	for _, n := range ticks {
		linear.Points = append(linear.Points, [2]float64{n, n})
	}
	p.Lines = append(p.Lines, linear)
	g := &chart.Grid{Title: "Simulated: what binds, and the share of linear speed (%)", X: "hosts", Y: "skew", Columns: cells}
	for _, b := range bindings {
		g.Names = append(g.Names, b.name)
	}
	for k, skew := range skews {
		l := chart.Line{Name: "skew " + chart.Number(skew)}
		one := y.results[v.at[k][0]].Seconds
		var cells []chart.Cell
		for j, i := range v.at[k] {
			r := y.results[i]
			l.Points = append(l.Points, [2]float64{ticks[j], one / r.Seconds})
			cells = append(cells, chart.Cell{Name: binding(r), Text: fmt.Sprintf("%.0f", 100*y.cases[i].Linear()/r.Seconds)})
		}
		p.Lines = append(p.Lines, l)
		g.Rows, g.Cells = append(g.Rows, chart.Number(skew)), append(g.Cells, cells)
	}
	return map[string]drawing{"hosts-speed.svg": p, "hosts-binds.svg": g}
}
