package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/schollz/progressbar/v3"
)

// A stage is what the row of a stage has in columns, which all such rows share.
type stage struct {
	share  float64  // that is done, from 0 to 1; -1: that is not known
	text   string   // in place of the bar; "": there is one
	amount []string // from the longest to the shortest
	rate   string
	wide   bool // the amount takes what is to the right of it, too
	limit  bool
}

// columns are how wide those of stages are; 0: the column is left out.
type columns struct{ bar, percent, amount, rate, mark int }

const (
	columnGap   = 2
	percentWide = len(" 100 %")
	amountWide  = len("1023 GiB of ~1.00 TiB")
	rateWide    = len("1023 MiB/s")
	leastBar    = 6
	mostColumns = 100 // that a row takes: in wider terminals, bars do not grow any more
)

// limitMark says which stage is the limit.
const (
	limitMark  = "◀ limit"
	limitShort = "◀"
)

// columnsFor divides a row: what is left out first is the word of the mark, then the amount, the rate
// and the bar.
func columnsFor(wide int, l look) columns {
	room := wide - indent - labelColumn - percentWide
	mark, short := columnsOf(l.text(limitMark)), columnsOf(l.text(limitShort))
	for _, c := range []columns{
		{amount: amountWide, rate: rateWide, mark: mark},
		{amount: amountWide, rate: rateWide, mark: short},
		{rate: rateWide, mark: mark},
		{rate: rateWide, mark: short},
		{mark: short},
	} {
		c.percent = percentWide
		c.bar = room
		for _, wide := range []int{c.amount, c.rate, c.mark} {
			if wide > 0 {
				c.bar -= wide + columnGap
			}
		}
		if c.bar >= leastBar {
			return c
		}
	}
	return columns{percent: percentWide}
}

// draw writes a row of a stage.
func (c columns) draw(r *screenRow, b *bar, l look) string {
	s, rest := r.stage, c.amount+c.rate+c.mark+2*columnGap
	text := r.head(l)
	switch {
	case s.text == "" && c.bar == 0:
		return strings.TrimRight(text+percent(s.share), " ")
	case s.text == "":
		text += l.styled(b.draw(s.share, c.bar, l.ascii), barStyle) + padLeft(percent(s.share), c.percent)
	case s.wide && c.amount == 0:
		return text + longest(s.amount, c.bar+c.percent+columnGap+rest-2*columnGap, l)
	default:
		text += padRight(l.text(s.text), c.bar+c.percent)
	}
	gap := strings.Repeat(" ", columnGap)
	if s.wide {
		return strings.TrimRight(text+gap+longest(s.amount, rest, l), " ")
	}
	if c.amount > 0 {
		text += gap + padRight(longest(s.amount, c.amount, l), c.amount)
	}
	if c.rate > 0 {
		text += gap + padLeft(s.rate, c.rate)
	}
	if s.limit && c.mark > 0 {
		mark := l.text(limitMark)
		if columnsOf(mark) > c.mark {
			mark = l.text(limitShort)
		}
		text += gap + l.styled(mark, alarm)
	}
	return strings.TrimRight(text, " ")
}

// longest is the first of the texts that fits.
func longest(texts []string, wide int, l look) string {
	for _, t := range texts {
		if t = l.text(t); columnsOf(t) <= wide {
			return t
		}
	}
	return ""
}

func padLeft(text string, wide int) string {
	return strings.Repeat(" ", max(wide-columnsOf(text), 0)) + text
}

func padRight(text string, wide int) string {
	return text + strings.Repeat(" ", max(wide-columnsOf(text), 0))
}

// percent is a share in percent; only all of it is 100 %.
func percent(share float64) string {
	if share < 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", hundredths(share))
}

func hundredths(share float64) int64 { return int64(min(max(share, 0), 1) * 100) }

// A bar is one that progressbar renders.
type bar struct {
	wide    int
	unknown bool
	shown   *progressbar.ProgressBar
}

// draw renders a bar of so many columns. That of a share which is not known moves at each call.
func (b *bar) draw(share float64, wide int, ascii bool) string {
	if b.shown == nil || b.wide != wide || b.unknown != (share < 0) {
		b.wide, b.unknown = wide, share < 0
		b.shown = newBar(wide, b.unknown, ascii)
	}
	if b.unknown {
		_ = b.shown.RenderBlank() // it renders to a string
	} else {
		_ = b.shown.Set64(hundredths(share))
	}
	_, rendered, _ := strings.Cut(b.shown.String(), "\r")
	if !b.unknown {
		_, rendered, _ = strings.Cut(rendered, "%")
	}
	return strings.TrimSpace(rendered)
}

func newBar(wide int, unknown, ascii bool) *progressbar.ProgressBar {
	theme := progressbar.Theme{Saucer: "█", SaucerPadding: "░"}
	if ascii {
		theme = progressbar.Theme{Saucer: "#", SaucerPadding: ".", BarStart: "[", BarEnd: "]"}
		wide -= 2
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetTheme(theme), progressbar.OptionSetWidth(wide),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionShowTotalBytes(false),
	}
	most := int64(100)
	if unknown {
		most = -1
		options = append(options, progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSpinnerCustom(pendulum(theme, wide)))
	}
	shown := progressbar.NewOptions64(most, options...)
	if !unknown {
		_ = shown.RenderBlank() // else there is nothing to show at 0 %
	}
	return shown
}

// pendulum are the pictures of a bar of which no share is known: a piece that goes to and fro.
func pendulum(t progressbar.Theme, wide int) (pictures []string) {
	piece := max(wide/6, 1)
	for i := range 2 * max(wide-piece, 1) {
		at := min(i, 2*(wide-piece)-i)
		pictures = append(pictures, t.BarStart+strings.Repeat(t.SaucerPadding, at)+strings.Repeat(t.Saucer, piece)+strings.Repeat(t.SaucerPadding, wide-piece-at)+t.BarEnd)
	}
	return pictures
}
