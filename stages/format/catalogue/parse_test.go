package catalogue

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
)

// TestParse reads back what append writes; only strings with JSON's escapes are left to
// encoding/json.
func TestParse(t *testing.T) {
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ü", "雪", " ", "/", `"`, "\n", `\`, "\xff", "<"}), 0, 6).Draw(t, "text"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Entry{
			Path: text.Draw(t, "path"), Type: rapid.SampledFrom([]string{File, Directory, FIFO}).Draw(t, "type"), Size: rapid.Int64Min(0).Draw(t, "size"),
			ModTime: time.Unix(rapid.Int64Range(-1e10, 1e11).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Mode:    rapid.SampledFrom([]string{"0644", "4755"}).Draw(t, "mode"), UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid"),
			Target: text.Draw(t, "target"), Attrs: rapid.Bool().Draw(t, "attrs"),
		}
		line := want.append(nil)
		var got Entry
		plain := !bytes.Contains(line, []byte(`\`))
		if ok := got.parse(line); ok != plain {
			t.Fatalf("%s: parsed: %t", line, ok)
		}
		if d := cmp.Diff(want, got); plain && d != "" {
			t.Fatalf("%s: %s", line, d)
		}
	})
}

// FuzzParse: what parse takes it takes as encoding/json does.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		`{"path":"a/b","type":"file","size":5,"mtime":"2026-01-01T00:00:00.5Z","mode":"0644","uid":1,"gid":2,"target":"x","attrs":true}`,
		`{"path":"ü","type":"dir","mtime":"2026-01-01T00:00:00+01:00","mode":"0755"}`,
		`{"path":"a","type":"file","size":007,"mtime":"2026-01-01T00:00:00Z","mode":"0644"}`,
		`{"path":"a","type":"file","size":9223372036854775808,"mtime":"2026-01-01T00:00:00Z","mode":"0644"}`,
		`{"path":"a","type":"file","mtime":"2026-01-01T00:00:00Z","mode":"0644","uid":4294967296}`,
		`{"path":"a` + "\xff" + `","type":"file","mtime":"2026-02-30T00:00:00Z","mode":"0644"} `,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var got, want Entry
		if !got.parse(line) {
			return
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("%q was taken, though it is no JSON: %v", line, err)
		}
		if !got.ModTime.Equal(want.ModTime) {
			t.Fatalf("%q: %v, not %v", line, got.ModTime, want.ModTime)
		}
		got.ModTime = want.ModTime
		if got != want {
			t.Fatalf("%q: %+v, not %+v", line, got, want)
		}
	})
}
