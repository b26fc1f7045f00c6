package attackers_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func runKey(id string) string { return ".firn/runs/" + id + ".json.gz" }

// TestDeletedArchive: it is gone, and named. Everything else comes back, and the next backup stores it
// again while the tree has it.
func TestDeletedArchive(t *testing.T) {
	onBoth(t, func(h *host) {
		h.night()
		h.remove(archive("d1"))
		target, s := h.restore()
		s.exits(3).about("tree/d1", `not restored: .*no such object`)
		h.missing(filepath.Join(target, "d1"))
		h.same(filepath.Join(h.tree, "d2"), filepath.Join(target, "d2"))
		for _, level := range []string{"--quick", "", "--read-data"} {
			h.verify(level).exits(3).about("tree/d1", `damaged: `).lacks("checked is intact")
		}
		h.backup().exits(0).has("warning: .*(tree/d1|gone)")
		h.healthy()
	})
}

// TestDeletedRuns: whoever deletes runs shows an older state, which the host that saved them tells, and
// so does whoever expects the run. One in the middle is told by every reader.
func TestDeletedRuns(t *testing.T) {
	onBoth(t, func(h *host) {
		var runs []string
		for _, text := range []string{"one", "two", "three"} {
			h.write("tree/d1/text", text)
			runs = append(runs, h.night().run())
		}
		putBack := h.keep()
		gone := func(id string) string { return `damaged: .*run ` + id + `.* is gone` }

		h.remove(runKey(runs[2]))
		h.firn("verify", "--expect-run", runs[2]).exits(3).has(`damaged: .*run ` + runs[2] + ` is expected, and the catalogue does not have it`).lacks("checked is intact")
		target, s := h.restore("--expect-run", runs[2])
		s.exits(1).has(`run ` + runs[2] + ` is expected, and the catalogue does not have it; its newest run is ` + runs[1])
		h.missing(target)
		h.backup().exits(3).has(gone(runs[2])).has("^(saved|skipped) ")
		h.backup().exits(0)
		h.healthy()

		putBack()
		h.remove(runKey(runs[1]))
		h.firn("list").has(`warning: run ` + runs[1] + `.* is gone`)
		h.verify("").exits(3).has(gone(runs[1])).lacks("checked is intact")
		target, s = h.restore()
		s.has(`warning: run ` + runs[1] + `.* is gone`)
		h.same(h.tree, target)
		h.backup().exits(3).has(gone(runs[1]))
		h.backup().exits(0)
		h.healthy()
	})
}

// TestDeletedCatalogue: the archives come back by their own HMACs, verify and the next backup tell of
// it, and that backup makes the catalogue again.
func TestDeletedCatalogue(t *testing.T) {
	onBoth(t, func(h *host) {
		run := h.night().run()
		h.forget(".firn/")
		h.verify("--quick").exits(1).has("there is no catalogue")
		h.verify("").has("warning: there is no catalogue below this prefix: .*missing ones are not noticed")
		h.firn("verify", "--expect-run", run).exits(3).has("is expected")
		target, s := h.restore("--expect-run", run)
		s.exits(1).has("is expected, and no run can be read")
		h.missing(target)
		target, s = h.restore()
		s.exits(0)
		h.same(h.tree, target)
		h.backup().exits(3).has(`run ` + run + `, the last of tree that this host knows, is gone`)
		h.healthy()
	})
}

// TestDeletedEverything: nothing is made anew where perhaps a disk is not mounted.
func TestDeletedEverything(t *testing.T) {
	onBoth(t, func(h *host) {
		h.night()
		h.forget("")
		h.backup().exits(1).has("stored archives of tree in .*which holds none of them now")
		if keys := strings.Join(h.keys(), " "); strings.Contains(keys, ".tar.") {
			h.Errorf("stored: %s", keys)
		}
		h.backup("--new-store").exits(0)
		h.backup().exits(0)
		h.healthy()
	})
}
