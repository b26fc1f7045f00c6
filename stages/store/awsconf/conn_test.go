package awsconf

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// piped is a connection of the dialer's to a peer in the same process.
func piped(d *dialer) (*conn, net.Conn) {
	near, far := net.Pipe()
	c := &conn{Conn: near, d: d}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.extend()
	return c, far
}

func TestBandwidth(t *testing.T) {
	const limit, size, conns = 100_000, 300_000, 3
	synctest.Test(t, func(t *testing.T) {
		d := newDialer(limit, time.Minute)
		start := time.Now()
		done := make(chan error, 2*conns)
		for range conns { // the limit is of all together
			near, far := piped(d)
			go func() {
				_, err := near.Write(make([]byte, size/conns))
				done <- errors.Join(err, near.Close())
			}()
			go func() {
				n, err := io.Copy(io.Discard, far)
				if err == nil && n != size/conns {
					err = io.ErrShortWrite
				}
				done <- err
			}()
		}
		for range 2 * conns {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start).Seconds(); took < 2.8 || took > 3.1 {
			t.Errorf("sending %d bytes at %d a second took %.2f s", size, limit, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := piped(newDialer(limit, time.Minute))
		start := time.Now()
		go func() {
			_, _ = far.Write(make([]byte, size))
			_ = far.Close()
		}()
		n, err := io.Copy(io.Discard, near)
		if took := time.Since(start).Seconds(); n != size || err != nil || took < 2.8 || took > 3.1 {
			t.Errorf("taking %d bytes took %.2f s, %v", n, took, err)
		}
		_ = near.Close()
	})
}

// TestBandwidthClose: a connection that waits for its turn ends when it is closed.
func TestBandwidthClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := piped(newDialer(1024, time.Hour))
		go func() { _, _ = io.Copy(io.Discard, far) }()
		// Half a second off the limiter's own ticks: closed at one of them, the write may fail as
		// one to a closed pipe.
		time.AfterFunc(5500*time.Millisecond, func() { _ = near.Close() })
		start := time.Now()
		if _, err := near.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) || time.Since(start) > 6*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		_ = far.Close()
	})
}

func TestSilence(t *testing.T) {
	const silence = time.Minute
	for name, quiet := range map[string]func(c *conn) error{
		"a server that says nothing":  func(c *conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"a server that takes nothing": func(c *conn) error { _, err := c.Write(make([]byte, 1<<20)); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := piped(newDialer(0, silence))
			start := time.Now()
			err := quiet(near)
			if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < silence*9/10 || took > silence+time.Second {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			_, _ = near.Close(), far.Close()
		})
	}
	// A download that takes longer than the allowed silence is not silent.
	synctest.Test(t, func(t *testing.T) {
		near, far := piped(newDialer(0, silence))
		go func() {
			for range 30 {
				time.Sleep(10 * time.Second)
				_, _ = far.Write([]byte("x"))
			}
			_ = far.Close()
		}()
		if b, err := io.ReadAll(near); len(b) != 30 || err != nil {
			t.Errorf("%d bytes of a slow answer, %v", len(b), err)
		}
		_ = near.Close()
	})
	// An upload that takes longer than the allowed silence is not silent, and neither is the wait
	// for its answer.
	synctest.Test(t, func(t *testing.T) {
		near, far := piped(newDialer(0, silence))
		answer := make(chan error, 1)
		go func() {
			_, err := near.Read(make([]byte, 1))
			answer <- err
		}()
		go func() {
			for range 30 {
				time.Sleep(10 * time.Second)
				_, _ = io.ReadFull(far, make([]byte, 1000))
			}
			time.Sleep(silence / 2)
			_, _ = far.Write([]byte("x"))
		}()
		for range 30 {
			if _, err := near.Write(bytes.Repeat([]byte("y"), 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-answer; err != nil {
			t.Errorf("the answer to a slow upload: %v", err)
		}
		_, _ = near.Close(), far.Close()
	})
}
