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
	const path, title = "../../../docs/reference/json.md", "\n# JSON of list, find, diff, doctor and plan\n"
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

// objects are the kinds of objects that list, find, diff, doctor and plan print with --json.
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
		{"plan", "plan, and backup --dry-run at its end: what a backup comes to", jsonPlan{}},
		{"fault", "something could not be read", jsonFault{}},
		{"notice", "information; nothing is wrong", jsonMessage{}},
		{"warning", "something to look at", jsonMessage{}},
		{"", "each of `faults` and `cut_faults`", catalogue.Fault{}},
		{"", "`list`", catalogue.Place{}},
		{"", "each of `depths`", jsonDepth{}},
		{"", "`new`, `replaced` and `unchanged` of a depth", jsonShare{}},
		{"", "each of `classes`", jsonClass{}},
		{"", "each of `excluded`", jsonExcluded{}},
		{"", "`bucket`", jsonBucket{}},
		{"", "`sample`", jsonSample{}},
		{"", "each of `trials`", jsonTrial{}},
		{"", "`compressed_ratio`, `bytes_per_core_second`, `compressed_bytes` and `first_run_seconds`", jsonSpan{}},
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
		"region": "whose prices they are", "prices_date": "date of the prices", "ratio": "bytes of tar for a byte that is stored, as it is assumed", "ratio_is_bound": "true if no ratio was given or measured: sizes are at most those",
		"bytes_per_second": "of the link, as it is assumed", "part_size": "bytes of a part of an upload", "plan entries": "entries of the tree", "files": "regular files", "bytes": "bytes of the regular files",
		"vanished": "entries that vanished while the tree was walked, and are not in the plan", "unread": "directories and entries that could not be read", "cache_directories": "directories with a CACHEDIR.TAG, whose content is left out",
		"other_file_systems": "directories on another file system, whose content is left out", "excluded": "what patterns leave out", "idle_patterns": "patterns that match nothing", "depths": "what each depth comes to",
		"classes": "what the recommended depth costs in each storage class", "bucket": "what the store holds; missing if none was named", "estimated": "fields that are estimates", "exact": "fields that are exact, for the ratio; `requests` as long as a volume of the catalogue has at most 8 MiB",
		"recommended_depth": "depth that suits; missing if there is one depth only", "reason": "why", "command": "command line for it",
		"pattern": "the pattern", "excluded_files": "entries that are no directories", "excluded_directories": "directories; what is in them is not counted", "excluded_bytes": "bytes of the files",
		"archives": "archives", "shells": "of them those of a directory above the depth", "tar_bytes": "bytes of the archives before compression", "stored_bytes": "bytes of the objects",
		"median_bytes": "median of the sizes of the objects, from a histogram with bins of 1.1 %", "largest_bytes": "size of the largest object", "largest_path": "its path", "tiny_share": "share of objects below 128 KiB",
		"night_archives": "archives that an average night stores again", "night_bytes": "bytes of their objects", "requests": "requests of the first run, by operation of S3 and DynamoDB", "first_dollars": "price of the first run's requests",
		"storage_dollars": "price of the storage for a month, with what S3 adds to each object", "nights_dollars": "price of a month of average nights: requests, and archives that were replaced, for as long as they are billed",
		"restore_dollars": "price of restoring everything once: thaw, requests, transfer out", "restore_hours": "hours for that: the thaw at its longest, and the transfer",
		" new": "archives that the store does not have", "replaced": "archives that take the place of others", " unchanged": "archives that the store has",
		"thaw_tier": "tier of the thaw; missing if none is needed", "min_days": "days for which an object is billed at least", "note": "what else is to be known of the class",
		"sample": "what was measured on a part of the tree; missing without `--sample`", "read_bytes": "bytes of tar that were read", "of_bytes": "bytes of tar of the whole tree", "sample_faults": "files of the sample that could not be read",
		"compress_workers": "workers that compress at the same time in a backup", "trials": "what each algorithm did; the first is that of the backup", "algorithm": "the algorithm", "trial_level": "its level",
		"compressed_ratio": "bytes of tar for one that is stored, measured", "bytes_per_core_second": "bytes of tar per second of one core, measured", "compressed_bytes": "bytes of all archives, estimated from that", "first_run_seconds": "how long a first run takes, estimated from that and `bytes_per_second`",
		"value": "the mean", "from": "low end of the range in which the true value lies with 95 %", "to": "high end; missing if it is not known",
		"url": "the store", "stored_archives": "archives that it holds below the backup path", "versioning": "whether it keeps what is replaced; missing if that is not known", "compared": "true if archives were compared as a backup does, false if by times of modification", "replaced_names": "paths of the first archives that would be replaced",
		"plan class": "storage class of the plan", " class": "the class",

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
With ` + "`--json`" + `, list, find, diff, doctor and plan print one JSON object a line on standard output.
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
