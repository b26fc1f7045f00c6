package flags

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// settings are flags of all kinds.
type settings struct {
	path    string
	depth   int
	exclude []string
	force   bool
	output  Output
	choice  Select
}

func (s *settings) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&s.path, "backup-path", "", "")
	Number(f, &s.depth, "depth", "")
	f.StringArrayVar(&s.exclude, "exclude", nil, "")
	f.BoolVar(&s.force, "force-read", false, "")
	s.output.AddFlags(f)
	s.choice = Select{RunUsage: "run", AtUsage: "at"}
	s.choice.AddFlags(f)
}

func TestFromEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		env  map[string]string
		set  string // names of flags that variables set
		err  string // what it begins with
		want func(*settings) bool
	}{
		"a value":               {"", map[string]string{"FIRN_BACKUP_PATH": "/srv", "FIRN_DEPTH": "2"}, "backup-path depth", "", func(s *settings) bool { return s.path == "/srv" && s.depth == 2 }},
		"a flag wins":           {"--backup-path /home", map[string]string{"FIRN_BACKUP_PATH": "/srv"}, "", "", func(s *settings) bool { return s.path == "/home" }},
		"an empty one is none":  {"", map[string]string{"FIRN_BACKUP_PATH": "", "FIRN_DEPTH": ""}, "", "", func(s *settings) bool { return s.path == "" }},
		"several values":        {"", map[string]string{"FIRN_EXCLUDE": "*.o\r\n\n /a b,c\n"}, "exclude", "", func(s *settings) bool { return slices.Equal(s.exclude, []string{"*.o", " /a b,c"}) }},
		"flags replace them":    {"--exclude x", map[string]string{"FIRN_EXCLUDE": "*.o"}, "", "", func(s *settings) bool { return slices.Equal(s.exclude, []string{"x"}) }},
		"a switch":              {"", map[string]string{"FIRN_FORCE_READ": "1"}, "force-read", "", func(s *settings) bool { return s.force }},
		"a switch that is off":  {"", map[string]string{"FIRN_FORCE_READ": "false"}, "force-read", "", func(s *settings) bool { return !s.force }},
		"no word of a switch":   {"", map[string]string{"FIRN_FORCE_READ": "yes"}, "", `FIRN_FORCE_READ "yes": write true or false`, nil},
		"no number":             {"", map[string]string{"FIRN_DEPTH": "two"}, "", `FIRN_DEPTH "two": write a whole number`, nil},
		"what a flag replaces":  {"--at 2026-11-26 -v", map[string]string{"FIRN_RUN": "latest", "FIRN_QUIET": "true"}, "", "", func(s *settings) bool { return s.choice.run == "" && !s.output.Quiet }},
		"what none replaces":    {"--verbose=false", map[string]string{"FIRN_QUIET": "true"}, "quiet", "", func(s *settings) bool { return s.output.Quiet }},
		"one of another's":      {"", map[string]string{"FIRN_TARGET": "/mnt", "FIRN_HELP": "true"}, "", "", func(*settings) bool { return true }},
		"two that contradict":   {"", map[string]string{"FIRN_RUN": "a", "FIRN_AT": "2026-11-26"}, "run at", "", func(s *settings) bool { return s.choice.run != "" && s.choice.at != "" }},
		"a value that has none": {"", map[string]string{"FIRN_EXCLUDE": "\n"}, "exclude", "", func(s *settings) bool { return len(s.exclude) == 0 }},
	} {
		s, f := &settings{}, pflag.NewFlagSet("", pflag.ContinueOnError)
		Groups{NewGroup("All", s)}.AddTo(f, nil)
		f.Bool("help", false, "")
		if err := f.Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		set, err := FromEnvironment(f, func(name string) (string, bool) { v, ok := test.env[name]; return v, ok })
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || strings.Join(set, " ") != test.set || !test.want(s) {
			t.Errorf("%s: set %q, %v, %+v", name, set, err, s)
		}
	}
}

func TestSettingError(t *testing.T) {
	e := &SettingError{errors.New("--at contradicts --run; see --run-all, ---run and '--bucket-name'"), []string{"run", "bucket-name"}}
	if want := "--at contradicts FIRN_RUN; see --run-all, -FIRN_RUN and 'FIRN_BUCKET_NAME'"; e.Error() != want {
		t.Error(e)
	}
}
