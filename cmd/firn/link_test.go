package main

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"firn/cmd/firn/flags"
	"firn/stages/service/report"
)

// lines are what is told.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Event(e report.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := e.Text
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	l.all = append(l.all, text)
}

// TestServerSaysLittle: whoever reaches the port of the embedded server makes it write as many lines as
// they like, and the user sees a few.
func TestServerSaysLittle(t *testing.T) {
	dir, said := t.TempDir(), &lines{}
	q, err := openQueue(t.Context(), &flags.Queue{Serve: "127.0.0.1:0", Name: "firn", TokenFile: filepath.Join(dir, "token")}, dir, time.Minute, said)
	if err != nil {
		t.Fatal(err)
	}
	for range mostOfServer + 5 {
		if nc, err := nats.Connect("nats://"+q.server.Addr(), nats.Token("guess")); err == nil {
			nc.Close()
			t.Error("a wrong token is taken")
		}
	}
	if err := q.close(); err != nil {
		t.Error(err)
	}
	of := 0
	for _, text := range said.all {
		if strings.HasPrefix(text, "the server of the queue: a connection from 127.0.0.1:") && strings.Contains(text, "it has no token, or a wrong one") {
			of++
		}
	}
	if last := said.all[len(said.all)-1]; of != mostOfServer || len(said.all) != mostOfServer+2 || last != "the server of the queue says more, which is not shown" {
		t.Errorf("%d lines of the server, in\n%s", of, strings.Join(said.all, "\n"))
	}
}
