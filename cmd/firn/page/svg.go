package page

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Pictures are drawn on a canvas of these units, which the page stretches to its width.
const (
	canvasWidth  = 2000
	canvasHeight = 400
)

// A span is a part of the time axis in which a value held.
type span struct {
	from, to time.Duration
	value    float64
}

// A path draws on the canvas: time from 0 to length, values from 0 to top. Values outside are cut.
type path struct {
	b           strings.Builder
	length, top float64
}

func newPath(length time.Duration, top float64) *path {
	return &path{length: float64(max(length, 1)), top: max(top, math.SmallestNonzeroFloat64)}
}

func (p *path) x(at time.Duration) int {
	return int(math.Round(canvasWidth * min(max(float64(at)/p.length, 0), 1)))
}

func (p *path) y(v float64) int {
	if share := v / p.top; share > 0 { // not NaN
		return int(math.Round(canvasHeight * (1 - min(share, 1))))
	}
	return canvasHeight
}

func (p *path) add(command byte, numbers ...int) {
	p.b.WriteByte(command)
	for i, n := range numbers {
		if i > 0 {
			p.b.WriteByte(' ')
		}
		p.b.WriteString(strconv.Itoa(n))
	}
}

// line joins the middles of spans.
func line(spans []span, length time.Duration, top float64) string {
	if len(spans) == 0 {
		return ""
	}
	p := newPath(length, top)
	p.add('M', p.x(spans[0].from), p.y(spans[0].value))
	for _, s := range spans {
		p.add('L', p.x(s.from+(s.to-s.from)/2), p.y(s.value))
	}
	end := spans[len(spans)-1]
	p.add('L', p.x(end.to), p.y(end.value))
	return p.b.String()
}

// area fills what is below the line of spans.
func area(spans []span, length time.Duration, top float64) string {
	if len(spans) == 0 {
		return ""
	}
	p := newPath(length, top)
	return line(spans, length, top) + "V" + strconv.Itoa(canvasHeight) + "H" + strconv.Itoa(p.x(spans[0].from)) + "Z"
}

// bars fill what is below each span, in steps. Where spans do not touch there is nothing.
func bars(spans []span, length time.Duration, top float64) string {
	p := newPath(length, top)
	for i, s := range spans {
		if i == 0 || spans[i-1].to != s.from {
			p.add('M', p.x(s.from), canvasHeight)
			p.add('V', p.y(s.value))
		}
		touches := i+1 < len(spans) && spans[i+1].from == s.to
		if touches && p.y(spans[i+1].value) == p.y(s.value) {
			continue
		}
		p.add('H', p.x(s.to))
		if touches {
			p.add('V', p.y(spans[i+1].value))
		} else {
			p.add('V', canvasHeight)
			p.add('Z')
		}
	}
	return p.b.String()
}
