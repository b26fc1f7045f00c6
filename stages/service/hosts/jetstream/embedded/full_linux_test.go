package embedded_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"firn/stages/service/hosts/jetstream/embedded"
)

// TestDiskFull: a server whose disk was full keeps again what it is given once there is room, and has what
// it kept before. The user is told of both.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skip("it needs to mount a small disk:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	var mu sync.Mutex
	var said []string
	s, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "queue"), Log: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, err.Error())
	}})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	publish := func(text string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := js.Publish(ctx, "s", []byte(text))
		return err
	}
	if _, err := js.Publish(t.Context(), "s", []byte("before")); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	if _, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "other")}); err == nil ||
		err.Error() != "starting the broker on 127.0.0.1:0: its directory "+filepath.Join(dir, "other")+": no space left on device" {
		t.Errorf("starting one more: %v", err)
	}
	if err := publish(strings.Repeat("more", 4000)); err == nil {
		t.Fatal("it kept what its disk has no room for")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for tries := 0; publish("after") != nil; tries++ {
		if tries == 40 {
			t.Fatal("it keeps nothing more")
		}
	}
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "before" {
		t.Errorf("it lost what it had: %v", err)
	}
	if err := s.Close(); err != nil { // all is said
		t.Error(err)
	}
	queue := filepath.Join(dir, "queue")
	if !slices.Equal(said, []string{"the disk of its directory " + queue + " is full: it waits for room", "there is room in its directory again: it goes on"}) {
		t.Errorf("it said %q", said)
	}
}
