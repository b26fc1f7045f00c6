package show

import (
	"time"

	"firn/stages/stage/sample"
)

// Spread is a figure with the spread of its range: "13.2 MiB/s ± 4 %". Without one it is the figure.
func Spread(figure string, r sample.Range) string { return plus(figure, r) }

// Span is a range of hours in words: "4 to 5 days".
func Span(hours sample.Range) string { return spanOf(hours) }

// InUnit is the value of a range in one of bench's units.
func InUnit(unit string, r sample.Range) string { return inUnit(unit, r) }

// Local is a moment where the user is.
func Local(t time.Time) string { return local(t) }
