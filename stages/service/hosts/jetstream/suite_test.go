package jetstream_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/hosts/jetstream"
	"firn/stages/service/hosts/jetstream/embedded"
)

// lease is long enough for a busy machine to renew one in time.
const lease = time.Second

var queues atomic.Int64

// options of a link to a queue of its own.
func options(url string) jetstream.Options {
	o := jetstream.Options{URLs: []string{url}, Name: fmt.Sprintf("test-%d", queues.Add(1))}
	jetstream.Quick(&o)
	return o
}

// link is one that the test closes at its end.
func link(t testing.TB, o jetstream.Options) *jetstream.Link {
	t.Helper()
	l, err := jetstream.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func broker(t *testing.T, o jetstream.Options) hoststest.Broker {
	return hoststest.Broker{
		Link: func() hosts.Link {
			l, err := jetstream.Connect(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		Kill: func(l hosts.Link) { l.(*jetstream.Link).Kill() },
	}
}

func TestLink(t *testing.T) {
	s := harness.NATS(t)
	hoststest.TestLink(t, lease, func(t *testing.T, test func(*testing.T, hoststest.Broker)) {
		t.Parallel()
		test(t, broker(t, options(s.URL)))
	})
}

func TestLinkEmbedded(t *testing.T) {
	s, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "queue"), Token: []byte("t")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	hoststest.TestLink(t, lease, func(t *testing.T, test func(*testing.T, hoststest.Broker)) {
		t.Parallel()
		o := options("")
		o.URLs, o.InProcess, o.Token = nil, s, []byte("t")
		test(t, broker(t, o))
	})
}
