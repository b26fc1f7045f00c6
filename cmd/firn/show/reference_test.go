package show

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"firn/stages/format/catalogue"
)

func init() { flag.Bool("update", false, "write the reference anew") }

// TestReference compares the last chapter of docs/reference/json.md with the code. The rest of it
// belongs to package ui.
func TestReference(t *testing.T) {
	const path, title = "../../../docs/reference/json.md", "\n# JSON of list, find, diff and doctor\n"
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(kept), title)
	text := before + title + reference(t)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(kept) != text {
		t.Errorf("%s is not what the code says: run go generate ./cmd/firn", path)
	}
}

// objects are the kinds of objects that list, find, diff and doctor print with --json.
func objects() []struct {
	kind, meaning string
	value         any
} {
	return []struct {
		kind, meaning string
		value         any
	}{
		{"run", "list: a run", jsonRun{}},
		{"subtree", "list RUN: a subtree of the run and what became of it", jsonSubtree{}},
		{"entry", "list RUN --path: an entry of the run", jsonEntry{}},
		{"found", "find: a version of an entry, and the runs that hold it", jsonFound{}},
		{"added", "diff: an entry that only the second run has", jsonEntry{}},
		{"removed", "diff: an entry that only the first run has", jsonEntry{}},
		{"changed", "diff: an entry that differs between the runs", jsonChange{}},
		{"totals", "diff: the sums, at the end", jsonSum{}},
		{"finding", "doctor: what was looked at", jsonFinding{}},
		{"fault", "something could not be read", jsonFault{}},
		{"notice", "information; nothing is wrong", jsonMessage{}},
		{"warning", "something to look at", jsonMessage{}},
		{"", "each of `faults` and `cut_faults`", catalogue.Fault{}},
		{"", "`list`", catalogue.Place{}},
	}
}

// meanings explain the fields: "kind field", or "field" for all kinds.
func meanings() map[string]string {
	return map[string]string{
		"kind": "what the object is", "run": "id of the run", "key": "key of the archive", "text": "message for the user", "finding level": "`ok`, `note` (it works, with a drawback) or `wrong`", "finding what": "what was looked at",
		"path": "path of the subtree or entry", "path_base64": "the path in base64, only if it is not UTF-8",
		"version": "version of the object; missing if the store keeps none", "error": "what could not be read or saved, and why",

		"run path":  "backup path as it is written in keys",
		"firn_run":  "version of the format",
		"started":   "when the run began",
		"ended":     "when it ended",
		"host":      "name of the machine",
		"firn":      "version of firn",
		"rebuilt":   "true if the run was made by `firn catalogue rebuild`",
		"depth":     "value of `--depth`",
		"ext":       "extension of the keys",
		"level":     "level of the compression",
		"exclude":   "patterns of `--exclude` and `--exclude-from`",
		"complete":  "whether the run looked at the whole tree; single subtrees may have failed",
		"run error": "why the run is not complete",

		"backup_path": "the backup path as it was given", "backup_path_base64": "the same in base64, only if it is not UTF-8",
		"exclude_caches": "value of `--exclude-caches`", "one_file_system": "value of `--one-file-system`", "force_read": "value of `--force-read`",
		"subtrees": "subtrees of the run", "saved": "of them those that were stored", "identical": "of them those that were read and found in the store",
		"unchanged": "of them those that were not read", "failed": "of them those that failed",
		"run faults": "entries that were not saved, or only in part", "run changed": "entries that changed while they were read",
		"run entries": "entries in all subtrees", "run bytes": "bytes of regular files in all subtrees", "run stored": "bytes of the objects that the run stored",
		"number": "higher than that of every run before it", "left": "what is not in the archives that the run made, though no pattern excludes it: path and reason", "left_more": "true if there is more of that",
		"chain":        "its place among the runs of its backup path: see [the format](../format.md)",
		"retired":      "of a rebuild: keys of parts of the catalogue that it took the place of",
		"retired_keys": "of a backup that stored everything again under another key: key ids that it took the place of",
		"cut_faults":   "directories above the depth that could not be listed", "manifest": "keys of the list of subtrees", "packs": "keys of the packs that the run wrote",

		"shell":  "true for a directory above the depth: its own entry and plain files",
		"status": "`saved`, `identical`, `unchanged` or `failed`", "subtree error": "why it failed",
		"etag": "ETag of the object", "class": "storage class", "object_size": "bytes of the object", "archive_size": "bytes of the archive before encryption",
		"adopted": "true if a backup took the object over by its metadata, and nobody read it since", "run adopted": "archives that a backup adopted by their metadata, and that were not read",
		"partial": "true if the archive lacks the content of entries that could not be read", "better": "id of the run whose archive has some of that; missing if none is known",
		"tar_size": "bytes of the tar", "subtree stored": "when the object was stored",
		"md5": "MD5 of the archive before encryption", "tar_sha256": "SHA-256 of the tar", "hmac_sha256": "HMAC of the archive", "key_id": "id of the key file",
		"subtree entries": "entries of the subtree", "subtree bytes": "bytes of its regular files", "list": "where the list of its entries is; missing if there is none",
		"subtree faults": "entries that were not saved, or only in part; the first of them", "all_faults": "how many there were",

		"type": "`file`, `dir`, `symlink`, `hardlink`, `fifo`, `char` or `block`", "size": "bytes", "mtime": "time of the last change", "mode": "permissions, octal",
		"uid": "id of the owner", "gid": "id of the group", "target": "target of a link", "target_base64": "the target in base64, only if it is not UTF-8",
		"first_run": "oldest run that holds it", "last_run": "newest run that holds it", "first_seen": "when the oldest run began", "last_seen": "when the newest run began",
		"found runs": "number of runs that hold it",

		"what": "what changed: of `type`, `size`, `mtime`, `mode`, `owner`, `target`, `attributes`", "old": "the entry in the first run", "new": "the entry in the second run",
		"added": "entries that only the second run has", "added_bytes": "bytes of them", "removed": "entries that only the first run has", "removed_bytes": "bytes of them",
		"totals changed": "entries that differ", "same": "entries that were compared and are the same", "same_subtrees": "subtrees whose archives are the same in both runs",
		"not_compared": "entries of one run only, where the other could not be read",

		" kind": "what was done when it failed", " path": "path of the entry", " error": "what failed and why", " read": "of a file that could not be read to its end: the bytes before that; zeros stand for the rest",
		"pack": "key of the pack that holds the list", "offset": "where the list begins, in bytes", "length": "bytes of the list",
	}
}

// reference is the chapter of docs/reference/json.md on what this package prints. Kinds with the same
// fields share a table.
func reference(t *testing.T) string {
	all := meanings()
	used := map[string]bool{}
	var b strings.Builder
	b.WriteString(`
With ` + "`--json`" + `, list, find, diff and doctor print one JSON object a line on standard output.
Its ` + "`kind`" + ` says what it is.
Times are RFC 3339 in UTC, sizes are bytes.
A field that is empty or 0 may be missing.
Later versions may add kinds and fields.
`)
	done := map[reflect.Type]bool{}
	for _, o := range objects() {
		kind := reflect.TypeOf(o.value)
		if done[kind] {
			continue
		}
		done[kind] = true
		b.WriteString("\n")
		if o.kind == "" {
			b.WriteString("Fields of " + o.meaning + ":\n\n")
		} else {
			b.WriteString("| `kind` | printed when |\n|---|---|\n")
			for _, same := range objects() {
				if reflect.TypeOf(same.value) == kind {
					fmt.Fprintf(&b, "| `%s` | %s |\n", same.kind, same.meaning)
				}
			}
			b.WriteString("\n")
		}
		b.WriteString("| field | meaning |\n|---|---|\n")
		for _, f := range reflect.VisibleFields(kind) {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if field == "" || field == "-" {
				continue
			}
			name := o.kind + " " + field
			if _, ok := all[name]; !ok {
				name = field
			}
			if all[name] == "" {
				t.Errorf("field %s of %q has no description", field, o.kind)
			}
			used[name] = true
			fmt.Fprintf(&b, "| `%s` | %s |\n", field, all[name])
		}
	}
	for name := range all {
		if !used[name] {
			t.Errorf("%q describes no field", name)
		}
	}
	return b.String()
}
