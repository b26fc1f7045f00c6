package chart

import (
	"bufio"
	"fmt"
	"io"
)

// A Grid says for each of two values which of several names holds, and a figure.
type Grid struct {
	Title, X, Y string
	Columns     []string
	Rows        []string
	Names       []string // in the order of their colours
	Cells       [][]Cell // rows of columns
}

// A Cell names the index of a name, and a figure.
type Cell struct {
	Name int
	Text string
}

// Sizes in pixels of a grid.
const cellHeight = 34

// Write draws a grid.
func (g *Grid) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	tall := top + len(g.Rows)*cellHeight + bottom
	begin(w, tall, g.Title)
	wide := float64(width-left-right) / float64(len(g.Columns))
	text(w, "", left, top-8, g.Y)
	for r, row := range g.Cells {
		y := float64(top + r*cellHeight)
		text(w, "end", left-6, y+cellHeight/2+4, g.Rows[r])
		for c, cell := range row {
			x := left + float64(c)*wide
			fmt.Fprintf(w, "<rect class=\"cell f%d\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"/>\n", cell.Name%series, pixel(x+1), pixel(y+1), pixel(wide-2), cellHeight-2)
			text(w, "mid", x+wide/2, y+cellHeight/2+4, cell.Text)
		}
	}
	for c, name := range g.Columns {
		text(w, "mid", left+(float64(c)+0.5)*wide, float64(tall-bottom+18), name)
	}
	text(w, "mid", (left+width-right)/2, float64(tall-10), g.X)
	for i, name := range g.Names {
		y := float64(top + i*(lineHeight+5))
		fmt.Fprintf(w, "<rect class=\"cell f%d\" x=\"%d\" y=\"%s\" width=\"14\" height=\"14\"/>\n", i%series, width-right+12, pixel(y))
		text(w, "", width-right+32, y+11, name)
	}
	fmt.Fprintln(w, "</svg>")
	return w.Flush()
}
