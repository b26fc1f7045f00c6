package main

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wrong reports what a check has found.
func (s *siege) wrong(lines []string, err error) {
	s.t.Helper()
	s.must(err)
	const most = 20
	for _, line := range lines[:min(len(lines), most)] {
		s.t.Error(line)
	}
	if len(lines) > most {
		s.t.Errorf("and %d more", len(lines)-most)
	}
}

// sealed checks that what a queue keeps names nothing, and has nothing of what is in the tree.
func (s *siege) sealed(dir string) {
	s.t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return
	}
	for _, text := range []string{zipfMark, filepath.Base(s.tree.path(7)), s.tree.dir, s.server.Secret} {
		s.wrong(holding(dir, []byte(text)))
	}
}

// check checks what must be so after each round.
func (s *siege) check() {
	s.t.Helper()
	ctx := s.t.Context()
	left, err := unfinishedIn(ctx, s.server.Client(), s.server.Bucket)
	s.wrong(left, err)
	for _, u := range left {
		s.t.Logf("%s", s.journal.history(strings.Fields(u)[3]))
	}
	for _, h := range s.hosts {
		s.wrong(leftInCache(h.cache))
		s.wrong(holding(h.cache, []byte(zipfMark)))
	}
	if s.broker != nil {
		s.sealed(s.broker.Dir)
	}
	s.wrong(holding(s.server.Dir, []byte(zipfMark)))
	runs, err := parseList(s.ask("list"))
	s.must(err)
	subtrees, err := parseList(s.ask("list", "latest"))
	s.must(err)
	s.wrong(wholeManifest(runs, subtrees, s.last, s.tree.paths()), nil)
	contents, err := contentsIn(ctx, s.server.Client(), s.server.Bucket)
	s.must(err)
	s.wrong(goneBack(contents), nil)
	s.twice = map[string]int{}
	for _, key := range storedTwice(contents) {
		why := whyTwice(s.journal.all(), key)
		if s.twice[why]++; why == "" {
			s.t.Errorf("%s was stored again with the same content, for no reason:\n%s", key, s.journal.history(key))
		}
	}
}

// ask runs a firn to its end on the coordinator's host, and gives what it said.
func (s *siege) ask(args ...string) []byte {
	s.t.Helper()
	p := s.firn(s.hosts[0], args[0], append(args, "--bucket-name", s.server.Bucket, "--keyfile", s.key(), "--json")...)
	<-p.done
	if p.code != exitDone {
		s.t.Fatalf("%q ended with code %d:\n%s", args, p.code, p.says())
	}
	out, err := os.ReadFile(p.out)
	s.must(err)
	return out
}

// whole checks that the tree comes back.
func (s *siege) whole() {
	s.t.Helper()
	s.ask("verify", "--read-data", "--cache-path", filepath.Join(s.dir, "cache of verify"))
	target := filepath.Join(s.dir, "target")
	s.ask("restore", "--cache-path", filepath.Join(s.dir, "cache of restore"), "--target", target)
	s.same(s.tree.dir, filepath.Join(target, s.tree.dir))
}

// report prints what has happened, and fails if something was sent again for no reason.
func (s *siege) report() {
	s.t.Helper()
	why, unexplained := sentAgain(s.journal.all(), 2*s.lease)
	s.wrong(unexplained, nil)
	for _, kind := range slices.SortedFunc(maps.Keys(s.struck), func(a, b string) int { return cmp.Compare(s.struck[b], s.struck[a]) }) {
		s.t.Logf("%3d × %s; archives sent again for it: %d", s.struck[kind], kind, why[kind])
	}
	s.t.Logf("archives of which a version has the content of the one before, by the last thing that happened: %v", s.twice)
	s.told()
	s.t.Logf("%d hosts that were stopped lost nothing to others; ends: %v", s.missed, s.codes)
}

// told looks at what the coordinators said of archives, and counts.
func (s *siege) told() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*-coordinator.out"))
	s.must(err)
	var all, most queueCounts
	for _, file := range files {
		out, err := os.ReadFile(file)
		s.must(err)
		end, wrong := countedOnce(out)
		for _, line := range wrong {
			s.t.Errorf("%s: %s", filepath.Base(file), line)
		}
		all.add(end.Queue)
		if end.Queue.Retried > most.Retried {
			most = end.Queue
		}
	}
	s.t.Logf("of %d coordinators' summaries: %+v in all; most of one: %+v", len(files), all, most)
}
