package sample

import "math"

// A Range is a figure that was measured several times: its mean, and between which values the true
// mean lies with a probability of 95 %, as far as the measurements tell.
type Range struct {
	Value     float64 `json:"value"`
	Low       float64 `json:"low"` // never negative
	High      float64 `json:"high"`
	Count     int     `json:"count"`               // of measurements; with 1, Low and High are Value, and nothing is known of the spread
	Unbounded bool    `json:"unbounded,omitempty"` // High is not known: the measurements are too few, or differ too much
}

// Spread returns the range of the mean of measurements of one thing (Student's t, 95 %). It is zero
// without any.
func Spread(values []float64) Range {
	n := len(values)
	if n == 0 {
		return Range{}
	}
	mean := 0.0
	for _, v := range values {
		mean += v / float64(n)
	}
	r := Range{Value: mean, Low: mean, High: mean, Count: n}
	if n == 1 {
		return r
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	off := student(n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	r.Low, r.High = max(0, mean-off), mean+off
	return r
}

// student is the quantile 0.975 of Student's t distribution.
func student(freedom int) float64 {
	table := [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	return 1.96 + 2.5/float64(freedom) // within 0.002 from 20 on
}

// inverse is the range of 1/x.
func (r Range) inverse() Range {
	if r.Value <= 0 {
		return Range{Count: r.Count}
	}
	i := Range{Value: 1 / r.Value, Low: 1 / r.High, Count: r.Count}
	if r.Low > 0 {
		i.High = 1 / r.Low
	} else {
		i.High, i.Unbounded = i.Value, true
	}
	return i
}

// Apart reports whether two measurements of a thing differ by more than their spread.
func (r Range) Apart(o Range) bool {
	return r.Count > 1 && o.Count > 1 && (r.Low > o.High && !o.Unbounded || o.Low > r.High && !r.Unbounded)
}
