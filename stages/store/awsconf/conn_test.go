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

func constant(limit int64) Bandwidth {
	return func(time.Time) (up, down int64) { return limit, limit }
}

// TestBandwidthChanges: the limit is that of the time, also for what is under way, and each direction
// has its own.
func TestBandwidthChanges(t *testing.T) {
	const slow, fast = 2_000, 50_000
	for name, test := range map[string]struct {
		limits []int64 // minute by minute
		size   int
		took   float64 // seconds
	}{
		"up":   {[]int64{slow, fast}, 60*slow + 2*fast, 62},
		"down": {[]int64{fast, slow}, 60*fast + 20*slow, 80},
		"off":  {[]int64{slow, 0}, 60*slow + 20*fast, 60},
		"on":   {[]int64{0, 0, slow}, 20 * slow, 0},
	} {
		for direction, limitsUp := range map[string]bool{"sending": true, "receiving": false} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().Truncate(time.Minute).Add(time.Minute)
				time.Sleep(time.Until(start))
				near, far := piped(newDialer(func(at time.Time) (up, down int64) {
					limit := test.limits[min(int(at.Sub(start)/time.Minute), len(test.limits)-1)]
					if limitsUp {
						return limit, 0
					}
					return 0, limit
				}, time.Hour))
				from, to := net.Conn(near), far
				if !limitsUp {
					from, to = far, near
				}
				go func() {
					_, _ = from.Write(make([]byte, test.size))
					_ = from.Close()
				}()
				n, err := io.Copy(io.Discard, to)
				if took := time.Since(start).Seconds(); n != int64(test.size) || err != nil || took < test.took-1.5 || took > test.took+0.5 { // the fast one begins with a twentieth of a second's bytes
					t.Errorf("%s, %s: %d bytes of %d in %.2f s, not %.0f: %v", name, direction, n, test.size, took, test.took, err)
				}
				_, _ = near.Close(), far.Close()
			})
		}
	}
}

func TestBandwidth(t *testing.T) {
	const limit, size, conns = 100_000, 300_000, 3
	synctest.Test(t, func(t *testing.T) {
		d := newDialer(constant(limit), time.Minute)
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
		near, far := piped(newDialer(constant(limit), time.Minute))
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
		near, far := piped(newDialer(constant(1024), time.Hour))
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
			near, far := piped(newDialer(nil, silence))
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
		near, far := piped(newDialer(nil, silence))
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
		near, far := piped(newDialer(nil, silence))
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
