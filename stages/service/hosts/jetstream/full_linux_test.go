package jetstream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/harness"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
)

// TestBrokerDiskFull: what a broker can't keep because its disk is full is tried again, also after it was
// started again, and the user knows what to do; nothing is lost. Of two links of one process, and of all that
// they try again, the user is told once.
func TestBrokerDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skip("it needs to mount a small disk:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := harness.NATS(t, func(c *harness.NATSConfig) { c.Dir = dir })
	var n told
	o := n.options(options(s.URL))
	o.Troubles = new(jetstream.Troubles)
	boss, worker := link(t, o), link(t, o)
	check(t, boss.Lead(t.Context(), 30*lease))
	const items, answers = 4, 5
	body := make([]byte, 5000)
	for i := range items / 2 {
		check(t, boss.Offer(t.Context(), fmt.Sprint(i), body))
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	var full sync.WaitGroup
	full.Go(func() {
		for i := items / 2; i < items; i++ {
			check(t, boss.Offer(t.Context(), fmt.Sprint(i), body))
		}
	})
	for i := range answers {
		full.Go(func() { check(t, worker.Answer(t.Context(), fmt.Append(nil, i))) })
	}
	const why = " the broker at %s: no answer in time: its disk may be full, its log says so; then make room, and start nats-server again; trying again"
	n.has(t, fmt.Sprintf(why, s.URL))
	check(t, os.Remove(filler))
	s.Kill()
	check(t, s.Restart(t.Context()))
	full.Wait()
	if k, err := boss.Kept(t.Context()); err != nil || k != (hosts.Kept{Waiting: items, Answers: answers}) {
		t.Errorf("%+v is kept, %v", k, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.notices) != 2 || !strings.HasSuffix(n.notices[1], " the broker at "+s.URL+": works again") || n.lost != 1 || n.again != 1 {
		t.Errorf("the user was told %d times that the connection is lost, %d times that it is there, and:\n%s", n.lost, n.again, strings.Join(n.notices, "\n"))
	}
}
