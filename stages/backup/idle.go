package backup

import (
	"fmt"

	"firn/stages/service/report"
)

// warnOfIdle warns of the exclude patterns that matched nothing, once the whole tree was seen.
func (b *backup) warnOfIdle() {
	for _, p := range b.walking.Exclude.Idle() {
		text := fmt.Sprintf("the exclude pattern %q", p.Pattern)
		if p.From != "" {
			text += " (" + p.From + ")"
		}
		text += " matched nothing"
		if p.Negated() {
			text += "; what is in a directory that is left out cannot be taken in again"
		}
		b.Report.Event(report.Event{Kind: report.Warning, Problem: report.ProblemIdlePattern, Text: text})
	}
}
