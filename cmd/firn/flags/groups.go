package flags

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/service/ledger"
)

// MiB is 2^20 bytes.
const MiB = 1 << 20

// Store is where archives are, and how it is reached.
type Store struct {
	Bucket, Prefix            string
	Region, Profile, Endpoint string
	Bandwidth                 Bandwidth
	RetryFor                  time.Duration // 0: for ever
}

// Called is what people are told of the place of the archives.
func (s *Store) Called() string {
	called := s.Bucket
	if !s.IsDir() {
		called = "s3://" + called
	}
	if prefix := strings.Trim(s.Prefix, "/"); prefix != "" {
		called += "/" + prefix
	}
	return called
}

// IsDir reports whether the store is a directory.
func (s *Store) IsDir() bool { return strings.HasPrefix(s.Bucket, "file:") }

func (s *Store) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&s.Bucket, "bucket-name", "", "name of the `bucket` that holds the archives, or file:///path for a directory")
	f.StringVar(&s.Prefix, "prefix", "", "put this `text` and a slash before every key")
	f.StringVar(&s.Region, "region", "", "AWS `region`; default: from the environment or the profile")
	f.StringVar(&s.Profile, "profile", "", "AWS `profile`; default: from the environment")
	f.StringVar(&s.Endpoint, "endpoint-url", "", "`URL` of an S3-compatible server; default: AWS_ENDPOINT_URL_S3, else AWS")
	f.Var(&s.Bandwidth, "bandwidth-limit", "send and receive at most so many bytes a second: a `limit` such as 10M, 10M:1M for sending and receiving, or a timetable: '08:00,512k 19:00,10M 23:00,off'; 0 is no limit")
	s.RetryFor = time.Hour
	Interval(f, &s.RetryFor, "retry-for", "wait through an outage of S3 or DynamoDB for this `time`, such as 10m, before the run ends; default: 1h; 0: for ever")
}

func (s *Store) Validate(*pflag.FlagSet) error {
	if small := s.Bandwidth.tooSmall; small != "" {
		return fmt.Errorf("--bandwidth-limit %s is too small: at least 1KiB a second", small)
	}
	if s.RetryFor < 0 {
		return fmt.Errorf("--retry-for %s is negative: 0 waits for ever", s.RetryFor)
	}
	if n := len(key.Prefix(s.Prefix)); n > key.MaxPrefix {
		return fmt.Errorf("--prefix is %d bytes long in keys, more than %d: choose a shorter one", n, key.MaxPrefix)
	}
	return nil
}

// Key is the key file, or those that may have been used: files, or commands that print them.
type Key struct {
	Files     []string   // one, if Usage is set
	Commands  [][]string // in place of Files, in words; set by Validate
	AllowWeak bool
	Usage     string // of --keyfile; "": that of a command that reads archives

	commands []string
}

// Names are what messages call the key files.
func (k *Key) Names() []string {
	names := slices.Clone(k.Files)
	for _, words := range k.Commands {
		names = append(names, "the one that "+words[0]+" printed")
	}
	return names
}

func (k *Key) AddFlags(f *pflag.FlagSet) {
	if k.Usage != "" {
		f.Var((*single)(&k.Files), "keyfile", k.Usage)
		f.Var((*single)(&k.commands), "keyfile-command", "run this `command`, whose standard output is the content of the key file, in place of --keyfile; no shell is involved")
	} else {
		f.StringArrayVar(&k.Files, "keyfile", nil, "key `file` that the archives were made with: its first line is the passphrase; may be repeated, if the key file was changed")
		f.StringArrayVar(&k.commands, "keyfile-command", nil, "run this `command`, whose standard output is the content of a key file, in place of --keyfile; no shell is involved; may be repeated")
	}
	f.BoolVar(&k.AllowWeak, "allow-weak-keyfile", false, "accept a passphrase shorter than 16 bytes")
}

func (k *Key) Validate(*pflag.FlagSet) error {
	if len(k.Files) > 0 && len(k.commands) > 0 {
		return errors.New("--keyfile and --keyfile-command contradict each other: give one of them")
	}
	for _, command := range k.commands {
		words, err := splitWords(command)
		if err != nil {
			return fmt.Errorf("--keyfile-command %q: %w", command, err)
		}
		k.Commands = append(k.Commands, words)
	}
	return nil
}

// Cache is the cache path, and how much of its disk is used.
type Cache struct {
	Path       string
	SpoolLimit Size   // 0: half of what is free
	Usage      string // of --cache-path
}

func (c *Cache) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&c.Path, "cache-path", "", c.Usage)
	f.Var(&c.SpoolLimit, "spool-limit", "keep at most this many bytes of archives in the cache path; default: half of its free space")
}

func (c *Cache) Validate(f *pflag.FlagSet) error {
	if f.Changed("spool-limit") && c.SpoolLimit < MiB {
		return fmt.Errorf("--spool-limit %s is too small: at least 1MiB", c.SpoolLimit.String())
	}
	return nil
}

// Output is what an operation prints.
type Output struct {
	JSON, Quiet, Verbose bool
	Stages               bool // with JSON: progress has all that is known of each stage
	Progress             ui.Mode
	VerboseUsage         string
}

func (o *Output) AddFlags(f *pflag.FlagSet) {
	f.Var((*jsonOutput)(o), "json", "print one JSON object a line on standard output; with --json=full, progress has all that is known of each stage")
	f.Lookup("json").NoOptDefVal = "true"
	o.Progress = ui.Auto
	f.Var((*mode)(&o.Progress), "progress", "`how` progress is shown: as bars, as lines (one every 30 seconds), as json (an object every 5 seconds, on standard error, or with --json on standard output) or none; auto takes bars on a terminal and lines elsewhere")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "print warnings and errors only")
	f.BoolVarP(&o.Verbose, "verbose", "v", false, o.VerboseUsage)
}

func (o *Output) Validate(*pflag.FlagSet) error {
	switch {
	case o.Quiet && (o.JSON || o.Verbose):
		return errors.New("--quiet contradicts --json and --verbose: give one of them")
	case o.Quiet && o.Progress != ui.Auto && o.Progress != ui.None:
		return fmt.Errorf("--quiet contradicts --progress %s: give one of them", o.Progress)
	case o.JSON && (o.Progress == ui.Bars || o.Progress == ui.Lines):
		return fmt.Errorf("--json contradicts --progress %s: give one of them", o.Progress)
	}
	return nil
}

// Answer is how a command prints what it reads from the catalogue.
type Answer struct{ JSON, Quiet bool }

func (a *Answer) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&a.JSON, "json", false, "print one JSON object a line")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "print no headings and no totals")
}

func (a *Answer) Validate(*pflag.FlagSet) error {
	if a.JSON && a.Quiet {
		return errors.New("--quiet contradicts --json: give one of them")
	}
	return nil
}

// RangeSize is how many bytes one request for a part of an archive asks for.
const RangeSize = 8 * MiB

// Fetch is how many workers read archives.
type Fetch struct{ Workers job.Workers }

func (r *Fetch) AddFlags(f *pflag.FlagSet) {
	r.Workers = job.DefaultWorkers()
	Workers(f, &r.Workers.Fetch, "fetch-workers", "ranges of 8MiB fetched at the same time, over all archives: limits connections and memory; auto finds the number that is fastest, up to 128")
}

func (r *Fetch) Validate(*pflag.FlagSet) error {
	return Between("fetch-workers", max(r.Workers.Fetch, 1), 1, 1000)
}

// Memory is how many bytes the ranges in flight take at most. half is half of the machine's memory.
func (r *Fetch) Memory(half int64) int64 {
	return (job.InFlight(r.Workers.Fetch, RangeSize, half) + int64(r.Workers.Decrypt)) * RangeSize
}

// Select chooses a state and what of it: --run, --at, --path and --expect-run. A flag without a usage
// is not defined.
type Select struct {
	RunUsage, AtUsage, PathUsage, ExpectUsage string

	Moment    ledger.Moment // set by Validate
	Picks     pick.Picks    // set by Validate
	ExpectRun string        // "" for none

	run, at string
	paths   []string
}

func (s *Select) AddFlags(f *pflag.FlagSet) {
	if s.RunUsage != "" {
		f.StringVar(&s.run, "run", "", s.RunUsage)
	}
	if s.AtUsage != "" {
		f.StringVar(&s.at, "at", "", s.AtUsage)
	}
	if s.PathUsage != "" {
		f.StringArrayVar(&s.paths, "path", nil, s.PathUsage)
	}
	if s.ExpectUsage != "" {
		f.StringVar(&s.ExpectRun, "expect-run", "", s.ExpectUsage)
	}
}

func (s *Select) Validate(*pflag.FlagSet) (err error) {
	if s.Picks, err = pick.Parse(s.paths); err != nil {
		return fmt.Errorf("--path: %w", err)
	}
	s.Moment, err = ParseMoment(s.run, s.at)
	return err
}

// HasMoment reports whether --run or --at is given.
func (s *Select) HasMoment() bool { return s.run+s.at != "" }

// HasPaths reports whether --path is given.
func (s *Select) HasPaths() bool { return len(s.paths) > 0 }
