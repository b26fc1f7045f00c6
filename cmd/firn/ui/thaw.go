package ui

import (
	"fmt"
	"strings"
	"time"

	"firn/stages/service/report"
	"firn/stages/stage/thaw"
)

// coldness is the size and the storage class of a cold archive.
func coldness(e report.Event) string {
	said := fmt.Sprintf("%s in %s", Bytes(e.Stored), Plain(e.Class))
	if e.Text != "" {
		said += "; " + Plain(e.Text)
	}
	return said
}

// what is a number of archives, their size and their class.
func what(e *thaw.Estimate) string {
	return fmt.Sprintf("%s, %s, in %s", Count(e.Objects, "archive"), Bytes(e.Bytes), Plain(e.Class))
}

// estimate is the time and the price of a tier.
func estimate(e report.Event) string {
	if e.Estimate.To == 0 {
		return what(e.Estimate) + ": firn does not know what a thaw takes there"
	}
	return fmt.Sprintf("%s: --thaw %s takes %s and costs about %s", what(e.Estimate), strings.ToLower(e.Tier), span(e.Estimate), Dollars(e.Estimate.Dollars))
}

// asked is what was requested.
func asked(e report.Event) string {
	said := fmt.Sprintf("asked for the thaw of %s, in the tier %s", what(e.Estimate), strings.ToLower(e.Tier))
	if e.Estimate.To == 0 {
		return said
	}
	return fmt.Sprintf("%s: it takes %s and costs about %s", said, span(e.Estimate), Dollars(e.Estimate.Dollars))
}

// span is the time that a thaw takes.
func span(e *thaw.Estimate) string {
	unit, name := time.Hour, "h"
	if e.To < time.Hour {
		unit, name = time.Minute, "min"
	}
	if e.From == 0 {
		return fmt.Sprintf("up to %d %s", e.To/unit, name)
	}
	return fmt.Sprintf("%d to %d %s", e.From/unit, e.To/unit, name)
}

// Dollars writes an amount of dollars, to the cent below 100.
func Dollars(amount float64) string {
	switch {
	case amount == 0:
		return "nothing"
	case amount < 0.01:
		return "$0.01"
	case amount < 100:
		return fmt.Sprintf("$%.2f", amount)
	}
	return "$" + Number(int64(amount+0.5))
}

// waiting is what a restore waits for.
func waiting(w report.Waits, now time.Time) string {
	said := fmt.Sprintf("waiting for the thaw of %s, %s, for %s", Count(w.Archives, "archive"), Bytes(w.Bytes), Duration(max(now.Sub(w.Since), 0)))
	return said + "; " + nextLook(&w, now)
}

// nextLook is when a restore looks again at what thaws.
func nextLook(w *report.Waits, now time.Time) string {
	if left := w.Next.Sub(now); left > 0 {
		return "next look in " + Duration(left)
	}
	return "looking"
}

// coldRow is the row of the summary for archives that are still cold.
func coldRow(t *report.Totals) string {
	cold, left := t.Cold.Load(), t.Left.Load()
	said := fmt.Sprintf("%s, %s", Count(cold, "archive"), Bytes(t.ColdBytes.Load()))
	switch {
	case left == 0:
		return said + ", all being thawed"
	case left < cold:
		return fmt.Sprintf("%s, %s of them being thawed", said, Number(cold-left))
	}
	return said
}

// coldVerdict is the last line of a run that restored everything but cold archives.
func coldVerdict(t *report.Totals) string {
	cold, left := t.Cold.Load(), t.Left.Load()
	verdict := "not done yet: " + Count(cold, "archive") + " must thaw first; "
	switch {
	case left == 0:
		return verdict + "the same command goes on when they have, or waits with --wait"
	case left < cold:
		return verdict + "ask for what is named above with --thaw, or give the same command again later"
	}
	return verdict + "ask for them with --thaw bulk, standard or expedited"
}
