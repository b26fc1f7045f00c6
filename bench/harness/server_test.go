package harness

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCloseReportsADeadServer(t *testing.T) {
	srv, err := StartS3(t.Context(), S3Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-srv.ended
	if err := srv.Close(); err == nil || !strings.Contains(err.Error(), "died") {
		t.Errorf("Close: %v", err)
	}
	if err := srv.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := os.Stat(srv.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the server's directory is still there: %v", err)
	}
}

func TestStartSaysWhatTheServerSaid(t *testing.T) {
	var ready struct{ Endpoint string }
	_, err := start(t.Context(), "the server", exec.Command("sh", "-c", "echo no luck >&2; exit 3"), nil, &ready)
	if err == nil || !strings.Contains(err.Error(), "no luck") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	_, err = start(t.Context(), "the server", exec.Command("firn-no-such-program"), nil, &ready)
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestInstalledSeesWhatIsMissing(t *testing.T) {
	if _, err := installDynalite(t.Context()); err != nil {
		t.Fatal(err)
	}
	source, err := sourceDir("dynalite")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	noted, err := os.ReadFile(filepath.Join(source, "node_modules", ".package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		lock, noted string
		want        bool
	}{
		{"as it is", string(lock), string(noted), true},
		{"never installed", string(lock), "", false},
		{"another version", strings.Replace(string(lock), "sha512-", "sha512-A", 1), string(noted), false},
		{"a package more", string(lock), `{"packages": {}}`, false},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte(tt.lock), 0o644); err != nil {
			t.Fatal(err)
		}
		if tt.noted != "" {
			if err := os.WriteFile(filepath.Join(dir, "node_modules", ".package-lock.json"), []byte(tt.noted), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := installed(dir); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
