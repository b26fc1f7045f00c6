package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// NATSConfig says how a NATS server is to be. The zero value is usable.
type NATSConfig struct {
	// Dir holds the streams, perhaps of a server that is gone. Empty takes a new directory, removed by
	// Close.
	Dir string
	// Listen is the address, host:port. Empty takes a free loopback port, which NATS keeps for a server
	// that is killed.
	Listen string
	// Token that clients must have; empty: none.
	Token string
	// Cert and Key are files in PEM; with them, clients must use TLS.
	Cert, Key string
	// NoJetStream makes a server without streams.
	NoJetStream bool
	// MaxStore is how many bytes all streams may have; 0: what the disk has.
	MaxStore int64
	// More is added to the server's configuration file, as it is.
	More string
	// Log gets what the server logs. Nil drops it.
	Log io.Writer
}

// NATSServer is a running NATS server, which syncs what it keeps.
type NATSServer struct {
	URL string // nats://127.0.0.1:port
	Dir string // where the server keeps its streams

	*server
	c         NATSConfig
	removeDir func() error // if it is ours
}

// NATS starts a NATS server for t, changed as the options say.
func NATS(t testing.TB, options ...func(*NATSConfig)) *NATSServer {
	t.Helper()
	c := NATSConfig{Dir: t.TempDir()}
	for _, o := range options {
		o(&c)
	}
	if c.Listen == "" {
		c.Listen = Port(t)
	}
	s, err := StartNATS(t.Context(), c)
	return closed(t, s, err)
}

// StartNATS builds the NATS server if need be, and starts it. ctx is for the start alone; Close stops
// the server.
func StartNATS(ctx context.Context, c NATSConfig) (_ *NATSServer, err error) {
	s := &NATSServer{Dir: c.Dir, c: c}
	if s.removeDir, err = ownDir(&s.Dir, "the NATS server"); err != nil {
		return nil, err
	}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.removeDir())
	}
	return s, nil
}

// Restart starts a server that was killed again, with its streams and its port.
func (s *NATSServer) Restart(ctx context.Context) error {
	if err := s.server.Close(); err != nil {
		return err
	}
	s.c.Listen = strings.TrimPrefix(s.URL, "nats://")
	return s.run(ctx)
}

func (s *NATSServer) run(ctx context.Context) error {
	program, err := BuildNATS(ctx)
	if err != nil {
		return err
	}
	conf := filepath.Join(s.Dir, "server.conf")
	if err := os.WriteFile(conf, []byte(s.c.text(s.Dir)), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of the NATS server: %w", err)
	}
	log := &natsLog{also: s.c.Log, ready: make(chan string, 1)}
	if s.server, _, err = launch("the NATS server", exec.Command(program, "--config", conf), log); err != nil {
		return err
	}
	select {
	case address := <-log.ready:
		s.URL = "nats://" + address
	case <-s.ended:
		return fmt.Errorf("starting the NATS server: %w", s.failure())
	case <-ctx.Done():
		s.kill()
		return fmt.Errorf("starting the NATS server: %w", context.Cause(ctx))
	}
	return s.watch()
}

// watch starts a process that kills the server once this one is gone, however that happens: the server
// itself does not look at its standard input.
func (s *NATSServer) watch() error {
	guard := exec.Command("sh", "-c", "cat >/dev/null; kill -9 $0 2>/dev/null", strconv.Itoa(s.cmd.Process.Pid))
	stdin, err := guard.StdinPipe()
	if err == nil {
		err = guard.Start()
	}
	if err != nil {
		s.kill()
		return fmt.Errorf("watching over the NATS server: %w", err)
	}
	go func(s *server) {
		<-s.ended
		_ = stdin.Close()
		_ = guard.Wait()
	}(s.server)
	return nil
}

// text is the configuration file.
func (c *NATSConfig) text(dir string) string {
	var b strings.Builder
	listen := c.Listen
	if listen == "" {
		listen = "127.0.0.1:-1"
	}
	fmt.Fprintf(&b, "listen: %q\n", listen)
	if !c.NoJetStream {
		fmt.Fprintf(&b, "jetstream {\n  store_dir: %q\n  sync_interval: always\n", dir)
		if c.MaxStore > 0 {
			fmt.Fprintf(&b, "  max_file_store: %d\n  max_memory_store: 1048576\n", c.MaxStore)
		}
		b.WriteString("}\n")
	}
	if c.Token != "" {
		fmt.Fprintf(&b, "authorization { token: %q }\n", c.Token)
	}
	if c.Cert != "" {
		fmt.Fprintf(&b, "tls { cert_file: %q, key_file: %q }\n", c.Cert, c.Key)
	}
	return b.String() + c.More
}

// Close stops the server, and removes its directory if it was made by StartNATS. It reports a server
// that had died by itself.
func (s *NATSServer) Close() error { return errors.Join(s.server.Close(), s.removeDir()) }

// A natsLog finds in a server's log where it listens, once it is ready.
type natsLog struct {
	also  io.Writer
	ready chan string

	mu      sync.Mutex
	line    []byte
	address string
}

var listens = regexp.MustCompile(`Listening for client connections on (\S+)`)

func (l *natsLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, p...)
	for {
		line, rest, whole := bytes.Cut(l.line, []byte("\n"))
		if !whole {
			break
		}
		if m := listens.FindSubmatch(line); m != nil {
			l.address = string(m[1])
		}
		if bytes.Contains(line, []byte("Server is ready")) {
			select {
			case l.ready <- l.address:
			default:
			}
		}
		l.line = rest
	}
	if l.also != nil {
		return l.also.Write(p)
	}
	return len(p), nil
}
