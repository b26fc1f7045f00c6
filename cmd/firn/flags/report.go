package flags

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"firn/cmd/firn/page"
	"firn/cmd/firn/ui"
)

// Report is a page about the run.
type Report struct {
	File string

	set *pflag.FlagSet // all flags of the command
}

func (r *Report) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&r.File, "report", "", "write how the run goes and went to this `file`, a page for a browser, every minute and at the end; its name ends in .html. Only such a page is replaced, and a dry run writes none")
}

func (r *Report) Validate(f *pflag.FlagSet) error {
	r.set = f
	if !f.Changed("report") {
		return nil
	}
	if err := Require(f, "report"); err != nil {
		return err
	}
	if ext := strings.ToLower(filepath.Ext(r.File)); ext != ".html" && ext != ".htm" {
		return fmt.Errorf("--report %q: it is a page for a browser: its name must end in .html", r.File)
	}
	return nil
}

// Those that are given are settings of a report if they are told here: none that may be a secret is.
var (
	toldAlways = []string{
		"depth", "compression-algorithm", "storage-class", "archive-workers", "compress-workers", "encrypt-workers", "upload-workers", "fetch-workers",
		"memory-limit", "part-size", "spool-limit", "retry-for",
	}
	toldIfGiven = []string{
		"backup-path", "target", "bucket-name", "prefix", "region", "profile", "endpoint-url", "cache-path", "dynamodb-table-name", "bandwidth-limit",
		"exclude", "exclude-from", "exclude-caches", "one-file-system", "force-read", "compression-level", "lock-days", "lock-mode",
		"no-resume", "abort-unfinished-after", "new-store", "rekey", "replace-partial", "walk-workers",
		"quick", "read-data", "read-data-subset", "all-runs", "run", "at", "path", "expect-run",
		"thaw", "thaw-days", "wait", "max-cost", "overwrite", "no-owner", "allow-unproven", "max-entries", "max-bytes",
	}
)

// Settings are those of the command that a report tells of.
func (r *Report) Settings() (all []page.Setting) {
	r.set.VisitAll(func(f *pflag.Flag) {
		always := slices.Contains(toldAlways, f.Name)
		if !always && !(f.Changed && slices.Contains(toldIfGiven, f.Name)) {
			return
		}
		value := shown(f)
		if f.Name == "endpoint-url" {
			value = withoutSecrets(value)
		}
		if f.Changed || value != "" && value != "0" {
			all = append(all, page.Setting{Name: f.Name, Value: value, Given: f.Changed})
		}
	})
	slices.SortStableFunc(all, func(a, b page.Setting) int { return given(b) - given(a) })
	return all
}

// shown is the value of a flag for people.
func shown(f *pflag.Flag) string {
	value := f.Value
	if o, ok := value.(*once); ok {
		value = o.Value
	}
	switch v := value.(type) {
	case pflag.SliceValue:
		return strings.Join(v.GetSlice(), ", ")
	case *Size:
		if *v > 0 && !f.Changed { // it was computed
			return ui.Bytes(int64(*v))
		}
	}
	return f.Value.String()
}

func given(s page.Setting) int {
	if s.Given {
		return 1
	}
	return 0
}

// withoutSecrets is what of a URL is none: user, password and query may be.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
