package ui

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestPlainKeepsToItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"as it is: 雪 \"q\" …":    "as it is: 雪 \"q\" …",
		"new\nline":              `new\nline`,
		"\x1b[31mred\a":          `\x1b[31mred\a`,
		"latin \xe9":             `latin \xe9`,
		"right \u202e to left":   `right \u202e to left`,
		"truly \ufffd and \xff.": "truly \ufffd and " + `\xff.`,
	} {
		if got := Plain(text); got != want {
			t.Errorf("Plain(%q) = %q, not %q", text, got, want)
		}
	}
}

func TestMessageOfSeveralErrors(t *testing.T) {
	a, b := errors.New("a\n"), errors.New("b")
	for want, err := range map[string]error{
		`a\n; b`:     errors.Join(a, b),
		"b":          b,
		`b, and a\n`: fmt.Errorf("%w, and %w", b, a),
	} {
		if got := Message(err); got != want {
			t.Errorf("Message(%q) = %q, not %q", err, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for name, want := range map[string]string{
		"plain name.txt": "plain name.txt", "": "", " led by a space": `" led by a space"`, "\xff": `"\xff"`, `a "b"`: `"a \"b\""`, "a\tb": `"a\tb"`,
	} {
		if got := Quote(name); got != want {
			t.Errorf("Quote(%q) = %s, not %s", name, got, want)
		}
	}
}

func TestQuantities(t *testing.T) {
	for want, got := range map[string]string{
		"0 B": Bytes(0), "1023 B": Bytes(1023), "1.00 KiB": Bytes(1024), "15.5 MiB": Bytes(15<<20 + 1<<19), "8.00 EiB": Bytes(1<<63 - 1),
		"0": Number(0), "999": Number(999), "1,000": Number(1000), "-1,234,567": Number(-1234567),
		"1 entry": Count(1, "entry"), "2 entries": Count(2, "entry"), "0 subtrees": Count(0, "subtree"),
		"0.0 s": Duration(0), "9.9 s": Duration(9900 * time.Millisecond), "59 s": Duration(59 * time.Second), "1 min 01 s": Duration(61 * time.Second),
		"25 h 00 min": Duration(25 * time.Hour),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
