package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The bill of firn itself names each module that "go version -m" names, and the sum of the binary.
func TestDescribe(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "firn")
	build := exec.Command("go", "build", "-o", binary, "firn/cmd/firn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := describe("v1", []string{binary})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{} // by path: of one that another takes the place of, that one's
	last := ""
	for line := range strings.Lines(string(listed)) {
		switch f := strings.Fields(line); {
		case len(f) < 3:
		case f[0] == "dep":
			last = f[1]
			modules[last] = f[1] + "@" + f[2]
		case f[0] == "=>":
			modules[last] = f[1] + "@" + f[2]
		}
	}
	for _, m := range modules {
		if !strings.Contains(string(text), `"purl":"pkg:golang/`+m+`"`) {
			t.Errorf("%s is missing", m)
		}
	}
	if len(modules) < 10 || len(b.Components) != len(modules)+1 {
		t.Errorf("%d components of %d modules", len(b.Components), len(modules))
	}
	sum, err := exec.Command("sha256sum", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if files := b.Metadata.Component.Components; b.Metadata.Component.Name != "firn" || len(files) != 1 || !strings.HasPrefix(string(sum), files[0].Hashes[0].Content+" ") {
		t.Errorf("%+v", b.Metadata.Component)
	}
}
