package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// build builds a program of firn's module.
func build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", program, pkg)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	return program
}

// A call is a command of firn and the names of flags that are given to it.
type call struct {
	where, command string
	flags          []string
}

var flag = regexp.MustCompile(`--([a-z][a-z-]*)`)

// newCall is of arguments one by one.
func newCall(where string, args []string) call {
	c := call{where: where, command: args[0]}
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "--") {
			name, _, _ := strings.Cut(a[2:], "=")
			c.flags = append(c.flags, name)
		}
	}
	return c
}

// inDocuments are the calls of containers.
func inDocuments(t *testing.T) (calls []call) {
	for name, job := range jobs(t, all(t)) {
		calls = append(calls, newCall(name, job.Template.Spec.Containers[0].Args))
	}
	return calls
}

// inScript are the calls of a shell script.
func inScript(t *testing.T, name string) (calls []call) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(string(text), "\\\n", " ")
	for _, m := range regexp.MustCompile(`(?m)^[^#].*\bfirn (worker|"\$\{command\[@\]\}") (.*)$`).FindAllStringSubmatch(script, -1) {
		commands := []string{m[1]}
		if m[1] != "worker" {
			commands = []string{"backup", "restore", "verify"}
		}
		for _, command := range commands {
			c := call{where: name, command: command}
			for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
				c.flags = append(c.flags, f[1])
			}
			calls = append(calls, c)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#   sbatch firn.sbatch SETTINGS (.+)$`).FindAllStringSubmatch(script, -1) {
		calls = append(calls, newCall(name, strings.Fields(m[1])))
	}
	return calls
}

// settings are the variables for firn's flags, without FIRN_, that the documents, the script and the pages set.
func settings(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, name := range []string{"settings.yaml", "../slurm/firn.sbatch", "../../docs/hosts.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bFIRN_([A-Z_]+)(?:=|: |", "value")`).FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
	}
	if len(found) < 5 {
		t.Fatalf("variables: %v", found)
	}
	return found
}

// A batchJob has the fields of a job definition of AWS Batch that are used in docs/hosts.md, by the
// request syntax of RegisterJobDefinition.
type batchJob struct {
	JobDefinitionName    string   `json:"jobDefinitionName"`
	Type                 string   `json:"type"`
	PlatformCapabilities []string `json:"platformCapabilities"`
	ContainerProperties  struct {
		Image                string   `json:"image"`
		Command              []string `json:"command"`
		JobRoleArn           string   `json:"jobRoleArn"`
		ResourceRequirements []struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"resourceRequirements"`
		Environment []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"environment"`
		ReadonlyRootFilesystem bool          `json:"readonlyRootFilesystem"`
		Volumes                []batchVolume `json:"volumes"`
		MountPoints            []struct {
			SourceVolume  string `json:"sourceVolume"`
			ContainerPath string `json:"containerPath"`
			ReadOnly      bool   `json:"readOnly"`
		} `json:"mountPoints"`
	} `json:"containerProperties"`
	RetryStrategy struct {
		Attempts       int `json:"attempts"`
		EvaluateOnExit []struct {
			OnExitCode     string `json:"onExitCode"`
			OnStatusReason string `json:"onStatusReason"`
			OnReason       string `json:"onReason"`
			Action         string `json:"action"`
		} `json:"evaluateOnExit"`
	} `json:"retryStrategy"`
}

type batchVolume struct {
	Name string `json:"name"`
	Host struct {
		SourcePath string `json:"sourcePath"`
	} `json:"host"`
}

// batchJobs are the job definitions in docs/hosts.md.
func batchJobs(t *testing.T) (all []batchJob) {
	t.Helper()
	text, err := os.ReadFile("../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n```json\n(.*?)\n```\n").FindAllSubmatch(text, -1) {
		if !bytes.Contains(m[1], []byte("jobDefinitionName")) {
			continue
		}
		var job batchJob
		d := json.NewDecoder(bytes.NewReader(m[1]))
		d.DisallowUnknownFields()
		if err := d.Decode(&job); err != nil {
			t.Fatalf("%v in\n%s", err, m[1])
		}
		all = append(all, job)
	}
	return all
}

// TestBatch: the job definitions agree with each other, and with their own volumes; AWS Batch starts no job
// again that would end in the same way, and takes at most five rules and ten attempts.
func TestBatch(t *testing.T) {
	jobs := batchJobs(t)
	if len(jobs) != 2 {
		t.Fatalf("%d job definitions", len(jobs))
	}
	for _, job := range jobs {
		c, where := job.ContainerProperties, job.JobDefinitionName
		if job.Type != "container" || c.Image != jobs[0].ContainerProperties.Image {
			t.Errorf("%s is a %s of %s", where, job.Type, c.Image)
		}
		for _, m := range c.MountPoints {
			if !slices.ContainsFunc(c.Volumes, func(v batchVolume) bool { return v.Name == m.SourceVolume }) {
				t.Errorf("%s mounts %s, which is no volume", where, m.SourceVolume)
			}
		}
		for _, a := range c.Command {
			name, value, _ := strings.Cut(a, "=")
			if !strings.HasPrefix(value, "/") {
				continue
			}
			found := false
			for _, m := range c.MountPoints {
				if value == m.ContainerPath || strings.HasPrefix(value, m.ContainerPath+"/") {
					found = m.ReadOnly == (name != "--cache-path")
				}
			}
			if !found {
				t.Errorf("%s: %s is on no volume, or can be written to", where, a)
			}
		}
		if n := len(job.RetryStrategy.EvaluateOnExit); n == 0 || n > 5 || job.RetryStrategy.Attempts > 10 {
			t.Errorf("%s: %d rules, %d attempts", where, n, job.RetryStrategy.Attempts)
		}
		want := map[string]string{"1": "RETRY", "2": "EXIT", "130": "RETRY", "137": "RETRY"}
		if c.Command[0] != "worker" {
			want["3"] = "EXIT"
		}
		for code, want := range want {
			for _, rule := range job.RetryStrategy.EvaluateOnExit {
				if rule.OnExitCode != code && rule.OnReason != "*" {
					continue
				}
				if rule.Action != want {
					t.Errorf("%s that ends with %s: %s", where, code, rule.Action)
				}
				break
			}
		}
	}
}

// TestArguments: firn knows each flag that it is given in the documents of this directory, in the script for
// Slurm, and in docs/hosts.md.
func TestArguments(t *testing.T) {
	firn := build(t, "firn/cmd/firn")
	calls := slices.Concat(inDocuments(t), inScript(t, "../slurm/firn.sbatch"))
	for _, job := range batchJobs(t) {
		calls = append(calls, newCall("docs/hosts.md, "+job.JobDefinitionName, job.ContainerProperties.Command))
	}
	if len(calls) != 3+4+2+2 {
		t.Errorf("%d calls: %v", len(calls), calls)
	}
	help := func(command string) func() map[string]bool {
		return sync.OnceValue(func() map[string]bool {
			out, err := exec.Command(firn, command, "--help").Output()
			if err != nil {
				t.Fatalf("firn %s --help: %v", command, err)
			}
			known := map[string]bool{}
			for _, f := range regexp.MustCompile(`(?m)^ +(?:-., )?--([a-z][a-z-]*)`).FindAllSubmatch(out, -1) {
				known[string(f[1])] = true
			}
			return known
		})
	}
	flags := map[string]func() map[string]bool{"backup": help("backup"), "restore": help("restore"), "verify": help("verify"), "worker": help("worker")}
	for name := range settings(t) {
		if f := strings.ReplaceAll(strings.ToLower(name), "_", "-"); !flags["backup"]()[f] {
			t.Errorf("firn backup has no flag --%s, which is set as FIRN_%s", f, name)
		}
	}
	for _, c := range calls {
		known := flags[c.command]
		if known == nil || len(c.flags) == 0 {
			t.Errorf("%s: firn %s %v", c.where, c.command, c.flags)
			continue
		}
		for _, f := range c.flags {
			if !known()[f] {
				t.Errorf("%s: firn %s has no flag --%s", c.where, c.command, f)
			}
		}
	}
}

// TestImage: the image has firn where its entry point is, and NATS is of the version that firn is tested with.
func TestImage(t *testing.T) {
	docker, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`COPY bin/firn (\S+)\nENTRYPOINT \["(\S+)"\]\n`).FindSubmatch(docker)
	if m == nil || !bytes.Equal(m[1], m[2]) {
		t.Errorf("Dockerfile: %q", m)
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	nats, err := os.ReadFile("nats.yaml")
	if err != nil {
		t.Fatal(err)
	}
	image := regexp.MustCompile(`image: nats:(\d+\.\d+)-`).FindSubmatch(nats)
	tested := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)\.`).FindSubmatch(module)
	if image == nil || tested == nil || !bytes.Equal(image[1], tested[1]) {
		t.Errorf("the image of NATS is of %s, and tests use %s", image, tested)
	}
}
