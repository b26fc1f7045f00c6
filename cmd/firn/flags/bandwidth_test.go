package flags

import (
	"strings"
	"testing"
	"time"
)

func TestBandwidth(t *testing.T) {
	const k, m = 1 << 10, 1 << 20
	const rclone = "08:00,512k 12:00,10M 13:00,512k 18:00,30M 23:00,off"
	const week = "Mon-00:00,512 Fri-23:59,10M Sat-10:00,1M Sun-20:00,off"
	for _, test := range []struct {
		text, at string // a moment of the week of Sunday, 2026-11-29
		up, down int64
	}{
		{"0", "29 03:00", 0, 0}, {"off", "29 03:00", 0, 0}, {"8388608", "29 03:00", 8 * m, 8 * m}, {"64 MiB", "29 03:00", 64 * m, 64 * m},
		{"10M:1M", "29 03:00", 10 * m, m}, {"off:1M", "29 03:00", 0, m}, {"2048:off", "29 03:00", 2 * k, 0},
		{rclone, "29 00:00", 0, 0}, {rclone, "29 07:59", 0, 0}, {rclone, "29 08:00", 512 * k, 512 * k}, {rclone, "30 12:59", 10 * m, 10 * m},
		{rclone, "30 13:00", 512 * k, 512 * k}, {rclone, "30 22:59", 30 * m, 30 * m}, {rclone, "30 23:00", 0, 0},
		{week, "29 00:00", m, m}, {week, "29 19:59", m, m}, {week, "29 20:00", 0, 0}, {week, "30 00:00", 512 * k, 512 * k},
		{week, "34 23:58", 512 * k, 512 * k}, {week, "34 23:59", 10 * m, 10 * m}, {week, "35 09:59", 10 * m, 10 * m}, {week, "35 10:00", m, m},
		{"08:00,1M;20:00,10M:2M saturday-08:00,off", "35 08:00", 0, 0}, {"08:00,1M;20:00,10M:2M saturday-08:00,off", "35 20:00", 10 * m, 2 * m},
		{"08:00,1M;20:00,10M:2M saturday-08:00,off", "29 08:00", m, m}, {"8:00,1M", "29 07:00", m, m}, {"0:00,1M:off", "29 07:00", m, 0},
	} {
		var b Bandwidth
		if err := b.Set(test.text); err != nil || b.tooSmall != "" {
			t.Errorf("%q: %v, %q", test.text, err, b.tooSmall)
			continue
		}
		at, err := time.Parse("2006-01-02 15:04", "2026-11-29 "+test.at[3:])
		if err != nil {
			t.Fatal(err)
		}
		day := int(test.at[0]-'0')*10 + int(test.at[1]-'0')
		if up, down := b.At(at.AddDate(0, 0, day-29)); up != test.up || down != test.down {
			t.Errorf("%q at %s: %d and %d, not %d and %d", test.text, test.at, up, down, test.up, test.down)
		}
	}
	for text, said := range map[string]string{
		"": "not a limit", "fast": "not a limit", "10M:": "not a limit", "1:2:3": "not a limit", "-1": "not a limit", "08:00,fast": `"08:00,fast" in the timetable: "fast" is not a limit`,
		"08:00,512k 12,10M": `"12" is no time of day`, "24:00,1M": "no time of day", "08:60,1M": "no time of day", "8.00,1M": "no time of day", "08:00,": "write a time and a limit",
		"08:00,512k 12:00": `"12:00" in the timetable: write a time and a limit`, "08:00, 512k": "write a time and a limit", ",1M": "write a time and a limit",
		"Mo-08:00,1M": `"Mo" is no day of the week`, "Mon-Tue-08:00,1M": "no time of day", "08:00,1M 8:00,2M": "same time", "Mon-08:00,1M monday-08:00,2M": "same time", "08:00,1M,2M": "not a limit",
	} {
		var b Bandwidth
		if err := b.Set(text); err == nil || !strings.Contains(err.Error(), said) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"1", "1023", "10M:1000", "08:00,10M 09:00,0.5", "08:00,1B"} {
		var b Bandwidth
		if err := b.Set(text); err != nil || b.tooSmall == "" {
			t.Errorf("%q: %v, and it is not too small", text, err)
		}
	}
}

func TestBandwidthPlan(t *testing.T) {
	for text, limited := range map[string]bool{"0": false, "off": false, "off:1M": true, "08:00,off": false, "08:00,off 09:00,1M": true} {
		var b Bandwidth
		if err := b.Set(text); err != nil || (b.Plan() != nil) != limited {
			t.Errorf("%q: limited: %t, %v", text, b.Plan() != nil, err)
		}
	}
	if new(Bandwidth).Plan() != nil {
		t.Error("none is a limit")
	}
}
