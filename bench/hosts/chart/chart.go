// Package chart draws figures as small SVG files that a person can read and change: lines over two
// logarithmic axes, and maps of which of several names holds where. The same input gives the same
// bytes. The viewer's preference decides between light and dark.
package chart

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Sizes in pixels.
const (
	width, height = 720, 420
	left, right   = 64, 168 // of the frame; to the right are the names of lines
	top, bottom   = 52, 48
	lineHeight    = 15
)

// A Line joins points, in the order of their X.
type Line struct {
	Name   string
	Points [][2]float64
	Dashed bool // what it is compared with
	Dots   bool // it was measured, at these points
}

// A Plot is a picture of lines.
type Plot struct {
	Title, X, Y string // what is drawn, and the units of the axes
	Xs, Ys      []float64
	YText       func(float64) string // nil: as a number
	Lines       []Line
}

// styles hold for light and dark pages.
const styles = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: bold; font-size: 13px }
.page { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0; fill: none } .line { fill: none; stroke-width: 2 } .dashed { stroke-dasharray: 6 4 }
.s0 { stroke: #59636e } .s1 { stroke: #0969da } .s2 { stroke: #bc4c00 } .s3 { stroke: #116329 } .s4 { stroke: #8250df } .s5 { stroke: #cf222e } .s6 { stroke: #1b7c83 } .s7 { stroke: #7d4e00 }
.f0 { fill: #59636e } .f1 { fill: #0969da } .f2 { fill: #bc4c00 } .f3 { fill: #116329 } .f4 { fill: #8250df } .f5 { fill: #cf222e } .f6 { fill: #1b7c83 } .f7 { fill: #7d4e00 }
.cell { fill-opacity: 0.25 } .mid { text-anchor: middle } .end { text-anchor: end }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .page { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d }
  .s0 { stroke: #9198a1 } .s1 { stroke: #58a6ff } .s2 { stroke: #f0883e } .s3 { stroke: #3fb950 } .s4 { stroke: #bc8cff } .s5 { stroke: #ff7b72 } .s6 { stroke: #39c5cf } .s7 { stroke: #d29922 }
  .f0 { fill: #9198a1 } .f1 { fill: #58a6ff } .f2 { fill: #f0883e } .f3 { fill: #3fb950 } .f4 { fill: #bc8cff } .f5 { fill: #ff7b72 } .f6 { fill: #39c5cf } .f7 { fill: #d29922 }
}
`

const series = 8

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

// begin writes what comes before what is drawn.
func begin(w io.Writer, height int, title string) {
	fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n<title>%s</title>\n<style>%s</style>\n",
		width, height, width, height, escape(title), styles)
	fmt.Fprintf(w, "<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", width-1, height-1)
	text(w, "title", left, 22, title)
}

func text(w io.Writer, class string, x, y float64, words string) {
	if class != "" {
		class = fmt.Sprintf(" class=%q", class)
	}
	fmt.Fprintf(w, "<text%s x=\"%s\" y=\"%s\">%s</text>\n", class, pixel(x), pixel(y), escape(words))
}

// pixel is a coordinate, to a tenth.
func pixel(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0") }

// Number is a value with as many digits as say something.
func Number(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return strings.TrimRight(fmt.Sprintf("%.2f", v), "0")
}

// Write draws a plot. Each axis ends at the first and the last of its ticks.
func (p *Plot) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	begin(w, height, p.Title)
	for _, v := range p.Xs {
		x := p.x(v)
		fmt.Fprintf(w, "<path class=\"grid\" d=\"M%s %d V%d\"/>\n", pixel(x), top, height-bottom)
		text(w, "mid", x, height-bottom+18, Number(v))
	}
	number := p.YText
	if number == nil {
		number = Number
	}
	for _, v := range p.Ys {
		y := p.y(v)
		fmt.Fprintf(w, "<path class=\"grid\" d=\"M%d %s H%d\"/>\n", left, pixel(y), width-right)
		text(w, "end", left-6, y+4, number(v))
	}
	text(w, "mid", (left+width-right)/2, height-10, p.X)
	text(w, "", left, top-8, p.Y)
	at := p.labels()
	for i, l := range p.Lines {
		p.line(w, i, l)
		text(w, fmt.Sprintf("f%d", i%series), width-right+8, at[i], l.Name)
	}
	fmt.Fprintln(w, "</svg>")
	return w.Flush()
}

// place is where a value is between the first and the last tick: 0 to 1.
func place(ticks []float64, v float64) float64 {
	first, last := math.Log(ticks[0]), math.Log(ticks[len(ticks)-1])
	return min(1, max(0, (math.Log(v)-first)/(last-first)))
}

func (p *Plot) x(v float64) float64 { return left + place(p.Xs, v)*(width-left-right) }
func (p *Plot) y(v float64) float64 {
	return height - bottom - place(p.Ys, v)*(height-top-bottom)
}

func (p *Plot) line(w io.Writer, i int, l Line) {
	class := fmt.Sprintf("line s%d", i%series)
	if l.Dashed {
		class += " dashed"
	}
	var points []string
	for _, q := range l.Points {
		points = append(points, pixel(p.x(q[0]))+","+pixel(p.y(q[1])))
	}
	fmt.Fprintf(w, "<polyline class=%q points=%q/>\n", class, strings.Join(points, " "))
	if l.Dots {
		for _, q := range l.Points {
			fmt.Fprintf(w, "<circle class=\"f%d\" cx=\"%s\" cy=\"%s\" r=\"4\"/>\n", i%series, pixel(p.x(q[0])), pixel(p.y(q[1])))
		}
	}
}

// labels are where the names of lines stand: at their ends, one below the other.
func (p *Plot) labels() []float64 {
	at := make([]float64, len(p.Lines))
	order := make([]int, len(p.Lines))
	for i, l := range p.Lines {
		order[i], at[i] = i, p.y(l.Points[len(l.Points)-1][1])+4
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	for k := 1; k < len(order); k++ {
		at[order[k]] = max(at[order[k]], at[order[k-1]]+lineHeight)
	}
	lowest := float64(height - bottom + 4)
	for k := len(order) - 1; k >= 0 && at[order[k]] > lowest; k-- {
		at[order[k]] = lowest
		lowest -= lineHeight
	}
	return at
}
