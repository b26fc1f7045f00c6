package verify_test

import (
	"os"
	"path/filepath"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/service/report"
	"firn/stages/verify"
)

// A forged restore.sh would get the key file: each level finds it, whatever its metadata say, and the
// next backup puts the true one back.
func TestVerifyOfRecoveryFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d", "file"), "text")
	r.Backup()
	sound := string(r.ReadObject("restore.sh"))
	told := func(o *stagestest.Outcome) (kinds []report.Kind) {
		for _, e := range o.Events {
			if e.Problem == report.ProblemRecovery {
				kinds = append(kinds, e.Kind)
			}
		}
		return kinds
	}
	for name, c := range map[string]struct {
		spoil    func(file string) error
		want     report.Kind
		complete bool
	}{
		"forged":  {func(file string) error { return os.WriteFile(file, []byte(sound+"true\n"), 0o600) }, report.Catalogue, false},
		"foreign": {func(file string) error { return os.WriteFile(file, []byte("echo mine\n"), 0o600) }, report.Catalogue, false},
		"missing": {os.Remove, report.Warning, true},
	} {
		r := r.copy(t)
		if err := c.spoil(filepath.Join(r.Root(), "restore.sh")); err != nil {
			t.Fatal(err)
		}
		for _, l := range []verify.Level{verify.Quick, verify.Default, verify.ReadData} {
			o := r.Verify(level(l))
			if got := told(o); o.Err != nil || len(got) != 1 || got[0] != c.want || o.Complete(&o.Totals) != c.complete {
				t.Errorf("%s, level %d: %v %v", name, l, o.Err, o.Events)
			}
		}
		warnings := map[string]int{"forged": 1, "foreign": 1}[name]
		if o := r.Backup(); len(told(o)) != warnings || !o.Complete(&o.Totals) || (string(r.ReadObject("restore.sh")) == sound) == (name == "foreign") {
			t.Errorf("%s: the next backup: %v", name, o.Events)
		}
	}
}
