package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// TestJSONIsHarmless has every character that moves the cursor or turns a text's direction: neither
// JSON nor plain text prints it as it is, and a reader of JSON gets it back.
func TestJSONIsHarmless(t *testing.T) {
	bidi := "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
	controls := []rune(bidi + "\u2028\u2029")
	for r := rune(0); r < 0xa0; r++ {
		if unicode.IsControl(r) {
			controls = append(controls, r)
		}
	}
	for _, r := range controls {
		name := "a" + string(r) + "ü雪𝄞<" + string(r)
		var b bytes.Buffer
		if err := NewEncoder(&b).Encode(map[string]string{"path": name}); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsRune(line, r) || !strings.Contains(line, "ü雪𝄞<") {
			t.Errorf("%U is printed as %q", r, line)
		}
		var got map[string]string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["path"] != name {
			t.Errorf("%U comes back as %q, %v", r, got, err)
		}
		for _, text := range []string{Plain(name), Quote(name)} {
			if strings.ContainsRune(text, r) {
				t.Errorf("%U is printed as %q", r, text)
			}
		}
	}
}
