package embedded_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"firn/stages/service/hosts/jetstream/embedded"
)

// TestStart: a server listens for those who have the token, in a directory of the user's own, and its
// port and directory can be used again once it is closed.
func TestStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache", "queue")
	addr := "127.0.0.1:0"
	for range 2 {
		s, err := embedded.Start(embedded.Options{Addr: addr, Dir: dir, Token: []byte("secret")})
		if err != nil {
			t.Fatal(err)
		}
		addr = s.Addr()
		if _, err := nats.Connect("nats://" + addr); err == nil {
			t.Error("who has no token may connect")
		}
		nc, err := nats.Connect("nats://"+addr, nats.Token("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if nc.MaxPayload() != embedded.MaxPayload {
			t.Errorf("it takes %d bytes", nc.MaxPayload())
		}
		nc.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestRefused: what keeps a server from starting is said in one line.
func TestRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), nil, 0o600), os.WriteFile(in("key"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(in("shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(in("shared"), 0o777); err != nil {
		t.Fatal(err)
	}
	const free = "127.0.0.1:0"
	for name, c := range map[string]struct {
		o    embedded.Options
		want string
	}{
		"busy":      {embedded.Options{Addr: busy.Addr().String(), Dir: in("a")}, "address already in use"},
		"address":   {embedded.Options{Addr: "localhost", Dir: in("a")}, "missing port"},
		"no host":   {embedded.Options{Addr: "192.0.2.1:0", Dir: in("a")}, "cannot assign requested address"},
		"a file":    {embedded.Options{Addr: free, Dir: in("file")}, "not a directory"},
		"beneath":   {embedded.Options{Addr: free, Dir: in("file/queue")}, "not a directory"},
		"shared":    {embedded.Options{Addr: free, Dir: in("shared")}, "other users may write to it"},
		"no name":   {embedded.Options{Addr: "nowhere.invalid:0", Dir: in("a")}, "starting the broker on nowhere.invalid:0: "},
		"no cert":   {embedded.Options{Addr: free, Dir: in("a"), Cert: in("none"), Key: in("file")}, "reading its certificate: open " + in("none") + ": no such file"},
		"no key":    {embedded.Options{Addr: free, Dir: in("a"), Cert: in("file"), Key: in("none")}, "reading its certificate: open " + in("none") + ": no such file"},
		"cert only": {embedded.Options{Addr: free, Dir: in("a"), Cert: in("file")}, "reading its certificate: "},
		"bad cert":  {embedded.Options{Addr: free, Dir: in("a"), Cert: in("file"), Key: in("key")}, "reading its certificate: " + in("file") + " and its key " + in("key") + ": failed to find any PEM data"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := embedded.Start(c.o)
			if err == nil {
				s.Close()
				t.Fatal("it started")
			}
			if !strings.HasPrefix(err.Error(), "starting the broker on "+c.o.Addr+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, not %q", err, c.want)
			}
			for _, named := range []string{c.o.Addr, c.o.Cert, c.o.Key} {
				if named != "" && strings.Count(err.Error(), named) > 1 {
					t.Errorf("%s is named more than once: %v", named, err)
				}
			}
		})
	}
	if _, err := os.Lstat(in("a/jetstream")); err == nil || !os.IsNotExist(err) {
		t.Errorf("who did not start left something: %v", fs.ErrExist)
	}
}
