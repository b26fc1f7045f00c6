package links

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"firn/bench/stat"
)

// A row is the medians of a tool over one link, which need not be of the same round. Of the link
// itself, wall is the shortest: what else the machine did does not limit it.
type row struct {
	tool           string
	wall, cpu, all time.Duration
}

// medians are a row for each tool that uploaded a load over links of one latency, in the order in
// which they first did. The first is the link itself.
func medians(all []Result, load string, latency time.Duration) (rows []row) {
	var tools []string
	by := map[string][]Result{}
	for _, r := range all {
		if r.Load != load || r.Latency != latency {
			continue
		}
		if by[r.Tool] == nil {
			tools = append(tools, r.Tool)
		}
		by[r.Tool] = append(by[r.Tool], r)
	}
	for _, t := range tools {
		if t == linkItself {
			least := slices.MinFunc(by[t], func(a, b Result) int { return cmp.Compare(a.Wall, b.Wall) })
			rows = append(rows, row{tool: t, wall: least.Wall})
			continue
		}
		rows = append(rows, row{t,
			stat.Median(by[t], func(r Result) time.Duration { return r.Wall }),
			stat.Median(by[t], func(r Result) time.Duration { return r.CPU }),
			stat.Median(by[t], func(r Result) time.Duration { return r.All }),
		})
	}
	return rows
}

// bound returns the limit that binds a tool: the link's, or that of the processors.
func (r row) bound(link time.Duration, processors int) (limit time.Duration, by string) {
	if cpu := r.all / time.Duration(processors); cpu > link {
		return cpu, "CPU"
	}
	return link, "link"
}

// Print writes a Markdown table for each load.
func Print(w io.Writer, o Options, all []Result, processors int) error {
	peers := map[string]bool{}
	for _, t := range o.Tools {
		peers[t.Name] = t.Peer
	}
	for _, l := range o.Loads {
		fmt.Fprintf(w, "\n%s:\n\n| each way | | wall s | CPU s | × best peer | what binds | its limit s | × limit |\n|---|---|---|---|---|---|---|---|\n", l.Name)
		for _, latency := range o.Latencies {
			rows := medians(all, l.Name, latency)
			if len(rows) == 0 || rows[0].tool != linkItself {
				return fmt.Errorf("%s over %v: the link itself was not measured", l.Name, latency)
			}
			best := bestPeer(rows, peers)
			for _, r := range rows[1:] {
				limit, by := r.bound(rows[0].wall, processors)
				ratio := "–"
				if best > 0 {
					ratio = fmt.Sprintf("%.2f", float64(r.wall)/float64(best))
				}
				fmt.Fprintf(w, "| %d ms | %s | %.2f | %.2f | %s | %s | %.2f | %.2f |\n", latency.Milliseconds(), r.tool,
					r.wall.Seconds(), r.cpu.Seconds(), ratio, by, limit.Seconds(), float64(r.wall)/float64(limit))
			}
		}
	}
	return nil
}

// bestPeer is the shortest time of a peer; 0 if there is none.
func bestPeer(rows []row, peers map[string]bool) (best time.Duration) {
	for _, r := range rows {
		if peers[r.tool] && (best == 0 || r.wall < best) {
			best = r.wall
		}
	}
	return best
}
