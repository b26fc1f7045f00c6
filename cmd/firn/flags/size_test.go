package flags

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "8388608": 8 << 20, "64MiB": 64 << 20, "64 mib": 64 << 20, "1.5G": 3 << 29, "200MB": 200e6, "1kB": 1000, "1K": 1024, "1TiB": 1 << 40, " 5B ": 5,
	} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q is %d (%v), not %d", text, s, err, want)
		}
		var again Size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%q is written %q, which is %d (%v)", text, s.String(), again, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1 MiBs", "64Mi", "1e400", "NaN", "inf", "9999999TiB", "0x", "1,5G"} {
		var s Size
		if err := s.Set(text); err == nil {
			t.Errorf("%q was taken for %d", text, s)
		}
	}
}
