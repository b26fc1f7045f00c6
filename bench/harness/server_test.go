package harness

import (
	"errors"
	"os"
	"os/exec"
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
