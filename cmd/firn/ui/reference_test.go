package ui

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"firn/stages/service/report"
)

func init() { flag.Bool("update", false, "write the reference anew") }

// TestReference compares docs/reference/json.md with the code; go generate ./cmd/firn writes it. Its last
// chapter belongs to package show.
func TestReference(t *testing.T) {
	const path, last = "../../../docs/reference/json.md", "\n# JSON of list, find, diff, doctor, plan, bench and status\n"
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(kept), last)
	text := jsonReference() + last + after
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(kept) != text {
		t.Errorf("%s is not what the code says: run go generate ./cmd/firn", path)
	}
}

// Every kind of event and every problem of package report is in the reference, with known fields only.
func TestReferenceIsComplete(t *testing.T) {
	known := map[string]bool{}
	for _, e := range eventKinds() {
		known[string(e.Kind)] = true
		for _, field := range strings.Fields(e.Fields) {
			if !strings.Contains(fieldsOf(jsonEvent{}), " "+field+" ") {
				t.Errorf("%s has no field %s", e.Kind, field)
			}
		}
	}
	for _, p := range problems() {
		known[string(p.Problem)] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../../../stages/service/report/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, v := range spec.Values {
			found++
			if text, err := strconv.Unquote(v.(*ast.BasicLit).Value); err != nil || !known[text] {
				t.Errorf("%s is not in the reference (%v)", text, err)
			}
		}
		return false
	})
	if want := len(eventKinds()) + len(problems()); found != want {
		t.Errorf("%d constants, %d in the reference", found, want)
	}
	for _, v := range []any{jsonEvent{}, jsonSummary{}, jsonStage{}, jsonChecks{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if f.Tag.Get("json") != "" && f.Tag.Get("doc") == "" {
				t.Errorf("%T: %s has no description", v, f.Name)
			}
		}
	}
}

func fieldsOf(v any) string {
	var b strings.Builder
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		b.WriteString(" " + name + " ")
	}
	return b.String()
}

// An eventKind is one kind of object that --json prints.
type eventKind struct {
	Kind   report.Kind
	When   string // it is printed
	Fields string // those it may have beside time and event
}

// eventKinds are all kinds but progress and summary, for the reference.
func eventKinds() []eventKind {
	const archive = "path key source_bytes stored_bytes"
	const entry = "path key error"
	return []eventKind{
		{report.Notice, "information; nothing is wrong", "text path key error problem run"},
		{report.Warning, "something to look at; nothing is lost", "text path key error problem run"},
		{report.OutageLasts, "S3 or DynamoDB is not reached, or lets no request through: after some seconds, or at once if nothing has reached it before; again at each try, but not within 5 seconds", "service cause busy since seconds next_try until"},
		{report.OutageOver, "an outage that was told is over", "service cause busy since seconds"},
		{report.Saved, "backup: an archive was stored", archive},
		{report.Unchanged, "backup: a subtree was skipped without reading it", "path key source_bytes"},
		{report.Identical, "backup: an archive was made, and the store already holds its content", "path key source_bytes"},
		{report.WouldSave, "backup, dry run: a subtree would be saved", "path key source_bytes"},
		{report.Failed, "a subtree was not saved, or an archive not restored, verified or entered", archive + " error problem"},
		{report.Entry, "backup, restore: an entry was not saved or restored, or only in part", entry},
		{report.Changed, "backup: an entry changed while it was read; it is stored as read", entry},
		{report.Left, "backup: an entry that no archive can hold: a socket", entry},
		{report.NoCatalogue, "backup: the catalogue could not be written; restore: a part of it could not be read, or no run lists what was restored; verify: there is none, and no content was read", "path key error problem"},
		{report.Restored, "restore: an archive was verified and extracted", archive},
		{report.Intact, "restore: the target already has what is asked for; the archive was not fetched", "path key stored_bytes"},
		{report.WouldRestore, "restore, dry run: an archive would be restored", "path key stored_bytes"},
		{report.Cold, "restore: an archive must be thawed before it can be read, and was skipped", "path key stored_bytes class text"},
		{report.ThawAsked, "restore: its thaw was requested", "path key stored_bytes class tier"},
		{report.Thawing, "restore: its thaw was requested earlier, and is not finished", "path key stored_bytes class"},
		{report.Thawed, "restore: the run waited for its thaw, and it can be read now", "path key stored_bytes class"},
		{report.Estimate, "restore: time and price to thaw all cold archives of one class in one tier", "class tier archives stored_bytes dollars from_seconds to_seconds"},
		{report.AskedSum, "restore: the thaws that were requested, of one class", "class tier archives stored_bytes dollars from_seconds to_seconds"},
		{report.Waiting, "restore: nothing can be done until the next look at thawing archives", "archives stored_bytes since next_look"},
		{report.Verified, "verify: an archive is what was saved, as far as it was checked", archive},
		{report.Damaged, "verify, rebuild: an archive is not what was saved", archive + " error problem"},
		{report.Unproven, "restore, verify, rebuild: nothing proves who made an archive: it is not restored, or entered without an HMAC", archive + " error problem"},
		{report.NotRead, "verify: an archive is cold, so its content was not read; all other checks passed", archive},
		{report.Adopted, "verify: only its own metadata vouch for an archive: its content was not read; all other checks passed", archive},
		{report.Replaced, "verify: the archive of an earlier run, which a newer one replaced", archive + " error problem"},
		{report.OtherKey, "verify, rebuild, restore: an archive that no run lists, made with another key file: it was left alone", archive + " error problem"},
		{report.Unknown, "verify: an archive that no run of the catalogue lists", "path key stored_bytes"},
		{report.Catalogue, "verify, backup: an object of the catalogue is missing or damaged, or a recovery file is not firn's; text says what follows", "key error problem run text"},
		{report.Older, "verify: another version of a damaged archive that the store holds", "path key run text"},
		{report.Lost, "verify: a damaged archive without another known version", "path key source_bytes text problem"},
		{report.Entered, "rebuild: an archive was written to the catalogue", archive},
	}
}

// problems explain the values of problem.
func problems() []struct {
	Problem report.Problem
	Meaning string
} {
	return []struct {
		Problem report.Problem
		Meaning string
	}{
		{report.ProblemMissing, "there is no such object, or not this version of it"},
		{report.ProblemReplaced, "another archive took its place, in a store that keeps no versions"},
		{report.ProblemSize, "its length is not that of what was stored"},
		{report.ProblemETag, "its ETag is not that of what was stored"},
		{report.ProblemMetadata, "its metadata are not those that were stored with it"},
		{report.ProblemKey, "it was made with another key file"},
		{report.ProblemChecksum, "its bytes do not match the CRC that the store keeps"},
		{report.ProblemContent, "it does not decrypt to what was saved: HMAC or MD5 differ"},
		{report.ProblemTar, "it cannot be decompressed, or is not a complete tar"},
		{report.ProblemEntries, "its entries are not those that the catalogue lists"},
		{report.ProblemClass, "it is in another storage class than it was saved in"},
		{report.ProblemPutBack, "it is what an older run stored, in place of what a newer one did"},
		{report.ProblemUnproven, "nothing proves that firn made it with this key file, or, of the catalogue, its format is unknown"},
		{report.ProblemState, "warning: the state file could not be written"},
		{report.ProblemOtherKey, "warning: the store holds archives of another key file"},
		{report.ProblemOtherKeyRuns, "warning: the last run was made with another key file"},
		{report.ProblemLostRuns, "warning: runs in the catalogue cannot be read"},
		{report.ProblemClock, "warning: the run before this one began in the future, so a clock is wrong, or was"},
		{report.ProblemGone, "warning: the store lost an archive of an earlier run"},
		{report.ProblemNotRecorded, "warning: the object with this key is not the one that was recorded; it is stored again"},
		{report.ProblemMD5Alone, "warning: an archive is taken over that only its MD5 vouches for, as the old script stored them"},
		{report.ProblemNoList, "warning: the spool has no room for the list of an archive"},
		{report.ProblemNoWorker, "notice: no worker has joined the run yet"},
		{report.ProblemRunGone, "a run is not in the catalogue any more"},
		{report.ProblemRunReplaced, "a run is not the one that was in the catalogue before"},
		{report.ProblemFork, "the run and another one come after the same run"},
		{report.ProblemUnexpected, "the run is the newest, and is not shown to come after the expected one"},
		{report.ProblemUpload, "warning: the upload that an earlier run began can't be gone on with: it begins anew, or its archive is made again"},
		{report.ProblemOtherOrigin, "warning: the object with this key, and perhaps others, is none that firn made; archives take their place"},
		{report.ProblemIdlePattern, "warning: an exclude pattern matched nothing in the tree"},
		{report.ProblemRecovery, "it is not `RECOVER.txt` or `restore.sh` as firn stores it: do not run it"},
		{report.ProblemDeeperPrefix, "notice: archives below the key may belong to that longer prefix"},
		{report.ProblemNoCatalogue, "warning: there is no catalogue below the prefix"},
		{report.ProblemRunFaults, "warning: the run did not save some entries whole"},
		{report.ProblemPartial, "warning: the archive lacks entries that could not be read, and the archive of `run` has them"},
		{report.ProblemShortKey, "warning: the key is shortened, so the path is not known"},
		{report.ProblemUnfinishedRun, "lost: an unfinished run may have stored the archive again"},
	}
}

// jsonReference is docs/reference/json.md: what the operations print with --json.
func jsonReference() string {
	var b strings.Builder
	b.WriteString(`# JSON output

<!-- Generated from the code by go generate ./cmd/firn. -->

With ` + "`--json`" + `, backup, restore, verify and catalogue rebuild print one JSON object a line on standard output.
Errors before the run begins (flags, settings, a missing bucket) go to standard error, and there is no summary.
Events leave out fields that are empty or 0.
Later versions may add events and fields.

## Events

| ` + "`event`" + ` | printed when | fields |
|---|---|---|
`)
	for _, e := range eventKinds() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", e.Kind, e.When, strings.Join(strings.Fields(e.Fields), "`, `"))
	}
	b.WriteString("| `progress` | every 5 seconds, and at SIGUSR1 | see below |\n| `summary` | at the end | see below |\n")
	fields(&b, "Fields of events", jsonEvent{})
	b.WriteString("\n## Problems\n\n| `problem` | meaning |\n|---|---|\n")
	for _, p := range problems() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Problem, p.Meaning)
	}
	fields(&b, "Fields of progress", jsonProgress{})
	fields(&b, "More fields of summary, and of progress with --json=full", struct {
		jsonMore
		jsonEnd
	}{})
	fields(&b, "Fields of each of stages", jsonStage{})
	fields(&b, "Fields of checks", jsonChecks{})
	fields(&b, "Fields of each of host_list", JSONHost{})
	fields(&b, "Fields of queue", jsonQueue{})
	return b.String()
}

// fields writes a table of the fields of a struct that is printed as JSON.
func fields(b *strings.Builder, title string, v any) {
	fmt.Fprintf(b, "\n## %s\n\n| field | meaning |\n|---|---|\n", title)
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fmt.Fprintf(b, "| `%s` | %s |\n", name, f.Tag.Get("doc"))
		}
	}
}
