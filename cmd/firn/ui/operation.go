package ui

import (
	"fmt"
	"strings"

	"firn/stages/service/report"
)

// An Operation is how the printers name what one operation does, and which counters they show of it.
type Operation struct {
	Done     string // what it does to its items: "saved"
	Effect   string // what has not happened to anything before it starts: "stored"
	Stopping string // what happens after the first signal
	Leaving  string // what it does with what is in flight after the second one
	// Brief: there is no progress, no soft stop, and no summary of what is complete.
	Brief bool
	// Part: it does a part of a run, and what the run lacks is told by the whole.
	Part bool
	Task Task // what the run is called on the screen
	// Advice says what makes a run faster that a stage was the limit of, "" if nothing is known; nil:
	// there is none.
	Advice func(stage string) string

	item      string                                        // what Failed counts: "subtree"
	catalogue string                                        // format of a NoCatalogue event
	rows      func(report.Summary, *report.Totals) []string // what was done, in the summary
	screen    []part                                        // rows while it runs; nil if Brief
	checks    bool                                          // it has the counters of report.Checks
	stopped   string                                        // the last line after the first signal
	early     string                                        // what the last line of a run that failed begins with

	// The last line of a run without an error.
	all, notAll  string // everything was done, or not
	dry, damaged string // it was a dry run; it found damage
	unproven     string // it found nothing worse than archives that nothing proves
	adopted      string // it found nothing worse than archives for which only their metadata vouch
}

// Backup is the operation of firn backup.
func Backup() Operation {
	return Operation{
		Done: "saved", Effect: "stored", Stopping: "what is in flight is finished, nothing new is taken", Leaving: "leaves the uploads to the next run", item: "subtree", rows: savedRows, screen: savingParts,
		catalogue: "not noted in the catalogue: %s; the archives are stored and can be restored without it",
		stopped:   "stopped: what was begun is saved, the rest is left for the next run",
		all:       "done: everything is saved",
		notAll:    "done, but not everything is saved whole: see what is named above",
		damaged:   "done, but see what is named above: the catalogue is not as earlier runs left it",
		dry:       "nothing was stored: this was a dry run",
	}
}

// Restore is the operation of firn restore.
func Restore() Operation {
	return Operation{
		Done: "restored", Effect: "restored", Stopping: "what is in flight is extracted, nothing new is fetched", Leaving: "ends, and the same command goes on with what is missing", item: "archive", rows: restoredRows, screen: restoringParts,
		catalogue: "the catalogue: %s",
		stopped:   "stopped: what was begun is restored, the rest is left for the next run",
		all:       "done: everything is restored",
		notAll:    "done, but not everything is restored whole: see what is named above",
		dry:       "nothing was restored: this was a dry run",
	}
}

// Cat is the operation of firn cat.
func Cat() Operation {
	return Operation{
		Done: "written", Effect: "written", item: "archive", rows: restoredRows, Brief: true, early: "not written",
		catalogue: "the catalogue: %s",
		notAll:    "the file is not written whole, or may be another one: see what is named above",
	}
}

// Verify is the operation of firn verify.
func Verify() Operation {
	return Operation{
		Done: "checked", Effect: "checked", Stopping: "what is in flight is verified, nothing new is looked at", Leaving: "ends", item: "archive", rows: verifiedRows, screen: verifyingParts, checks: true,
		catalogue: "the catalogue: %s",
		stopped:   "stopped: the rest was not checked",
		damaged:   "done: something is damaged: see what is named above",
		unproven:  "done: nothing proves some archives: see what is named above",
		adopted:   "done: nothing that was checked is damaged, but some archives are not proven until they are read",
		all:       "done: everything that was checked is intact",
		notAll:    "done, but not everything could be checked: see what is named above",
	}
}

// Rebuild is the operation of firn catalogue rebuild.
func Rebuild() Operation {
	return Operation{
		Done: "entered", Effect: "entered", Stopping: "what is in flight is entered, nothing new is looked at", Leaving: "ends", item: "archive", rows: enteredRows, screen: enteringParts, checks: true,
		stopped: "stopped: the catalogue has what was looked at, and is marked as incomplete",
		all:     "done: every archive is in the catalogue",
		notAll:  "done, but not every archive is entered as good: see what is named above",
	}
}

func row(what, format string, a ...any) string {
	return fmt.Sprintf("%-10s ", what) + fmt.Sprintf(format, a...)
}

// savedRows are what a backup did.
func savedRows(s report.Summary, t *report.Totals) (lines []string) {
	if s.DryRun {
		todo := t.DoneSubtrees.Load() - t.Unchanged.Load() - t.Failed.Load()
		lines = append(lines, row("would save", "%s, %s", Count(todo, "subtree"), Bytes(t.DoneBytes.Load()-t.SkippedBytes.Load())))
	} else if t.Saved.Load() > 0 {
		lines = append(lines, row("saved", "%s, %s stored as %s%s", Count(t.Saved.Load(), "subtree"),
			Bytes(t.SavedBytes.Load()), Bytes(t.Stored.Load()), ratio(t.SavedBytes.Load(), t.Stored.Load())))
	}
	unchanged, identical := t.Unchanged.Load(), t.Identical.Load()
	if n := unchanged + identical; n > 0 {
		var how []string
		if unchanged > 0 {
			how = append(how, Number(unchanged)+" unchanged and not read")
		}
		if identical > 0 {
			how = append(how, Number(identical)+" read and found in the store")
		}
		lines = append(lines, row("skipped", "%s, %s: %s", Count(n, "subtree"), Bytes(t.SkippedBytes.Load()), strings.Join(how, ", ")))
	}
	if n := t.Adopted.Load(); n > 0 {
		lines = append(lines, row("adopted", "%s in the store by their metadata alone, not proven until they are read", Count(n, "archive")))
	}
	if n := t.UploadsResumed.Load(); n > 0 {
		said := Count(n, "upload") + " of an earlier run"
		if s.Queue != nil {
			said += " or another worker"
		}
		if spared := t.SparedBytes.Load(); spared > 0 {
			said += ", " + Bytes(spared) + " not sent again"
		}
		lines = append(lines, row("resumed", "%s", said))
	}
	if n := t.UploadsLeft.Load(); n > 0 {
		lines = append(lines, row("unfinished", "%s that the next run takes up", Count(n, "upload")))
	}
	return append(lines, entryRows("saved", t)...)
}

// restoredRows are what a restore did.
func restoredRows(s report.Summary, t *report.Totals) (lines []string) {
	if s.DryRun {
		lines = append(lines, row("would get", "%s, %s to fetch", Count(t.DoneSubtrees.Load()-t.Failed.Load(), "archive"), Bytes(max(t.Bytes.Load()-t.ColdBytes.Load(), 0))))
	} else {
		lines = append(lines, row("restored", "%s, %s of files", Count(t.Restored.Load(), "archive"), Bytes(t.DoneBytes.Load())))
		if n := t.Intact.Load(); n > 0 {
			lines = append(lines, row("intact", "%s in their place already, not fetched", Count(n, "archive")))
		}
	}
	if n := t.Unproven.Load(); n > 0 {
		lines = append(lines, row("unproven", "%s that nothing proves: not restored", Count(n, "archive")))
	}
	if n := t.Checks.OtherKey.Load(); n > 0 {
		lines = append(lines, row("other key", "%s of another key file, which no run lists: not restored", Count(n, "archive")))
	}
	if t.Cold.Load() > 0 {
		lines = append(lines, row("cold", "%s", coldRow(t)))
	}
	return append(lines, entryRows("restored", t)...)
}

// entryRows are what became of entries, if there are any.
func entryRows(done string, t *report.Totals) []string {
	if t.Entries.Load()+t.Faults.Load()+t.Changed.Load()+t.LeftOut.Load()+t.ReadAgain.Load() == 0 {
		return nil
	}
	entries := Count(t.Entries.Load(), "entry")
	for _, part := range []struct {
		n    int64
		what string
	}{{t.Faults.Load(), "not " + done + " whole"}, {t.Changed.Load(), "changed while read"}, {t.LeftOut.Load(), "left out (sockets)"}} {
		if part.n > 0 {
			entries += fmt.Sprintf(", %s %s", Number(part.n), part.what)
		}
	}
	if n := t.ReadAgain.Load(); n > 0 {
		entries += fmt.Sprintf("; %s read again, because entries changed meanwhile", Count(n, "subtree"))
	}
	return []string{row("entries", "%s", entries)}
}

// verifiedRows are what a verification found.
func verifiedRows(_ report.Summary, t *report.Totals) []string {
	c := &t.Checks
	lines := []string{row("checked", "%s, %s stored: %s intact, %s damaged", Count(t.DoneSubtrees.Load(), "archive"), Bytes(t.Bytes.Load()),
		Number(c.Verified.Load()+c.NotRead.Load()), Number(c.Damaged.Load()))}
	catalogue := Count(c.Runs.Load(), "run")
	if n := c.Catalogue.Load(); n > 0 {
		catalogue += fmt.Sprintf(", %s damaged or missing", Count(n, "object"))
	}
	lines = append(lines, row("catalogue", "%s", catalogue))
	for _, part := range []struct {
		n          int64
		what, text string
	}{
		{t.Unproven.Load(), "unproven", "%s without a valid HMAC: who made them is not known"},
		{c.Older.Load(), "still there", "%s in a version of another run"},
		{c.Lost.Load(), "lost", "%s without any other known version"},
		{c.Replaced.Load(), "replaced", "%s of older runs: the store keeps no versions, and has a newer one"},
		{c.OtherKey.Load(), "other key", "%s of another key file, which no run lists: not checked"},
		{c.Unknown.Load(), "unknown", "%s that no run lists"},
		{t.Adopted.Load(), "adopted", "%s by their metadata, not proven until they are read"},
		{c.OtherClass.Load(), "moved", "%s to another storage class"},
		{c.NoChecksum.Load(), "no CRC", "%s of which the store keeps no checksum of the whole"},
	} {
		if part.n > 0 {
			lines = append(lines, row(part.what, part.text, Count(part.n, "archive")))
		}
	}
	if asked := c.ToRead.Load(); asked > 0 {
		contents := fmt.Sprintf("read %s of %s, %s", Number(c.Read.Load()), Count(asked, "archive"), Bytes(c.ReadBytes.Load()))
		if n := c.ToThaw.Load(); n > 0 {
			contents += fmt.Sprintf("; %s cold", Number(n))
		}
		lines = append(lines, row("contents", "%s", contents))
	}
	return lines
}

// enteredRows are what a rebuild did.
func enteredRows(_ report.Summary, t *report.Totals) []string {
	c := &t.Checks
	lines := []string{row("entered", "%s, %s stored; the entries of %s are known", Count(c.Entered.Load(), "archive"), Bytes(t.Bytes.Load()), Number(c.WithList.Load()))}
	if n := c.OtherKey.Load(); n > 0 {
		lines = append(lines, row("other key", "%s of another key file: not entered", Count(n, "archive")))
	}
	if n := t.Unproven.Load(); n > 0 {
		lines = append(lines, row("unproven", "%s without a valid HMAC, entered without one", Count(n, "archive")))
	}
	if n := c.Damaged.Load(); n > 0 {
		lines = append(lines, row("damaged", "%s, entered as not saved", Count(n, "archive")))
	}
	if n := t.Adopted.Load(); n > 0 {
		lines = append(lines, row("adopted", "%s by their metadata, not proven until they are read", Count(n, "archive")))
	}
	if n := c.Read.Load(); n > 0 {
		lines = append(lines, row("read", "%s, %s, each verified", Count(n, "archive"), Bytes(c.ReadBytes.Load())))
	}
	return lines
}
