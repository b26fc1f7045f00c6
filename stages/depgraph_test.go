package stages_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A node is a package as `go list -deps -json` describes it, without its tests.
type node struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

type graph map[string]node

// readGraph lists the module and all that it depends on. A package that does not compile is listed
// with its imports all the same.
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

// The layers of firn, from the bottom. A package imports packages of its own layer and of those
// below it. Every package of firn is in exactly one of them, or in none that is below cmd: pipeline
// and bench have rules of their own.
var layers = []struct {
	name  string
	trees []string
}{
	{"formats", []string{"firn/stages/format"}},
	{"services", []string{"firn/stages/service", "firn/stages/store"}},
	{"stages", []string{"firn/stages/stage"}},
	{"job and prove", []string{"firn/stages/job", "firn/stages/prove"}},
	{"operations", operations},
	{"cmd", []string{"firn/cmd"}},
}

var (
	operations = []string{"firn/stages/backup", "firn/stages/restore", "firn/stages/verify", "firn/stages/rebuild", "firn/stages/browse", "firn/stages/doctor", "firn/stages/bench", "firn/stages/plan"}
	drivers    = []string{"firn/stages/store/s3", "firn/stages/store/dynamodb", "firn/stages/store/dir"}
	// queues are the drivers of the queue that joins hosts.
	queues = []string{"firn/stages/service/hosts/jetstream"}
)

// layer is the index of a package's layer, -1 if it is in none.
func layer(pkg string) int {
	for i, l := range layers {
		if in(pkg, l.trees...) {
			return i
		}
	}
	return -1
}

const (
	awsSDK = "github.com/aws/aws-sdk-go-v2"
	// awsconf is what the drivers that speak to AWS share.
	awsconf = "firn/stages/store/awsconf"
)

// A rule says which imports are allowed to the packages that it is about.
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
	why:   "what is shipped does not depend on benchmarks and test rigs",
	about: func(pkg string) bool { return in(pkg, "firn") && !in(pkg, "firn/bench") },
	may:   func(_, imported string, _ graph) bool { return !in(imported, "firn/bench") },
}, {
	why:    "dependencies point one way, cmd → operations → job, prove → stages → services, store → formats",
	about:  func(pkg string) bool { return in(pkg, "firn/stages") },
	direct: true,
	may: func(pkg, imported string, _ graph) bool {
		if !in(imported, "firn") || in(imported, "firn/pipeline") {
			return true
		}
		return layer(imported) >= 0 && layer(imported) <= layer(pkg)
	},
}, {
	why:   "an operation imports no other operation",
	about: func(pkg string) bool { return in(pkg, operations...) },
	may: func(pkg, imported string, _ graph) bool {
		return !slices.ContainsFunc(operations, func(o string) bool { return in(imported, o) && !in(pkg, o) })
	},
}, {
	why:   "a format imports nothing of firn but formats",
	about: func(pkg string) bool { return in(pkg, "firn/stages/format") },
	may: func(_, imported string, _ graph) bool {
		return !in(imported, "firn") || in(imported, "firn/stages/format")
	},
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
}, {
	why: "only cmd wires the queue's driver in",
	about: func(pkg string) bool {
		return in(pkg, "firn") && !in(pkg, "firn/cmd", "firn/bench") && !in(pkg, queues...)
	},
	direct: true,
	may:    func(_, imported string, _ graph) bool { return !in(imported, queues...) },
}, {
	why:   "only the queue's driver, and cmd that wires it in, know NATS",
	about: func(pkg string) bool { return in(pkg, "firn/pipeline", "firn/stages") && !in(pkg, queues...) },
	may:   func(_, imported string, _ graph) bool { return !in(imported, "github.com/nats-io") },
}, {
	why:    "only the room for monitoring knows Prometheus",
	about:  func(pkg string) bool { return in(pkg, "firn") && pkg != "firn/cmd/firn/monitor" },
	direct: true,
	may:    func(_, imported string, _ graph) bool { return !in(imported, "github.com/prometheus") },
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

// linux is the graph that both tests judge.
var linux = sync.OnceValues(func() (graph, error) { return readGraph("linux") })

func TestDependenciesPointOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "freebsd"} {
		read := linux
		if goos != "linux" {
			read = func() (graph, error) { return readGraph(goos) }
		}
		g, err := read()
		if err != nil {
			t.Fatal(err)
		}
		known := append([]string{"firn/pipeline", "firn/stages/job", "firn/stages/prove", "firn/stages/store", awsconf}, slices.Concat(operations, drivers, queues)...)
		for _, pkg := range known {
			if _, ok := g[pkg]; !ok {
				t.Errorf("%s: no package %s: has it moved away from under its rule?", goos, pkg)
			}
		}
		filled := make([]bool, len(layers))
		for pkg := range g {
			if i := layer(pkg); i >= 0 {
				filled[i] = true
			} else if in(pkg, "firn/stages") && pkg != "firn/stages" {
				t.Errorf("%s: %s is in no layer", goos, pkg)
			}
		}
		for i, l := range layers {
			if !filled[i] {
				t.Errorf("%s: there are no %s: have they moved away from under their rules?", goos, l.name)
			}
		}
		if !slices.Contains(g["firn/stages/backup"].Imports, "firn/pipeline") || !g["context"].Standard {
			t.Errorf("%s: the graph lacks what is known to be in it", goos)
		}
		for _, fault := range g.broken() {
			t.Errorf("%s: %s", goos, fault)
		}
	}
}

// The real graph with one import added breaks exactly the rule that forbids it.
func TestDependencyRulesBite(t *testing.T) {
	whole, err := linux()
	if err != nil {
		t.Fatal(err)
	}
	before := whole.broken()
	for _, c := range []struct{ pkg, imports, why string }{
		{"firn/pipeline", "firn/stages/format/key", "standard library"},
		{"firn/pipeline", "golang.org/x/time/rate", "standard library"},
		{"firn/pipeline/extra", "github.com/spf13/cobra", "standard library"},
		{"firn/stages/backup", "firn/bench/harness", "test rigs"},
		{"firn/stages/prove", "firn/bench/stagestest", "test rigs"},
		{"firn/cmd/firn", "firn/bench/tree", "test rigs"},
		{"firn/stages/stage/walk", "firn/cmd/firn", "one way"},
		{"firn/stages/backup", "firn/cmd/firn/ui", "one way"},
		{"firn/stages/job", "firn/stages/backup", "one way"},
		{"firn/stages/prove", "firn/stages/restore", "one way"},
		{"firn/stages/stage/fetch", "firn/stages/job", "one way"},
		{"firn/stages/stage/fetch", "firn/stages/prove", "one way"},
		{"firn/stages/service/spool", "firn/stages/stage/pack", "one way"},
		{"firn/stages/store", "firn/stages/stage/fetch", "one way"},
		{"firn/stages/store/s3", "firn/stages/browse", "one way"},
		{"firn/stages/new", "firn/stages/store", "one way"}, // in no layer
		{"firn/stages/job", "firn/stages/new", "one way"},
		{"firn/stages/backup", "firn/stages/verify", "no other operation"},
		{"firn/stages/restore", "firn/stages/browse", "no other operation"},
		{"firn/stages/verify", "firn/stages/rebuild", "no other operation"},
		{"firn/stages/rebuild", "firn/stages/restore", "no other operation"},
		{"firn/stages/browse", "firn/stages/backup", "no other operation"},
		{"firn/stages/bench", "firn/stages/backup", "no other operation"},
		{"firn/stages/backup", "firn/stages/plan", "no other operation"},
		{"firn/stages/format/codec/xz", "firn/stages/store", "but formats"},
		{"firn/stages/format/encryption", "firn/stages/stage/upload", "but formats"},
		{"firn/stages/format/record", "firn/pipeline", "but formats"},
		{"firn/stages/format/pick", "firn/stages/service/state", "but formats"},
		{"firn/stages/format/new", "firn/stages/service/report", "but formats"},
		{"firn/stages/format/catalogue", "firn/stages/store/dir", "wires store drivers"},
		{"firn/stages/format/hash", awsSDK + "/aws", "AWS SDK"},
		{"firn/stages/format/hash", awsconf, "but formats"},
		{"firn/stages/backup", "firn/stages/store/s3", "wires store drivers"},
		{"firn/stages/stage/check", "firn/stages/store/dynamodb", "wires store drivers"},
		{"firn/stages/store/s3", "firn/stages/store/dir", "wires store drivers"},
		{"firn/stages/stage/upload", awsSDK + "/service/s3", "AWS SDK"},
		{"firn/stages/service/report", "github.com/prometheus/client_golang/prometheus", "knows Prometheus"},
		{"firn/cmd/firn/ui", "github.com/prometheus/common/expfmt", "knows Prometheus"},
		{"firn/stages/backup", "firn/stages/service/hosts/jetstream", "queue's driver"},
		{"firn/stages/service/hosts", "firn/stages/service/hosts/jetstream/embedded", "queue's driver"},
		{"firn/stages/service/hosts/hoststest", "github.com/nats-io/nats.go", "know NATS"},
		{"firn/pipeline", "github.com/nats-io/nats.go", "standard library"},
		{"firn/cmd/firn", "firn/stages/store/s3", ""},
		{"firn/cmd/firn", "firn/stages/service/hosts/jetstream/embedded", ""},
		{"firn/stages/service/hosts/jetstream/part", "firn/stages/service/hosts/jetstream", ""},
		{"firn/cmd/firn", "firn/stages/verify", ""},
		{"firn/bench/harness", "firn/stages/store/dynamodb", ""},
		{"firn/bench/stagestest", "firn/stages/backup", ""},
		{"firn/stages/store/s3/part", "firn/stages/store/s3", ""},
		{"firn/stages/format/record", "firn/stages/format/key", ""},
		{"firn/stages/prove", "firn/stages/job", ""},
		{"firn/stages/backup/part", "firn/stages/backup", ""},
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

var flag = regexp.MustCompile(`--[a-z][a-z-]*`)

// flagsIn lists the command-line flags in the string literals of a Go file, as "file:line: flag".
// src is the file's text; nil reads the file.
func flagsIn(name string, src any) (found []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			text = lit.Value
		}
		if flags := flag.FindAllString(text, -1); len(flags) > 0 {
			at := set.Position(lit.Pos())
			found = append(found, fmt.Sprintf("%s:%d: %s", at.Filename, at.Line, strings.Join(flags, " ")))
		}
		return true
	})
	return found, nil
}

// Which flag helps is for cmd to say: no string below stages names one.
func TestNoStringNamesAFlag(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		found, err := flagsIn(path, nil)
		for _, f := range found {
			t.Error(f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("only %d files were read", files)
	}
}

func TestFlagsAreFoundInStrings(t *testing.T) {
	found, err := flagsIn("a.go", "package a\n\n// --comment\nvar x = \"use --max-cost\" +\n\t`or --thaw`\nvar y = \"a -- b --, i--\"\nvar z = \"\\x2d-key --X\"\n")
	if want := []string{"a.go:4: --max-cost", "a.go:5: --thaw", "a.go:7: --key"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("%q %v", found, err)
	}
}
