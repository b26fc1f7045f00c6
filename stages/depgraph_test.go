package stages_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A node is a package as `go list -deps -json` describes it; its tests are
// left out.
type node struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

type graph map[string]node

// readGraph lists the module and all it depends on. What does not build is for
// the compiler to tell: its imports are judged all the same.
func readGraph(goos string) (graph, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Imports", "firn/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", goos, err, said.String())
	}
	g := graph{}
	for d := json.NewDecoder(strings.NewReader(out.String())); ; {
		var n node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		g[n.ImportPath] = n
	}
}

// reach is everything that pkg imports, directly or not.
func (g graph) reach(pkg string) []string {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(p string) {
		for _, i := range g[p].Imports {
			if !seen[i] {
				seen[i] = true
				visit(i)
			}
		}
	}
	visit(pkg)
	var all []string
	for p := range seen {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// in reports whether pkg is one of trees or lies beneath one.
func in(pkg string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(t string) bool { return pkg == t || strings.HasPrefix(pkg, t+"/") })
}

var (
	formats = []string{"firn/stages/format/codec", "firn/stages/format/encryption", "firn/stages/stage/archive", "firn/stages/format/hash", "firn/stages/format/catalogue"}
	drivers = []string{"firn/stages/store/s3", "firn/stages/store/dynamodb", "firn/stages/store/dir"}
	// awsconf is what the drivers that speak to AWS share.
	awsconf = "firn/stages/store/awsconf"
)

const awsSDK = "github.com/aws/aws-sdk-go-v2"

// A rule names what no package that it is about may reach.
type rule struct {
	why    string
	about  func(pkg string) bool
	direct bool // only what it imports itself
	may    func(pkg, imported string, g graph) bool
}

var rules = []rule{{
	why:   "pipeline imports the standard library and golang.org/x/sync only",
	about: func(pkg string) bool { return in(pkg, "firn/pipeline") },
	may: func(_, imported string, g graph) bool {
		return g[imported].Standard || in(imported, "golang.org/x/sync", "firn/pipeline")
	},
}, {
	why:   "dependencies point one way, cmd → stages → pipeline",
	about: func(pkg string) bool { return in(pkg, "firn/stages", "firn/pipeline") },
	may: func(_, imported string, _ graph) bool {
		return !in(imported, "firn") || in(imported, "firn/stages", "firn/pipeline")
	},
}, {
	why:   "what is shipped does not depend on benchmarks",
	about: func(pkg string) bool { return in(pkg, "firn") && !in(pkg, "firn/bench") },
	may:   func(_, imported string, _ graph) bool { return !in(imported, "firn/bench") },
}, {
	why:   "a format imports no store",
	about: func(pkg string) bool { return in(pkg, formats...) },
	may:   func(_, imported string, _ graph) bool { return !in(imported, "firn/stages/store", awsSDK) },
}, {
	why:    "only cmd wires store drivers in",
	about:  func(pkg string) bool { return in(pkg, "firn") && !in(pkg, "firn/cmd", "firn/bench") },
	direct: true,
	may: func(pkg, imported string, _ graph) bool {
		return !slices.ContainsFunc(drivers, func(d string) bool { return in(imported, d) && !in(pkg, d) })
	},
}, {
	why:   "only drivers, and cmd that wires them in, know the AWS SDK",
	about: func(pkg string) bool { return in(pkg, "firn/stages") && !in(pkg, drivers...) && pkg != awsconf },
	may:   func(_, imported string, _ graph) bool { return !in(imported, awsSDK, awsconf) },
}}

// broken lists every import that breaks a rule, with the rule.
func (g graph) broken() []string {
	var found []string
	for pkg, n := range g {
		for _, r := range rules {
			if !r.about(pkg) {
				continue
			}
			imports := n.Imports
			if !r.direct {
				imports = g.reach(pkg)
			}
			for _, imported := range imports {
				if !r.may(pkg, imported, g) {
					found = append(found, fmt.Sprintf("%s reaches %s: %s", pkg, imported, r.why))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestDependenciesPointOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "freebsd"} {
		g, err := readGraph(goos)
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range []string{"firn/pipeline", "firn/stages", "firn/stages/stage/archive", "firn/stages/format/codec", "firn/stages/format/encryption", "firn/stages/format/hash", "firn/stages/store"} {
			if _, ok := g[pkg]; !ok {
				t.Errorf("%s: no package %s: has it moved away from under its rule?", goos, pkg)
			}
		}
		if !slices.Contains(g["firn/stages"].Imports, "firn/pipeline") || !g["context"].Standard {
			t.Errorf("%s: the graph lacks what is known to be in it", goos)
		}
		for _, fault := range g.broken() {
			t.Errorf("%s: %s", goos, fault)
		}
	}
}

// The real graph with one import added breaks exactly the rule that forbids it.
func TestDependencyRulesBite(t *testing.T) {
	whole, err := readGraph("linux")
	if err != nil {
		t.Fatal(err)
	}
	before := whole.broken()
	for _, c := range []struct{ pkg, imports, why string }{
		{"firn/pipeline", "firn/stages/format/key", "standard library"},
		{"firn/pipeline", "golang.org/x/time/rate", "standard library"},
		{"firn/pipeline/extra", "github.com/spf13/cobra", "standard library"},
		{"firn/stages/stage/walk", "firn/cmd/firn", "one way"},
		{"firn/stages", "firn/bench/harness", "benchmarks"},
		{"firn/cmd/firn", "firn/bench/tree", "benchmarks"},
		{"firn/stages/format/codec/xz", "firn/stages/store", "imports no store"},
		{"firn/stages/format/encryption", "firn/stages/stage/upload", "imports no store"}, // by way of upload
		{"firn/stages/format/catalogue", "firn/stages/store/dir", "imports no store"},
		{"firn/stages/format/hash", awsSDK + "/aws", "imports no store"},
		{"firn/stages", "firn/stages/store/s3", "wires store drivers"},
		{"firn/stages/stage/check", "firn/stages/store/dynamodb", "wires store drivers"},
		{"firn/stages/store/s3", "firn/stages/store/dir", "wires store drivers"},
		{"firn/stages/stage/upload", awsSDK + "/service/s3", "AWS SDK"},
		{"firn/cmd/firn", "firn/stages/store/s3", ""},
		{"firn/bench/harness", "firn/stages/store/dynamodb", ""},
		{"firn/stages/store/s3/part", "firn/stages/store/s3", ""},
		{"firn/pipeline", "golang.org/x/sync/semaphore", ""},
	} {
		g := maps.Clone(whole)
		n := g[c.pkg]
		n.Imports = append(slices.Clone(n.Imports), c.imports)
		g[c.pkg] = n
		var fresh []string
		for _, fault := range g.broken() {
			if !slices.Contains(before, fault) {
				fresh = append(fresh, fault)
			}
		}
		if c.why == "" {
			if len(fresh) > 0 {
				t.Errorf("%s may import %s: %v", c.pkg, c.imports, fresh)
			}
			continue
		}
		if !slices.ContainsFunc(fresh, func(f string) bool { return strings.HasPrefix(f, c.pkg) && strings.Contains(f, c.why) }) {
			t.Errorf("%s imports %s: %v, want a fault that says %q", c.pkg, c.imports, fresh, c.why)
		}
	}
}
