// Package packages_test installs the Debian package into a root of its own and uses it as its user would.
package packages_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// root is a directory with nothing but the installed package.
type root string

func (r root) at(path string) string { return filepath.Join(string(r), path) }

// need fails a test where a program is missing: 'make tools' installs them.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is missing: bench/tools.sh test installs it", p)
		}
	}
}

// run returns what a command prints; it must succeed.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out.String(), said.String())
	}
	return out.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// makePackages makes both packages twice, from one program; all bytes must be the same.
func makePackages(t *testing.T) (deb, rpm string) {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "firn")
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.0-rc1", "-o", program, "firn/cmd/firn")
	var made [2][2][]byte
	for i, out := range []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")} {
		run(t, []string{"SOURCE_DATE_EPOCH=1700000000", "TZ=" + []string{"UTC", "Asia/Tokyo"}[i]}, filepath.Join(top, ".ci/package"), "v1.2.0-rc1", runtime.GOARCH, program, out)
		deb, rpm = filepath.Join(out, "firn_linux_"+runtime.GOARCH+".deb"), filepath.Join(out, "firn_linux_"+runtime.GOARCH+".rpm")
		for j, file := range []string{deb, rpm} {
			if made[i][j], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	for j, kind := range []string{"deb", "rpm"} {
		if !bytes.Equal(made[0][j], made[1][j]) {
			t.Errorf("two %s packages of the same program differ", kind)
		}
	}
	return deb, rpm
}

func TestPackages(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("a package is installed into a root of its own by root, on Linux")
	}
	need(t, "dpkg", "dpkg-deb", "git", "gzip")
	deb, rpm := makePackages(t)
	r := root(t.TempDir())
	dpkg := func(args ...string) {
		t.Helper() // the scripts run outside: the root has no shell
		run(t, nil, "dpkg", append([]string{"--root=" + string(r), "--force-script-chrootless"}, args...)...)
	}
	dpkg("--install", deb)
	t.Run("files", func(t *testing.T) { files(t, r, deb, rpm) })
	t.Run("units", func(t *testing.T) { units(t, r) })
	t.Run("man", func(t *testing.T) { pages(t, r) })
	t.Run("backup", func(t *testing.T) { backup(t, r) })
	for shell, complete := range map[string]func(*testing.T, root, []string) string{"bash": bash, "zsh": zsh, "fish": fish} {
		t.Run(shell, func(t *testing.T) { completions(t, r, complete) })
	}
	t.Run("purge", func(t *testing.T) {
		key := r.at("etc/firn/firn.key")
		write(t, key, "the only key to all archives\n")
		dpkg("--purge", "firn")
		if _, err := os.Stat(key); err != nil {
			t.Errorf("purging the package removes a key: %v", err)
		}
		if _, err := os.Stat(r.at("usr/bin/firn")); err == nil {
			t.Error("the program is still there")
		}
	})
}

// files: settings are kept from others and by an upgrade, nothing is enabled, and both packages have the
// same version.
func files(t *testing.T, r root, deb, rpm string) {
	if got := strings.Fields(run(t, nil, "dpkg-deb", "--showformat", "${Version} ${Conffiles}", "--show", deb)); got[0] != "1.2.0~rc1" {
		t.Errorf("version %q", got)
	}
	if got := run(t, nil, "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/firn/common.env\n" {
		t.Errorf("settings that an upgrade keeps: %q", got)
	}
	for path, want := range map[string]os.FileMode{"etc/firn": os.ModeDir | 0o700, "etc/firn/common.env": 0o600, "usr/bin/firn": 0o755} {
		if info, err := os.Stat(r.at(path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if _, err := os.Stat(r.at("etc/systemd")); err == nil {
		t.Error("a unit is enabled")
	}
	if got := run(t, nil, r.at("usr/bin/firn"), "version"); got != "firn v1.2.0-rc1\n" {
		t.Errorf("it says that it is %q", got)
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Log("rpm is missing: the RPM package is not looked into")
		return
	}
	if got := run(t, []string{"HOME=" + t.TempDir()}, "rpm", "-qp", "--qf", "%{VERSION} [%{FILENAMES}:%{FILEFLAGS:fflags}\n]", rpm); !strings.HasPrefix(got, "1.2.0~rc1 ") ||
		!strings.Contains(got, "/etc/firn/common.env:cn\n") || !strings.Contains(got, "/usr/lib/systemd/system/firn-backup@.timer:\n") {
		t.Errorf("in the RPM package: %s", got)
	}
}

// units: systemd understands every line, and finds the program.
func units(t *testing.T, r root) {
	need(t, "systemd-analyze")
	for _, target := range []string{"sysinit", "basic", "shutdown", "timers", "network-online"} {
		write(t, r.at("usr/lib/systemd/system/"+target+".target"), "[Unit]\nDescription="+target+"\n")
	}
	cmd := exec.Command("systemd-analyze", "--man=no", "--root="+string(r), "verify", "firn-backup@data.service", "firn-backup@data.timer")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	out := run(t, nil, "systemd-analyze", "security", "--offline=true", "--threshold=30", "--root="+string(r), "firn-backup@data.service")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])
}

// pages: each command has one, and neither man nor mandoc warns of anything in it.
func pages(t *testing.T, r root) {
	found, err := filepath.Glob(r.at("usr/share/man/man1/*.1.gz"))
	if err != nil || len(found) < 10 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	dir := t.TempDir()
	var plain []string
	for _, page := range found {
		plain = append(plain, filepath.Join(dir, strings.TrimSuffix(filepath.Base(page), ".gz")))
		write(t, plain[len(plain)-1], run(t, nil, "gzip", "-dc", page))
	}
	t.Run("mandoc", func(t *testing.T) {
		need(t, "mandoc")
		run(t, nil, "mandoc", append([]string{"-T", "lint", "-W", "warning"}, plain...)...)
	})
	t.Run("man", func(t *testing.T) {
		need(t, "man")
		cmd := exec.Command("man", append([]string{"--warnings", "--local-file", "--pager=cat"}, plain...)...)
		cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if n := bytes.Count(out, []byte("\nNAME\n")); err != nil || said.Len() > 0 || n != len(plain) {
			t.Errorf("%d pages: %v: %s", n, err, said.String())
		}
	})
}

// backup runs what the unit runs, with the settings that the unit reads, in the root. Then openssl and tar
// open an archive.
func backup(t *testing.T, r root) {
	need(t, "openssl", "tar")
	const text = "a line of a file that is backed up\n"
	write(t, r.at("srv/data/photos/a.txt"), text)
	key := r.at("etc/firn/firn.key")
	write(t, key, run(t, nil, "openssl", "rand", "-base64", "48"))
	write(t, r.at("etc/firn/common.env"), "FIRN_KEYFILE=/etc/firn/firn.key\nFIRN_BUCKET_NAME=file:///store\n")
	write(t, r.at("etc/firn/data.env"), "FIRN_BACKUP_PATH=/srv/data\nFIRN_DEPTH=1\n")
	unit, err := os.ReadFile(r.at("usr/lib/systemd/system/firn-backup@.service"))
	if err != nil {
		t.Fatal(err)
	}
	argv, env := commandOf(t, r, strings.NewReplacer("%i", "data", "%C", "/var/cache").Replace(string(unit)))
	cmd := exec.Command("chroot", append([]string{string(r)}, argv...)...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	script := `openssl enc -d -aes-256-cbc -pbkdf2 -pass "file:$0" -in "$1" | tar -xjOf - photos/a.txt`
	if got := run(t, nil, "sh", "-c", script, key, r.at("store/srv/data/photos.tar.bz2")); got != text {
		t.Errorf("openssl and tar find %q", got)
	}
	if _, err := os.Stat(r.at("var/cache/firn/data/firn-state.db")); err != nil {
		t.Errorf("the cache path is not that of the unit: %v", err)
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// commandOf is the command line of a unit and its environment, as systemd reads them.
func commandOf(t *testing.T, r root, unit string) (argv, env []string) {
	t.Helper()
	set := map[string]string{}
	assign := func(line string) {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			set[name] = value
		}
	}
	var files []string
	for line := range strings.Lines(unit) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "Environment":
			assign(value)
		case "EnvironmentFile":
			files = append(files, strings.TrimPrefix(value, "-"))
		case "ExecStart":
			argv = strings.Fields(value)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(r.at(file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			assign(strings.TrimSpace(line))
		}
	}
	for i, word := range argv {
		argv[i] = variable.ReplaceAllStringFunc(word, func(v string) string { return set[v[2:len(v)-1]] })
	}
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return argv, env
}

// completions: a shell completes values of flags, and the id of a run by the state file of the unit.
func completions(t *testing.T, r root, complete func(t *testing.T, r root, lines []string) string) {
	const id = "2[0-9TZ]+-[0-9a-f]{8}"
	store := " --bucket-name file:///store --cache-path " + r.at("var/cache/firn/data") + " "
	cases := [][2]string{
		{"firn verif", "verify"},
		{"firn backup --storage-class DEEP", "DEEP_ARCHIVE"},
		{"firn backup --compression-algorithm zs", "zstd"},
		{"firn backup --compression-algorithm zstd --compression-level 7", "7"},
		{"firn restore --thaw ex", "expedited"},
		{"firn restore" + store + "--run 2", id},
		{"firn list" + store + "2", id},
	}
	var lines []string
	for _, c := range cases {
		lines = append(lines, c[0])
	}
	got := strings.Split(strings.TrimSpace(complete(t, r, lines)), "\n")
	if len(got) != len(cases) {
		t.Fatalf("%d answers: %q", len(got), got)
	}
	for i, c := range cases {
		if !regexp.MustCompile("(^| )" + c[1] + "\\s*$").MatchString(got[i]) {
			t.Errorf("%s: %q", c[0], got[i])
		}
	}
}

func path(r root) string { return "PATH=" + r.at("usr/bin") + ":" + os.Getenv("PATH") }

func bash(t *testing.T, r root, lines []string) string {
	need(t, "bash", "dh_bash-completion")
	const script = `source /usr/share/bash-completion/bash_completion; source "$1"; shift
		compopt() { :; } # there is no terminal
		function=$(complete -p firn | sed 's/.*-F \([^ ]*\) .*/\1/')
		for COMP_LINE; do
			COMP_POINT=${#COMP_LINE} COMP_TYPE=9; COMP_WORDS=($COMP_LINE); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			COMPREPLY=(); $function; echo "${COMPREPLY[@]}"
		done`
	return run(t, []string{path(r)}, "bash", append([]string{"--norc", "-c", script, "bash", r.at("usr/share/bash-completion/completions/firn")}, lines...)...)
}

func fish(t *testing.T, r root, lines []string) string {
	need(t, "fish")
	home := t.TempDir()
	script := "source " + r.at("usr/share/fish/vendor_completions.d/firn.fish")
	for _, line := range lines { // what follows a tab describes a choice
		script += fmt.Sprintf("; echo (complete -C '%s' | cut -f 1)", line)
	}
	return run(t, []string{path(r), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}, "fish", "--no-config", "-c", script)
}

func zsh(t *testing.T, r root, lines []string) string {
	need(t, "zsh", "python3")
	return run(t, []string{path(r), "HOME=" + t.TempDir()}, "python3", append([]string{"zsh.py", r.at("usr/share/zsh/vendor-completions")}, lines...)...)
}
