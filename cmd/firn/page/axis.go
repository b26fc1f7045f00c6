package page

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// A tick is a label of an axis. At is where, in percent from the left or the top.
type tick struct {
	At    string
	Label string
}

// A scale is the vertical axis of a picture, from 0 to top.
type scale struct {
	top   float64
	unit  string // of the labels
	ticks []tick
}

// bytesScale suits numbers of bytes up to most. after is what follows the unit: "/s".
func bytesScale(most float64, after string) scale {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	factor := 1.0
	for i < len(units)-1 && most >= 1000*factor {
		i++
		factor *= 1024
	}
	return newScale(most, factor, units[i]+after)
}

// countScale suits numbers of things.
func countScale(most float64) scale {
	switch {
	case most >= 1e9:
		return newScale(most, 1e9, "billions")
	case most >= 1e6:
		return newScale(most, 1e6, "millions")
	case most >= 1e4:
		return newScale(most, 1e3, "thousands")
	}
	return newScale(max(most, 4), 1, "")
}

// mostSteps is how many steps a vertical axis has at most.
const mostSteps = 4

// newScale has round labels, in units of factor.
func newScale(most, factor float64, unit string) scale {
	most = max(most/factor, 1e-3)
	step, top := niceStep(most/mostSteps), 1.04*most
	s := scale{unit: unit, top: top * factor}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	for i := 0; float64(i)*step <= top; i++ {
		v := float64(i) * step
		s.ticks = append(s.ticks, tick{percent(1 - v/top), strconv.FormatFloat(v, 'f', digits, 64)})
	}
	return s
}

// niceStep is 1, 2 or 5 times a power of ten, and v at least.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*power*(1+1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// timeSteps are the steps of the time axis.
var timeSteps = []time.Duration{
	time.Second / 10, time.Second / 5, time.Second / 2, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// mostTimes is how many steps a time axis has at most: as many labels fit beside each other on a phone.
const mostTimes = 4

// timeAxis are the labels of the time axis of a run, and what they count.
func timeAxis(length time.Duration) (ticks []tick, unit string) {
	const day = 24 * time.Hour
	step := time.Duration(0)
	for _, s := range timeSteps {
		if step = s; length <= mostTimes*step {
			break
		}
	}
	if length > mostTimes*step {
		step = day * time.Duration(niceStep(math.Ceil(length.Hours()/24/mostTimes)))
	}
	var label func(time.Duration) string
	switch {
	case step >= day:
		unit, label = "days", func(d time.Duration) string { return strconv.Itoa(int(d / day)) }
	case length >= time.Hour:
		unit, label = "h:min", func(d time.Duration) string { return fmt.Sprintf("%d:%02d", d/time.Hour, d%time.Hour/time.Minute) }
	case length >= time.Minute:
		unit, label = "min:s", func(d time.Duration) string { return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second) }
	default:
		digits := 0
		if step < time.Second {
			digits = 1
		}
		unit, label = "s", func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', digits, 64) }
	}
	for at := step; at <= length; at += step { // the unit stands where 0 would be
		ticks = append(ticks, tick{percent(float64(at) / float64(max(length, 1))), label(at)})
	}
	return ticks, unit
}

// percent writes a share as an attribute of SVG has it.
func percent(share float64) string {
	if !(share > 0) { // NaN too
		share = 0
	}
	return strconv.FormatFloat(math.Round(min(share, 1)*1e4)/1e2, 'f', -1, 64) + "%"
}
