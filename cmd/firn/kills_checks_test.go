package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What must be so after a run on many hosts that ended well, whatever was killed before. Each check
// gives a line for each thing that is wrong.

// unfinishedIn gives the multipart uploads in a bucket.
func unfinishedIn(ctx context.Context, c *s3.Client, bucket string) (wrong []string, err error) {
	pages := s3.NewListMultipartUploadsPaginator(c, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			wrong = append(wrong, fmt.Sprintf("upload %s of %s is left", *u.UploadId, *u.Key))
		}
	}
	return wrong, nil
}

// stays is what may lie in a cache path between two runs.
func stays(name string) bool {
	return name == "firn-state.db" || name == filepath.Join("worker", "firn-state.db") ||
		strings.HasPrefix(name, "queue"+string(filepath.Separator))
}

// leftInCache gives the files in a cache path that are of a run that is over.
func leftInCache(dir string) (wrong []string, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, err := filepath.Rel(dir, p); err != nil || !stays(name) {
			wrong = append(wrong, p+" is left")
		}
		return nil
	})
	return wrong, err
}

// holding gives the files below a directory that hold a text.
func holding(dir string, text []byte) (wrong []string, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) { // a server is at work in it
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		found, err := holds(p, text)
		if found {
			wrong = append(wrong, fmt.Sprintf("%s holds %q", p, text))
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	return wrong, err
}

func holds(file string, text []byte) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for kept := 0; ; {
		n, err := f.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], text) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// What may be the beginning of the text stays.
		n += kept
		kept = min(n, len(text)-1)
		copy(buf, buf[n-kept:n])
	}
}

// A listed is a line of firn list --json, of a run or of a subtree.
type listed struct {
	Kind      string
	Run       string
	Started   time.Time
	Complete  bool
	Subtrees  int
	Path, Key string
	Status    string
	MD5       string
}

func parseList(out []byte) (lines []listed, err error) {
	for line := range bytes.Lines(out) {
		var l listed
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// wholeManifest checks that of the runs that are listed one is the newest, complete, and the one that
// was said to be the last; and that it lists each subtree of the tree once, and nothing else.
func wholeManifest(runs, subtrees []listed, last string, tree []string) (wrong []string) {
	newest := listed{}
	ids := map[string]int{}
	for _, r := range runs {
		if ids[r.Run]++; ids[r.Run] == 2 {
			wrong = append(wrong, fmt.Sprintf("run %s is listed twice", r.Run))
		}
		if r.Started.After(newest.Started) {
			newest = r
		}
	}
	switch {
	case newest.Run != last:
		wrong = append(wrong, fmt.Sprintf("the newest run is %q, and the last one was %q", newest.Run, last))
	case !newest.Complete:
		wrong = append(wrong, fmt.Sprintf("run %s is not complete", last))
	case newest.Subtrees != len(tree):
		wrong = append(wrong, fmt.Sprintf("run %s counts %d subtrees, and the tree has %d", last, newest.Subtrees, len(tree)))
	}
	paths, keys := map[string]int{}, map[string]int{}
	for _, s := range subtrees {
		paths[s.Path]++
		keys[s.Key]++
		if s.Run != last {
			wrong = append(wrong, fmt.Sprintf("%s is of run %s", s.Path, s.Run))
		}
		if s.Status == "failed" || s.Status == "" {
			wrong = append(wrong, fmt.Sprintf("%s is %q", s.Path, s.Status))
		}
	}
	for _, p := range tree {
		if paths[p] != 1 {
			wrong = append(wrong, fmt.Sprintf("%s has %d lines", p, paths[p]))
		}
		delete(paths, p)
	}
	for p := range paths {
		wrong = append(wrong, p+" is not in the tree")
	}
	for k, n := range keys {
		if n != 1 {
			wrong = append(wrong, fmt.Sprintf("key %q has %d lines", k, n))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// contentsIn gives, for each archive in a bucket that keeps versions, the SHA-256 of the tars that were
// stored, from the oldest.
func contentsIn(ctx context.Context, c *s3.Client, bucket string) (map[string][]string, error) {
	contents := map[string][]string{}
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			if !strings.Contains(*v.Key, ".tar.") {
				continue
			}
			head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: v.Key, VersionId: v.VersionId})
			if err != nil {
				return nil, fmt.Errorf("%s, version %s: %w", *v.Key, *v.VersionId, err)
			}
			contents[*v.Key] = append(contents[*v.Key], head.Metadata["firn-tar-sha256"])
		}
	}
	for _, c := range contents {
		slices.Reverse(c) // the newest is listed first
	}
	return contents, nil
}

// goneBack gives the archives that were replaced by an older content of theirs.
func goneBack(contents map[string][]string) (wrong []string) {
	for key, versions := range contents {
		seen := map[string]bool{}
		for i, v := range versions {
			if i > 0 && v == versions[i-1] {
				continue
			}
			if seen[v] {
				wrong = append(wrong, fmt.Sprintf("version %d of %s is an older one again: %.8q", i+1, key, versions))
				break
			}
			seen[v] = true
		}
	}
	slices.Sort(wrong)
	return wrong
}

// storedTwice gives the archives of which a version has the content of the one before.
func storedTwice(contents map[string][]string) (keys []string) {
	for key, versions := range contents {
		for i := 1; i < len(versions); i++ {
			if versions[i] == versions[i-1] {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// A step is a call of a host, or a blow, in the order in which they were seen.
type step struct {
	at   time.Time
	host int    // that called, or was hit; everyone: all were
	op   string // "PutObject" …, or the kind of a blow
	key  string // of the archive; of a blow, of the one that it changes
	size int64  // of the body of a call
	more string // what a call asks: its query, and what it depends on
}

// everyone is the host of a blow that hits all.
const everyone = -1

// begins reports whether a call begins to send an archive.
func (s step) begins() bool { return s.op == "PutObject" || s.op == "CreateMultipartUpload" }

// sentAgain looks at each archive that was begun to be sent more than once, and counts why: by the
// last blow between the moment at which the first host took it (when it asks for what is stored) and
// the next beginning that hit this host, or all, or changed the archive; or by one that hit the host which
// begins it next, between its own taking and that. slack is how long a blow goes
// on to tell: what a host took up to then may be taken from it, and one that was stopped may have had it from
// the queue before it asks for what is stored. unexplained has those without one.
func sentAgain(steps []step, slack time.Duration) (why map[string]int, unexplained []string) {
	type begun struct {
		host int
		took time.Time
	}
	why = map[string]int{}
	before := map[string]begun{}
	asked := map[string]map[int]time.Time{}
	for i, s := range steps {
		switch {
		case s.key == "" || blows[s.op]:
			continue
		case s.op == "HeadObject":
			if asked[s.key] == nil {
				asked[s.key] = map[int]time.Time{}
			}
			if at, had := asked[s.key][s.host]; !had || s.at.Sub(at) > time.Minute { // it may have it twice, from a lost queue
				asked[s.key][s.host] = s.at
			}
			continue
		case !s.begins():
			continue
		}
		if b, again := before[s.key]; again {
			cause := causeOf(steps[:i], s.key, b.host, b.took.Add(-slack))
			if took, had := asked[s.key][s.host]; had && cause == "" { // it was hit after it had taken it, and goes on
				if cause = causeOf(steps[:i], s.key, s.host, took); cause == "" && causeOf(steps[:i], s.key, s.host, took.Add(-slack)) == stopsHost {
					cause = stopsHost
				}
			}
			if cause != "" {
				why[cause]++
			} else {
				unexplained = append(unexplained, fmt.Sprintf("%s was begun by host %d at %s and by host %d at %s", s.key,
					b.host, b.took.Format(stepTime), s.host, s.at.Format(stepTime)))
			}
		}
		took := s.at
		if at, ok := asked[s.key][s.host]; ok {
			took = at
			delete(asked[s.key], s.host)
		}
		before[s.key] = begun{s.host, took}
	}
	return why, unexplained
}

const stepTime = "15:04:05.000"

// whyTwice gives the last blow before an archive was stored for the last time that hit all, or a host
// that had sent something of it before; "" if there is none.
func whyTwice(steps []step, key string) string {
	last := -1
	for i, s := range steps {
		if s.key == key && (s.op == "PutObject" || s.op == "CompleteMultipartUpload") {
			last = i
		}
	}
	sent := map[int]bool{everyone: true}
	why := ""
	for _, s := range steps[:max(last, 0)] {
		switch {
		case s.key == key && s.op != "HeadObject" && !blows[s.op]:
			sent[s.host] = true
		case blows[s.op] && s.key == "" && sent[s.host] && len(sent) > 1:
			why = s.op
		}
	}
	return why
}

func causeOf(steps []step, key string, host int, since time.Time) string {
	for i := len(steps) - 1; i >= 0 && !steps[i].at.Before(since); i-- {
		s := steps[i]
		if blows[s.op] && (s.key == key || s.key == "" && (s.host == host || s.host == everyone)) {
			return s.op
		}
	}
	return ""
}

// A runSummary is what is read of a summary.
type runSummary struct {
	Event                                                  string
	Run, Error                                             string
	Complete                                               bool
	Subtrees, Saved, Identical, Unchanged, Adopted, Failed int64
	Queue                                                  queueCounts
}

type queueCounts struct{ Joined, Retried, Twice, Forged, Exhausted int64 }

func (q *queueCounts) add(o queueCounts) {
	q.Joined += o.Joined
	q.Retried += o.Retried
	q.Twice += o.Twice
	q.Forged += o.Forged
	q.Exhausted += o.Exhausted
}

// countedOnce reads the events of a run, and gives its summary, if it has one: each archive is told of
// once, a run that is complete has something to say of each, and nothing is forged.
func countedOnce(events []byte) (end runSummary, wrong []string) {
	ends := map[string]bool{"saved": true, "identical": true, "unchanged": true, "failed": true}
	told := map[string]string{}
	for line := range bytes.Lines(events) {
		var e struct{ Event, Path string }
		if json.Unmarshal(line, &e) != nil { // it was killed in the middle of a line
			continue
		}
		switch {
		case e.Event == "summary":
			if err := json.Unmarshal(line, &end); err != nil {
				wrong = append(wrong, err.Error())
			}
		case !ends[e.Event] || e.Path == "":
		case told[e.Path] != "":
			wrong = append(wrong, fmt.Sprintf("%s is %s, and was %s", e.Path, e.Event, told[e.Path]))
		default:
			told[e.Path] = e.Event
		}
	}
	if sum := end.Saved + end.Identical + end.Unchanged + end.Failed; end.Complete && sum != end.Subtrees {
		wrong = append(wrong, fmt.Sprintf("%d of %d archives are counted: %+v", sum, end.Subtrees, end))
	}
	if end.Queue.Forged > 0 {
		wrong = append(wrong, fmt.Sprintf("%d messages did not open", end.Queue.Forged))
	}
	return end, wrong
}

func (p *started) summary() runSummary {
	out, _ := os.ReadFile(p.out)
	end, _ := countedOnce(out)
	return end
}
