package link_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"firn/bench/link"
)

// echo starts a server that returns what it gets, and a link to it.
func echo(t *testing.T, o link.Options) *link.Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	l, err := link.Start(listener.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		listener.Close()
	})
	return l
}

func dial(t *testing.T, l *link.Link) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// there sends bytes there and back.
func there(t *testing.T, c *net.TCPConn, size int) {
	t.Helper()
	want := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	var sender sync.WaitGroup
	sender.Go(func() {
		if _, err := c.Write(want); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Error("other bytes came back", err)
	}
	sender.Wait()
}

// A real link is never faster than it says. How much slower it is, is the machine's load.
func TestLinkIsNeverFaster(t *testing.T) {
	for name, test := range map[string]struct {
		options link.Options
		size    int
		least   time.Duration
	}{
		"nothing":   {link.Options{}, 4 << 20, 0},
		"latency":   {link.Options{Latency: 20 * time.Millisecond}, 16, 4 * 20 * time.Millisecond}, // with the handshake
		"bandwidth": {link.Options{Bandwidth: 4 << 20}, 1 << 20, 200 * time.Millisecond},
		// 8 windows there, each after the acknowledgement of the one before.
		"window": {link.Options{Latency: 10 * time.Millisecond, Window: 128 << 10}, 1 << 20, 160 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			l := echo(t, test.options)
			start := time.Now() // the handshake begins when it is dialled
			there(t, dial(t, l), test.size)
			if took := time.Since(start); took < test.least {
				t.Errorf("it took %v, at least %v", took, test.least)
			}
		})
	}
}

func TestCut(t *testing.T) {
	l := echo(t, link.Options{})
	c := dial(t, l)
	there(t, c, 16)
	if n := l.Cut(); n != 1 {
		t.Errorf("%d connections were cut", n)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it was not cut")
	}
	there(t, dial(t, l), 16)
}

// The end of what a client sends reaches the server, and the answer still comes back.
func TestHalfClosed(t *testing.T) {
	c := dial(t, echo(t, link.Options{Latency: time.Millisecond}))
	if _, err := c.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "last words" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSendsNoMore: a connection takes no more at once than what may be on its way, and a little.
func TestSendsNoMore(t *testing.T) {
	const window, latency = 256 << 10, 500 * time.Millisecond
	c := dial(t, echo(t, link.Options{Latency: latency, Window: window}))
	// After the handshake, and before the first acknowledgement.
	if err := c.SetWriteDeadline(time.Now().Add(3 * latency)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(make([]byte, 32<<20))
	if most := window + 2<<20; err == nil || n > most {
		t.Errorf("%d bytes were taken, at most %d should be; %v", n, most, err)
	}
}
