package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"firn/stages/service/report"
)

// A reader of standard error that is stopped holds up nobody; what found no room is counted.
func TestStoppedReader(t *testing.T) {
	for _, events := range []int{2000, 20_000} {
		t.Run(fmt.Sprint(events), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			p := New(Options{Operation: Backup(), Stderr: w, Verbose: true}, new(report.Totals))
			for i := range events { // more than a pipe holds
				p.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("warning %05d, %s", i, strings.Repeat("x", 80))})
			}
			ended := make(chan string)
			go func() {
				text, _ := io.ReadAll(r)
				ended <- string(text)
			}()
			p.Stop()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(<-ended, "\n"), "\n")
			said := len(lines)
			if events*80 > mostQueued {
				said--
				if want := fmt.Sprintf("firn: %s could not be shown", Count(int64(events-said), "message")); !strings.Contains(lines[said], want) {
					t.Errorf("%d lines, the last is %q", said, lines[said])
				}
			} else if said != events {
				t.Errorf("%d lines", said)
			}
			for i, line := range lines[:said] {
				if !strings.Contains(line, fmt.Sprintf("warning %05d", i)) {
					t.Fatalf("line %d is %q", i, line)
				}
			}
		})
	}
}

// A terminal that is gone takes nothing, and nobody waits for it.
func TestGoneReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{w: w}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(q, "lost") // its error comes with the next one
	q.flush()
	if _, err := io.WriteString(q, "lost too"); err == nil {
		t.Error("the pipe takes what nobody can read")
	}
}
