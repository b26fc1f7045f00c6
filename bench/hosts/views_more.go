package main

import (
	"fmt"
	"io"

	"firn/bench/hosts/chart"
	"firn/bench/hosts/rates"
	"firn/bench/hosts/sim"
)

// limits are the closed forms for sites that differ, beside what is simulated.
type limits struct {
	site      *site
	simulated []int
	lines     []chart.Line
}

// limitSkew is where the largest subtree of a million does not bind 256 hosts.
const limitSkew = 0.5

func newLimits(s *site, y *study) (view, error) {
	v := &limits{site: s}
	for _, n := range manyHosts {
		c, err := s.at(n, limitSkew)
		if err != nil {
			return nil, err
		}
		v.simulated = append(v.simulated, y.add(c))
	}
	inMemory, err := s.measured.Value(rates.Messages + rates.InMemory)
	if err != nil {
		return nil, err
	}
	shared := func(s *site) { s.lstat = 50_000 }
	for _, l := range []struct {
		name, limit string
		change      func(*site)
	}{
		{"the hosts themselves", "", func(*site) {}},
		{"walk, 50,000 lstat/s", sim.LimitWalk, shared},
		{"bucket, parts of 8 MiB", sim.LimitBucket, func(s *site) { s.part = 8 << 20 }},
		{"bucket, parts of 64 MiB", sim.LimitBucket, func(s *site) { s.part = 64 << 20 }},
		{"broker, on a disk", sim.LimitBroker, func(*site) {}},
		{"broker, in memory", sim.LimitBroker, func(s *site) { s.broker = inMemory }},
		{"coordinator's record", sim.LimitRecord, func(*site) {}},
		{"walk, local", sim.LimitWalk, func(*site) {}},
	} {
		line := chart.Line{Name: l.name, Dashed: l.limit == ""}
		for _, n := range manyHosts {
			other := *s
			l.change(&other)
			c, err := other.at(n, limitSkew)
			if err != nil {
				return nil, err
			}
			seconds := c.Linear()
			for _, k := range c.Limits() {
				if k.Name == l.limit {
					seconds = k.Seconds
				}
			}
			line.Points = append(line.Points, [2]float64{float64(n), seconds})
		}
		v.lines = append(v.lines, line)
	}
	return v, nil
}

func (v *limits) table(w io.Writer, y *study) {
	cells, _ := hostNumbers(manyHosts)
	header(w, "The least time by each limit, skew "+chart.Number(limitSkew)+".", append([]string{"limit"}, cells...)...)
	for _, l := range append(v.lines, v.line(y)) {
		cells := []string{l.Name}
		for _, p := range l.Points {
			cells = append(cells, duration(p[1]))
		}
		row(w, cells...)
	}
}

// line is what is simulated.
func (v *limits) line(y *study) chart.Line {
	l := chart.Line{Name: "simulated"}
	for k, i := range v.simulated {
		l.Points = append(l.Points, [2]float64{float64(manyHosts[k]), y.results[i].Seconds})
	}
	return l
}

func (v *limits) drawings(y *study) map[string]drawing {
	_, ticks := hostNumbers(manyHosts)
	return map[string]drawing{"hosts-limits.svg": &chart.Plot{
		Title: "No run is faster than its limits (skew " + chart.Number(limitSkew) + ")", X: "hosts", Y: "time", Xs: ticks,
		Ys: []float64{60, 600, hour, 10 * hour, 4 * day, 40 * day}, YText: tick, Lines: append(v.lines, v.line(y)),
	}}
}

// failures compare hosts that fail with hosts that do not.
type failures struct {
	calm []int
	sets []failureSet
}

type failureSet struct {
	name string
	sim.Failures
	at []int
}

func newFailures(s *site, y *study) (view, error) {
	v := &failures{sets: []failureSet{
		{name: "every 6 h", Failures: sim.Failures{Mean: 6 * hour, Restart: 300}},
		{name: "every 24 h", Failures: sim.Failures{Mean: 24 * hour, Restart: 300}},
		{name: "every 30 d", Failures: sim.Failures{Mean: 720 * hour, Restart: 300}},
		{name: "every 30 d, for good", Failures: sim.Failures{Mean: 720 * hour}},
	}}
	for _, n := range someHosts {
		c, err := s.at(n, limitSkew)
		if err != nil {
			return nil, err
		}
		v.calm = append(v.calm, y.add(c))
		for k := range v.sets {
			c.Failures = v.sets[k].Failures
			v.sets[k].at = append(v.sets[k].at, y.add(c))
		}
	}
	return v, nil
}

func (v *failures) table(w io.Writer, y *study) {
	cells, _ := hostNumbers(someHosts)
	header(w, "Hosts that fail and come back after 5 minutes, or not: time × that without failures; failures; subtrees worked on again after their object was complete; subtrees not saved; share of what was sent for nothing.", append([]string{"each host"}, cells...)...)
	for _, set := range v.sets {
		cells := []string{set.name}
		for k, i := range set.at {
			r := y.results[i]
			cells = append(cells, fmt.Sprintf("%.3f; %d; %d; %d; %.2g %%", r.Seconds/y.results[v.calm[k]].Seconds, r.Lost, r.Twice, r.Failed+r.Left, 100*r.Wasted/r.Sent))
		}
		row(w, cells...)
	}
}

func (v *failures) drawings(*study) map[string]drawing { return nil }

// A choice compares settings of the queue: the limit that binds ÷ time.
type choice struct {
	title, name string
	skews       []float64
	values      []int
	hosts       []int
	at          [][][]int
}

func newAhead(s *site, y *study) (view, error) {
	v := &choice{
		title: "The limit that binds ÷ time, by the number of subtrees of which the largest goes first.", name: "held ahead",
		skews: []float64{0.5, 0.8, 1}, values: []int{10_000, 100_000, 1_000_000}, hosts: []int{16, 64, 256},
	}
	return v, v.add(s, y, func(s *site, ahead int) { s.ahead = ahead })
}

func newHold(s *site, y *study) (view, error) {
	v := &choice{
		title: "The limit that binds ÷ time, by what a worker takes ahead, with links of 1 Gbit/s, and all subtrees held ahead.", name: "taken and not sent",
		skews: []float64{0.5, 0.8, 1}, values: []int{2, 8, 32, 1000}, hosts: []int{4, 16, 64},
	}
	return v, v.add(s, y, func(s *site, hold int) { s.hold, s.ahead, s.link = hold, int(s.load.Subtrees), gbit })
}

func (v *choice) add(s *site, y *study, set func(*site, int)) error {
	for _, skew := range v.skews {
		var of [][]int
		for _, value := range v.values {
			var row []int
			for _, n := range v.hosts {
				other := *s
				set(&other, value)
				c, err := other.at(n, skew)
				if err != nil {
					return err
				}
				row = append(row, y.add(c))
			}
			of = append(of, row)
		}
		v.at = append(v.at, of)
	}
	return nil
}

func (v *choice) table(w io.Writer, y *study) {
	cells, _ := hostNumbers(v.hosts)
	header(w, v.title, append([]string{"skew, " + v.name}, cells...)...)
	for k, skew := range v.skews {
		for j, value := range v.values {
			cells := []string{fmt.Sprintf("%s, %d", chart.Number(skew), value)}
			for _, i := range v.at[k][j] {
				cells = append(cells, fmt.Sprintf("%.2f", y.results[i].Limits[0].Seconds/y.results[i].Seconds))
			}
			row(w, cells...)
		}
	}
}

func (v *choice) drawings(*study) map[string]drawing { return nil }
