package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	for _, test := range []struct {
		name, screen string
		want         []string // in this order
	}{
		{"text", "$ firn\nsaved  <1> & \"2\"\n\n\n", []string{`x="16" y="29" textLength="48">$ firn<`, `>saved  &lt;1&gt; &amp; "2"<`}},
		{"indent", "  14% |██ |", []string{`x="32"`, `textLength="72">14% |██ |<`}},
		{"styles", "a \x1b[1;32mbold\x1b[0m plain\x1b[93m on\nand on\x1b[39m off", []string{
			`>a<`, `x="32" y="29" textLength="32" class="bold c2">bold<`, `textLength="40">plain<`, `class="c11">on<`, `class="c11">and on<`, `textLength="24">off<`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := drawn(t, test.screen)
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, got)
			rest := got
			for _, want := range test.want {
				var ok bool
				if _, rest, ok = strings.Cut(rest, want); !ok {
					t.Fatalf("%s is missing, or not where it should be, in\n%s", want, got)
				}
			}
		})
	}
	for _, bad := range []string{"\x1b[2J", "\x1b[48;5;3mx", "\x1b]0;title\a"} {
		if got, err := drawn(t, bad); err == nil {
			t.Errorf("%q is drawn: %s", bad, got)
		}
	}
}

func drawn(t *testing.T, screen string) (string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "screen")
	if err := os.WriteFile(name, []byte(screen), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := run(20, []string{name}, &out)
	return out.String(), err
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}
