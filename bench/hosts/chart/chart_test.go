package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// What is drawn is XML, the same twice, within its page, with each name once.
func TestDrawings(t *testing.T) {
	plot := &Plot{Title: "a < b & c", X: "hosts", Y: "hours", Xs: []float64{1, 10, 100}, Ys: []float64{0.1, 1, 10}, Lines: []Line{
		{Name: "one", Points: [][2]float64{{1, 10}, {100, 0.1}}, Dashed: true},
		{Name: "two", Points: [][2]float64{{1, 10}, {10, 0.1}, {100, 0.1}}, Dots: true},
		{Name: "beyond", Points: [][2]float64{{1, 1000}, {1000, 0.001}}},
	}}
	grid := &Grid{Title: "map", Columns: []string{"1", "2"}, Rows: []string{"a"}, Names: []string{"first", "second"}, Cells: [][]Cell{{{0, "5"}, {1, "7"}}}}
	for _, drawing := range []interface{ Write(io.Writer) error }{plot, grid} {
		var a, b bytes.Buffer
		if err := errors.Join(drawing.Write(&a), drawing.Write(&b)); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Fatalf("%v, or not the same twice", err)
		}
		d := xml.NewDecoder(bytes.NewReader(a.Bytes()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, a.String())
			}
		}
		if s := a.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Errorf("no number in\n%s", s)
		}
	}
	at := plot.labels()
	for i := range at {
		for j := range i {
			if math.Abs(at[i]-at[j]) < lineHeight {
				t.Errorf("the names of lines %d and %d are drawn over each other: %v", j, i, at)
			}
		}
		if at[i] < top || at[i] > height-bottom+4 {
			t.Errorf("name %d is drawn outside: %v", i, at)
		}
	}
}

// Ticks are at the ends of an axis, and a value lies between them by its logarithm.
func TestPlaces(t *testing.T) {
	for v, want := range map[float64]float64{1: 0, 10: 0.5, 100: 1, 0.5: 0, 1000: 1} {
		if got := place([]float64{1, 10, 100}, v); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v is at %v, want %v", v, got, want)
		}
	}
}
