package show

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"firn/stages/bench"
	"firn/stages/format/catalogue"
	"firn/stages/stage/sample"
)

func init() { flag.Bool("update", false, "write the reference anew") }

// TestReference compares the last chapter of docs/reference/json.md with the code. The rest of it
// belongs to package ui.
func TestReference(t *testing.T) {
	const path, title = "../../../docs/reference/json.md", "\n# JSON of list, find, diff, doctor, plan, bench and status\n"
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

// objects are the kinds of objects that list, find, diff, doctor, plan, bench and status print with --json.
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
		{"bench", "bench: what was measured and what follows from it; all rates are bytes of tars a second, unless it says otherwise", jsonBench{}},
		{"status", "status: how a run on many hosts gets on", jsonStatus{}},
		{"queue", "status: what is seen of a queue without the key file, or without a coordinator", jsonGlimpse{}},
		{"fault", "something could not be read", jsonFault{}},
		{"notice", "information; nothing is wrong", jsonMessage{}},
		{"warning", "something to look at", jsonMessage{}},
		{"", "each of `hosts` of status", jsonHost{}},
		{"", "each of `now`", jsonWork{}},
		{"", "each of `trouble`", jsonTrouble{}},
		{"", "each of `tries`", jsonTry{}},
		{"", "`kept`", jsonKept{}},
		{"", "`queue` of status", jsonQueueCount{}},
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
		{"", "each figure of bench", sample.Range{}},
		{"", "`tree` of bench", bench.Tree{}},
		{"", "`read` of bench", bench.Reading{}},
		{"", "each of `codecs`", bench.Codec{}},
		{"", "each of `scaling` and `by_connections`", bench.Scaled{}},
		{"", "each of `sums`", bench.Rated{}},
		{"", "`upload` of bench", bench.Link{}},
		{"", "`backup` of bench", bench.Pipeline{}},
		{"", "each of `stages` of bench", bench.Busy{}},
		{"", "each of `missing`", bench.Missing{}},
		{"", "`settings` of bench", bench.Settings{}},
		{"", "`forecast` of bench, which holds nothing that was measured", bench.Forecast{}},
		{"", "each of `cases`", bench.Projection{}},
		{"", "each of `compared`", jsonCompared{}},
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
		"url": "the store", "stored_archives": "archives that it holds below the backup path; missing after a dry run", "versioning": "whether it keeps what is replaced; missing if that is not known", "compared": "true if archives were compared as a backup does, false if by times of modification", "replaced_names": "paths of the first archives that would be replaced",
		"plan class": "storage class of the plan", " class": "the class",
		"bench version": "version of the form of the result", "made": "when it was measured", "bench host": "name of the machine", "system": "operating system and processor", "cores": "cores that the process may use",
		"seconds": "seconds that it took", "tree": "what was walked", "read": "making tars of files, and nothing after it", "codecs": "compressions, on the same pieces of the tree",
		"scaling": "the backup's compression with several workers at once", "sums": "hashes and the cipher", "upload": "uploads that were aborted; missing if there were none", "backup": "a backup into a store that keeps nothing",
		"missing": "what was not measured", "settings": "settings that were measured", "forecast": "what follows from the measurements", "bench compared": "figures of both results, with `--compare`",

		"each figure of bench value": "mean", "low": "least that the true mean is, with a probability of 95 %", "high": "most that it is", "count": "measurements that it is of; with 1 nothing is known of the spread", "unbounded": "true if `high` is not known",
		"`tree` of bench path": "backup path", "entries": "entries", "`tree` of bench files": "regular files", "`tree` of bench bytes": "bytes of regular files", "`tree` of bench tar": "bytes that the tars have", "part": "true if the time was over before the whole tree was walked",
		"first_walk_disk": "bytes that the first walk read from the disk; -1: not known", "first_walk": "entries a second of the first walk, by one walker", "walk": "entries a second of later walks, by all walk workers",
		"rate": "bytes a second", "workers": "workers", "`read` of bench bytes": "bytes that were read", "disk": "share of them that came from the disk, from 0 to 1; -1: not known",
		"name": "name", "library": "the library that it is of, that firn could use in place of its own", "each of `codecs` level": "level; missing if it has none", "each of `codecs` rate": "bytes a second of one core", "each of `codecs` ratio": "bytes in for each byte out",
		"cost": "time of a core over that of the backup's compression, for the same pieces", "each of `codecs` size": "bytes out over those of the backup's compression, for the same pieces",
		"each of `scaling` and `by_connections` cores": "cores that the workers had; fewer if other processes took them", "each of `sums` rate": "bytes a second of one core",
		"store": "URL of the store", "by_connections": "bytes of objects a second, by the number of connections", "`upload` of bench requests": "requests that are billed", "`upload` of bench bytes": "bytes that were sent, and dropped by the store", "dollars": "price of the requests",
		"`backup` of bench bytes": "bytes that went through", "whole": "true if that was the whole tree", "cpu": "seconds of a core for each byte", "stages": "how busy the workers of each stage were", "limit": "what is the limit", "stage": "the stage", "share": "share of the time that its workers were busy",
		"why": "why", "each of `missing` what": "what was not measured", "`settings` of bench algorithm": "value of `--compression-algorithm`", "walk_workers": "value of `--walk-workers`", "archive_workers": "value of `--archive-workers`", "`settings` of bench compress_workers": "value of `--compress-workers`", "encrypt_workers": "value of `--encrypt-workers`", "upload_workers": "value of `--upload-workers`; 0: auto", "`settings` of bench part_size": "value of `--part-size`",
		"`forecast` of bench, which holds nothing that was measured bytes": "bytes of regular files that it is for", "parts": "what the parts add up to, over what the whole was measured at; the cases are corrected by it", "cases": "the settings that were measured, then changes of them",
		"change": "what is changed; empty for nothing", "faster": "by how much the figure is higher; 0.1 is 10 %", "hours": "hours that the backup takes", "each of `cases` stored": "bytes that are stored",
		"unit": "`bytes/s`, `entries/s` or `ratio`", "then": "the figure of `--compare`", "now": "the figure of this run", "apart": "true if they differ by more than their spread",

		"operation": "`backup`, `restore` or `verify`", "status host": "the coordinator's", "phase": "`finding` (more may be found), `working`, `stopping` or `over`", "began": "when it began", "status seconds": "since then",
		"status found": "archives to look at, so far", "found_bytes": "bytes of them, to be read", "scan_complete": "whether that is all", "status done": "archives that are done with: saved, skipped or failed", "done_bytes": "bytes of them", "status failed": "of them those that failed",
		"open": "archives that were handed out, and are not done with", "left_seconds": "how long all will still take; missing if that is not known", "status limit": "the stage with the most left to do", "status hosts": "the workers; those that were lost for ten minutes more", "trouble": "archives that failed, or that were handed out more than once: the last ones",
		"kept": "what the queue keeps", "status queue": "what became of the work that was shared",
		"each of `now` stage": "the stage that it is in", "source_bytes": "bytes of its files", "stage_bytes": "bytes that have gone through that stage", "stage_total_bytes": "of how many; missing if that is not known",
		"each of `trouble` hosts": "that had it", "tries": "what they said", "each of `trouble` open": "whether it is not done with", "each of `trouble` error": "why it failed for good", "each of `tries` host": "the host", "each of `tries` why": "what it said; missing if it was not heard of again",
		"waiting": "archives that no worker holds", "held": "archives that one holds", "answers": "answers that the coordinator has not taken",
		"joined": "workers that have joined, in all", "retried": "archives that were handed out more than once", "twice": "archives that were done more than once; one answer counts", "returned": "times that a worker handed one back that it had not begun", "stale": "messages of other runs", "offered_again": "archives that the queue had lost, and that were offered again", "forged": "messages that nobody with the key file has sent", "exhausted": "archives that no host ended",

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
With ` + "`--json`" + `, list, find, diff, doctor, plan, bench and status print one JSON object a line on standard output.
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
			if special := o.meaning + " " + field; all[special] != "" {
				name = special
			} else if all[name] == "" {
				name = field
			}
			meaning := cmp.Or(f.Tag.Get("doc"), all[name])
			if meaning == "" {
				t.Errorf("field %s of %q has no description", field, o.kind)
			}
			used[name] = true
			fmt.Fprintf(&b, "| `%s` | %s |\n", field, meaning)
		}
	}
	for name := range all {
		if !used[name] {
			t.Errorf("%q describes no field", name)
		}
	}
	return b.String()
}
