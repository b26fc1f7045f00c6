package flags

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// TestQueue: what is said of a queue is taken, or refused with one line that says what to do.
func TestQueue(t *testing.T) {
	for _, test := range []struct{ args, said string }{
		{"", ""},
		{"--queue nats://broker", ""},
		{"--queue nats://a:4222,tls://b:4333/ --queue-name photos --queue-token-file t --queue-ca ca --queue-lease 30s --no-work", ""},
		{"--queue tls://[::1]:4222 --queue-creds user.creds", ""},
		{"--serve-queue 127.0.0.1:4222", ""}, {"--serve-queue localhost:0", ""}, {"--serve-queue [::1]:4222", ""}, {"--serve-queue [::ffff:127.0.0.1]:4222", ""},
		{"--serve-queue 0.0.0.0:4222 --queue-token-file t --queue-plaintext", ""},
		{"--serve-queue :4222 --queue-token-file t --queue-cert c --queue-cert-key k", ""},
		{"--no-work=false", ""},

		{"--queue nats://a --serve-queue localhost:4222", "--queue contradicts --serve-queue: give one of them"},
		{"--no-work", "--no-work is about a queue, and there is none"}, {"--queue-lease 1m", "--queue-lease is about a queue"},
		{"--queue-token-file t", "--queue-token-file is about a queue"}, {"--queue-plaintext", "--queue-plaintext is about a queue"},
		{"--queue-token-file= --queue nats://a", "--queue-token-file is empty"}, {"--queue=", "--queue is empty"},
		{"--queue a:4222", "written nats://HOST:PORT"}, {"--queue nats://", "written nats://HOST:PORT"}, {"--queue nats://a:x", "written nats://HOST:PORT"},
		{"--queue nats://a:99999", "written nats://HOST:PORT"}, {"--queue http://a:4222", "written nats://HOST:PORT"}, {"--queue nats://a/x", "written nats://HOST:PORT"},
		{"--queue nats://a,", `--queue ""`}, {"--queue nats://secret@a", "has a user or a token in it"},
		{"--queue nats://a --queue-name a.b", "--queue-name \"a.b\""}, {"--queue nats://a --queue-name " + strings.Repeat("a", 65), "1 to 64 letters"}, {"--queue nats://a --queue-name *", "1 to 64 letters"},
		{"--queue nats://a --queue-token-file t --queue-creds c", "give one of them"},
		{"--queue nats://a --queue-lease 10ms", "--queue-lease 10ms: it must be from 1s to 24h"}, {"--queue nats://a --queue-lease 2d", "from 1s to 24h"},
		{"--queue nats://a --queue-plaintext", "--queue-plaintext is for --serve-queue"}, {"--queue nats://a --queue-cert c --queue-cert-key k", "--queue-cert is for --serve-queue"},
		{"--serve-queue 4222", "written HOST:PORT"}, {"--serve-queue localhost:", "written HOST:PORT"}, {"--serve-queue localhost:70000", "written HOST:PORT"},
		{"--serve-queue localhost:1 --queue-creds c", "--queue-creds is for --queue"}, {"--serve-queue localhost:1 --queue-ca c", "--queue-ca is for --queue"},
		{"--serve-queue localhost:1 --queue-cert c", "give both or none"}, {"--serve-queue localhost:1 --queue-cert-key c", "give both or none"},
		{"--serve-queue :1 --queue-token-file t --queue-cert c --queue-cert-key k --queue-plaintext", "--queue-plaintext contradicts --queue-cert"},
		{"--serve-queue 0.0.0.0:1", "name a --queue-token-file"}, {"--serve-queue :1 --queue-plaintext", "name a --queue-token-file"}, {"--serve-queue [::]:1", "name a --queue-token-file"},
		{"--serve-queue 10.0.0.1:1 --queue-token-file t", "name --queue-cert and --queue-cert-key, or --queue-plaintext"},
		{"--serve-queue localhost.example:1", "can be reached from other hosts"},
	} {
		q, f := &Queue{}, pflag.NewFlagSet("", pflag.ContinueOnError)
		Groups{NewGroup("All", q)}.AddTo(f, nil)
		if err := f.Parse(strings.Fields(test.args)); err != nil {
			t.Fatalf("%s: %v", test.args, err)
		}
		err := q.Validate(f)
		switch {
		case test.said == "" && err != nil:
			t.Errorf("%s: %v", test.args, err)
		case test.said != "" && (err == nil || !strings.Contains(err.Error(), test.said) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, not: %s", test.args, err, test.said)
		case err == nil && q.Used() != strings.Contains(test.args, "queue"):
			t.Errorf("%s: used: %t", test.args, q.Used())
		}
	}
}

func TestQueueValues(t *testing.T) {
	q, f := &Queue{}, pflag.NewFlagSet("", pflag.ContinueOnError)
	Groups{NewGroup("All", q)}.AddTo(f, nil)
	if err := f.Parse([]string{"--queue", "nats://a:4222, tls://b/"}); err != nil {
		t.Fatal(err)
	}
	if err := q.Validate(f); err != nil || !slices.Equal(q.Servers, []string{"nats://a:4222", "tls://b"}) || q.Lease != 2*time.Minute || q.Name != "firn" {
		t.Errorf("%+v, %v", q, err)
	}
	client := NewGroup("All", &Queue{Client: true})
	for _, own := range []string{"serve-queue", "queue-cert", "queue-cert-key", "queue-plaintext", "queue-lease", "no-work"} {
		if client.Lookup(own) != nil {
			t.Errorf("one that joins has --%s", own)
		}
	}
}
