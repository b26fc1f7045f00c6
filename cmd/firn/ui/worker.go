package ui

import (
	"strings"

	"firn/stages/service/report"
)

// Worker is the operation of firn worker, whose run does what another operation's does: backup, restore
// or verify. What becomes of all of it is the coordinator's to say.
func Worker(of string) Operation {
	o := map[string]Operation{"restore": Restore(), "verify": Verify()}[of]
	if of == "backup" {
		o = Backup()
	}
	o.Part = true
	o.Stopping, o.Leaving = "what is in flight is finished, the rest is handed back", "hands back what it holds"
	o.stopped = "stopped: what was begun is " + o.Done + ", the rest is handed back"
	o.all = "done: the run is over"
	o.notAll, o.damaged, o.unproven, o.adopted = o.all+": see what is named above", "", "", ""
	o.rows, o.checks = workerRows, false
	o.screen = []part{header("worker")}
	for _, name := range workerFlows[of] {
		o.screen = append(o.screen, flowing(name.stage, name.label))
	}
	o.screen = append(o.screen, outages, workerState, inWork, closingRow)
	return o
}

// workerFlows are the rows of stages of each operation.
var workerFlows = map[string][]struct{ stage, label string }{
	"backup":  {{report.StageRead, "read"}, {report.StageCompress, "compress"}, {report.StageUpload, "upload"}},
	"restore": {{report.StageFetch, "fetch"}, {report.StageExtract, "extract"}},
	"verify":  {{report.StageFetch, "fetch"}, {report.StageWalk, "read"}},
}

// flowing is the row of a stage of which a worker never knows how much will come.
func flowing(name, label string) part {
	if name == report.StageCompress {
		return working(name, label)
	}
	return part{rows: func(m *moment, _ *Options) []screenRow {
		f, ok := m.flow(name)
		if !ok {
			return nil
		}
		return []screenRow{{label: label, rank: 2, left: []field{{texts: []string{Bytes(f.Done) + ", " + perSecond(f.Rate), Bytes(f.Done)}, stays: true}}}}
	}, status: func(m *moment) string {
		f, ok := m.flow(name)
		if !ok || f.Done == 0 {
			return ""
		}
		return label + " " + Bytes(f.Done) + " (" + perSecond(f.Rate) + ")"
	}}
}

// workerDone is how many archives a worker is done with.
func workerDone(m *moment) string { return "done " + Number(m.t.DoneSubtrees.Load()) }

// workerState is what is done, and how full things are.
var workerState = part{status: workerDone, rows: func(m *moment, o *Options) []screenRow {
	rows := state(false).rows(m, o)
	rows[0].left = append([]field{{texts: []string{workerDone(m)}, stays: true}}, rows[0].left...)
	return rows
}}

// workerRows are what a worker did.
func workerRows(_ report.Summary, t *report.Totals) (lines []string) {
	var how []string
	for _, part := range []struct {
		n    int64
		what string
	}{
		{t.Saved.Load(), "saved"}, {t.Identical.Load(), "read and found in the store"}, {t.Restored.Load(), "restored"}, {t.Intact.Load(), "in their place already"},
		{t.Checks.Verified.Load(), "intact"}, {t.Checks.Damaged.Load(), "damaged"}, {t.Failed.Load(), "failed here"},
	} {
		if part.n > 0 {
			how = append(how, Number(part.n)+" "+part.what)
		}
	}
	said := Count(t.DoneSubtrees.Load(), "archive")
	if len(how) > 0 {
		said += ": " + strings.Join(how, ", ")
	}
	if n := t.Stored.Load(); n > 0 {
		said += "; " + Bytes(n) + " stored"
	}
	if n := t.Checks.ReadBytes.Load(); n > 0 {
		said += "; " + Bytes(n) + " read"
	}
	return append([]string{row("done", "%s", said)}, entryRows("done", t)...)
}
