package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/stages/format/codec"
	"firn/stages/service/ledger"
	"firn/stages/service/state"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// Shells ask firn itself for what can follow on a command line: firn __complete WORD... It answers from
// the flags, the state files and the directories of this machine. It never asks a server, and never
// waits for longer than patience.
const (
	patience  = 300 * time.Millisecond
	mostRuns  = 50 // that are offered
	mostCache = 32 // cache paths that are looked into
)

// completeFlags says what can be the value of each flag of a command. Where no list says so, the name of
// the argument in the flag's usage does.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if complete := completion(f); complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails for a flag that is not there
		}
	})
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = missingFlags
	}
}

// completion is what completes the value of a flag; nil for one that takes no value of a known kind.
func completion(f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "bucket-name":
		return completeStore
	case "run", "expect-run":
		return completeRun
	case "storage-class":
		return choices(classes()...)
	case "compression-algorithm":
		return choices(codec.Names()...)
	case "compression-level":
		return completeLevel
	case "acl":
		return choices("private", "bucket-owner-full-control", "bucket-owner-read", "authenticated-read", "aws-exec-read", "public-read", "public-read-write")
	case "lock-mode":
		return choices("governance\ta special right lifts the locks", "compliance\tnobody can lift the locks")
	case "overwrite":
		return choices("never", "if-older", "always")
	case "thaw":
		return choices("expedited\tthe fastest, and the most expensive", "standard", "bulk\tthe slowest, and the cheapest")
	case "progress":
		return choices("auto\tbars on a terminal, lines elsewhere", "bars", "lines", "json", "none")
	case "upload-workers", "fetch-workers":
		return choices("auto")
	}
	switch argument, _ := pflag.UnquoteUsage(f); argument {
	case "directory":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "file", "path", "pattern":
		return anyFile
	}
	return nil
}

// choices complete a word to one of these, in this order. What follows a tab describes a choice.
func choices(all ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) (fit []string, _ cobra.ShellCompDirective) {
		for _, c := range all {
			if len(c) >= len(word) && strings.EqualFold(c[:len(word)], word) {
				fit = append(fit, c)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// classes are the storage classes, first those that the help names.
func classes() (all []string) {
	named := []string{store.ClassGlacier, store.ClassDeepArchive, "GLACIER_IR", store.ClassStandard}
	all = []string{
		named[0] + "\tthawed within hours", named[1] + "\tthe cheapest, thawed within two days", named[2] + "\tread at once", named[3] + "\tread at once",
	}
	for _, c := range store.Classes() {
		if !slices.Contains(named, c) {
			all = append(all, c)
		}
	}
	return all
}

// completeLevel offers the levels of the algorithm that is named.
func completeLevel(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	algorithm := setting(cmd, "compression-algorithm")
	usual, err := codec.New(algorithm, codec.DefaultLevel)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var levels []string
	for n := 1; ; n++ {
		if _, err := codec.New(algorithm, n); err != nil {
			break
		}
		text := fmt.Sprint(n)
		if n == usual.Level() {
			text += "\tthe default of " + usual.Name()
		}
		levels = append(levels, text)
	}
	return choices(levels...)(cmd, args, word)
}

// missingFlags offers the required flags that are not given.
func missingFlags(cmd *cobra.Command, _ []string, word string) (names []string, _ cobra.ShellCompDirective) {
	for _, g := range flags.Of(cmd.Flags()) {
		g.VisitAll(func(f *pflag.Flag) {
			if g.Title == flags.Required && word == "" && cmd.HasParent() && !f.Changed && variable(f.Name) == "" {
				_, usage := pflag.UnquoteUsage(f)
				names = append(names, "--"+f.Name+"\t"+usage)
			}
		})
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// anyFile completes a word to the name of a file.
func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeRun offers the runs that are known on this machine.
func completeRun(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	ids := within(patience, func() []string { return runsHere(cmd) })
	return choices(append([]string{"latest\tthe newest run"}, ids...)...)(cmd, args, word)
}

// completeRuns is completeRun for the arguments of a command that takes so many runs.
func completeRuns(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return missingFlags(cmd, args, word)
		}
		return completeRun(cmd, args, word)
	}
}

// runsHere are the ids of the runs of a command's store, the newest first.
func runsHere(cmd *cobra.Command) (ids []string) {
	url := "s3://" + setting(cmd, "bucket-name")
	if strings.HasPrefix(url, "s3://file:") {
		s, err := dir.Open(setting(cmd, "bucket-name"))
		if err != nil {
			return nil
		}
		url = s.URL()
		ids = runsIn(storeDir(s), setting(cmd, "prefix"))
	}
	for _, cache := range caches(cmd) {
		if runs, err := state.Peek(cache, mostRuns, ledger.IsID); err == nil {
			ids = append(ids, runs[url]...)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	return ids[:min(len(ids), mostRuns)]
}

// runsIn are the ids of runs in the catalogue of a directory store.
func runsIn(root, prefix string) (ids []string) {
	runs := path.Dir((&ledger.Ledger{Prefix: prefix}).RunKey(""))
	entries, _ := os.ReadDir(filepath.Join(root, filepath.FromSlash(runs)))
	for _, e := range entries {
		if id := ledger.RunOf(path.Join(runs, e.Name())); ledger.IsID(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// completeStore offers the stores of which runs are known on this machine, and directories as URLs.
func completeStore(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	const files = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if begun, is := strings.CutPrefix(word, "file://"); is {
		return within(patience, func() []string { return directories(begun) }), files
	}
	known := within(patience, func() (known []string) {
		urls := map[string]bool{}
		for _, cache := range caches(cmd) {
			runs, _ := state.Peek(cache, 1, ledger.IsID)
			for url := range runs {
				urls[strings.TrimPrefix(url, "s3://")] = true
			}
		}
		return slices.Sorted(maps.Keys(urls))
	})
	fit, directive := choices(known...)(cmd, args, word)
	if len(fit) == 0 && strings.HasPrefix("file:///", word) {
		return []string{"file:///"}, files
	}
	return fit, directive
}

// directories are the URLs of directories whose paths begin so.
func directories(path string) (urls []string) {
	parent, begun := filepath.Split(path)
	if parent == "" {
		return []string{"file:///"}
	}
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(begun, ".")
		if info, err := os.Stat(parent + e.Name()); err == nil && info.IsDir() && strings.HasPrefix(e.Name(), begun) && !hidden {
			urls = append(urls, "file://"+parent+e.Name()+"/")
		}
	}
	return urls
}

// caches are the cache paths that may know runs: the one that is named, else those that are usual.
func caches(cmd *cobra.Command) (paths []string) {
	if path := setting(cmd, "cache-path"); path != "" {
		return []string{path}
	}
	patterns := []string{"/var/cache/firn*", "/var/cache/firn/*"}
	if home, err := os.UserCacheDir(); err == nil {
		patterns = append(patterns, filepath.Join(home, "firn*"), filepath.Join(home, "firn", "*"))
	}
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // a pattern of ours is well formed
		paths = append(paths, found...)
	}
	return paths[:min(len(paths), mostCache)]
}

// setting is the value of a flag: as given, else from the environment, else its default.
func setting(cmd *cobra.Command, name string) string {
	f := cmd.Flags().Lookup(name)
	if f == nil {
		return ""
	}
	if text := variable(name); text != "" && !f.Changed {
		return text
	}
	return f.Value.String()
}

// variable is what the environment says of a flag.
func variable(flag string) string { return os.Getenv(flags.Variable(flag)) }

// within returns what find returns, or nothing if that takes longer: a dead server of a network file
// system must not hold up the prompt.
func within(limit time.Duration, find func() []string) []string {
	found := make(chan []string, 1)
	go func() { found <- find() }() // ends with the process
	select {
	case all := <-found:
		return all
	case <-time.After(limit):
		return nil
	}
}

// completes reports whether a command line asks for completions.
func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// tolerate makes all flags take any value, and any number of them: cobra parses an unfinished command
// line, and does so twice.
func tolerate(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, several := f.Value.(pflag.SliceValue); !several {
			f.Value = tolerant{f.Value}
		}
	})
	for _, c := range cmd.Commands() {
		tolerate(c)
	}
}

// A tolerant value keeps the last one that could be read.
type tolerant struct{ pflag.Value }

// Set implements pflag.Value.
func (v tolerant) Set(text string) error {
	_ = v.Value.Set(text)
	return nil
}
