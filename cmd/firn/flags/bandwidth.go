package flags

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bandwidth is a limit of bytes a second as a flag: "10M", "10M:1M" for sending and receiving, or
// rclone's timetable: "08:00,512k 19:00,10M:1M Sat-00:00,off". A limit holds until the next one begins;
// one of a day of the week goes before one of every day. Times are local. A number without a unit is
// bytes, and KiB in a timetable, as it is there in rclone.
type Bandwidth struct {
	text     string
	slots    []slot // in the order of their beginnings; none: no limit
	tooSmall string // a limit that is, for Validate
}

// A slot is limits from a minute of the week on; 0 is none. The week begins on Sunday.
type slot struct {
	minute   int
	up, down int64
}

const (
	dayMinutes   = 24 * 60
	minBandwidth = 1024
)

// Plan is At, or nil if there never is a limit.
func (b *Bandwidth) Plan() func(time.Time) (up, down int64) {
	if !slices.ContainsFunc(b.slots, func(s slot) bool { return s.up+s.down > 0 }) {
		return nil
	}
	return b.At
}

// At is the limits at a time, on the clock of its zone; 0 is none.
func (b *Bandwidth) At(t time.Time) (up, down int64) {
	if len(b.slots) == 0 {
		return 0, 0
	}
	minute := int(t.Weekday())*dayMinutes + t.Hour()*60 + t.Minute()
	last := len(b.slots) - 1 // of the week before
	for i := range b.slots {
		if b.slots[i].minute <= minute {
			last = i
		}
	}
	return b.slots[last].up, b.slots[last].down
}

// Set implements pflag.Value.
func (b *Bandwidth) Set(text string) (err error) {
	text = strings.TrimSpace(text)
	b.text, b.tooSmall = text, ""
	if !strings.Contains(text, ",") {
		s, err := b.limits(text, "")
		b.slots = []slot{s}
		return err
	}
	b.slots, err = b.timetable(text)
	return err
}

func (b *Bandwidth) timetable(text string) (slots []slot, err error) {
	daily := map[int]slot{}
	days := map[int]slot{} // by the minute of the week
	for _, entry := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ';' || r == '\n' || r == '\t' }) {
		when, limit, _ := strings.Cut(entry, ",")
		if when == "" || limit == "" {
			return nil, fmt.Errorf("%q in the timetable: write a time and a limit, such as 19:00,10M or Sat-00:00,off", entry)
		}
		s, err := b.limits(limit, "k")
		if err != nil {
			return nil, fmt.Errorf("%q in the timetable: %w", entry, err)
		}
		into := daily
		if day, clock, ok := strings.Cut(when, "-"); ok {
			n, ok := weekday(day)
			if !ok {
				return nil, fmt.Errorf("%q in the timetable: %q is no day of the week: write Mon, Tue and so on", entry, day)
			}
			s.minute, when, into = n*dayMinutes, clock, days
		}
		t, err := time.Parse("15:04", when)
		if err != nil {
			return nil, fmt.Errorf("%q in the timetable: %q is no time of day: write hh:mm, from 00:00 to 23:59", entry, when)
		}
		s.minute += t.Hour()*60 + t.Minute()
		if _, twice := into[s.minute]; twice {
			return nil, fmt.Errorf("%q in the timetable: an earlier entry begins at the same time", entry)
		}
		into[s.minute] = s
	}
	for minute, s := range daily {
		for day := range 7 {
			s.minute = day*dayMinutes + minute
			if _, own := days[s.minute]; !own {
				days[s.minute] = s
			}
		}
	}
	for _, s := range days {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(a.minute, b.minute) })
	return slots, nil
}

// weekday is the number of a day, from Sunday, by its English name or the first three letters of that.
func weekday(name string) (int, bool) {
	for day := range 7 {
		full := time.Weekday(day).String()
		if strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
			return day, true
		}
	}
	return 0, false
}

// limits are one limit of both directions, or one each. unit is that of a number without one.
func (b *Bandwidth) limits(text, unit string) (s slot, err error) {
	up, down, pair := strings.Cut(text, ":")
	if s.up, err = b.limit(up, unit); err != nil {
		return s, err
	}
	if !pair {
		s.down = s.up
		return s, nil
	}
	s.down, err = b.limit(down, unit)
	return s, err
}

func (b *Bandwidth) limit(text, unit string) (int64, error) {
	if strings.EqualFold(text, "off") {
		return 0, nil
	}
	number := text
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		number += unit
	}
	var size Size
	if err := size.Set(number); err != nil {
		return 0, fmt.Errorf("%q is not a limit: write bytes a second, such as 512k or 10M, or off", text)
	}
	if size != 0 && size < minBandwidth {
		b.tooSmall = text
	}
	return int64(size), nil
}

// String implements pflag.Value.
func (b *Bandwidth) String() string { return cmp.Or(b.text, "0") }

// Type implements pflag.Value: what help calls the argument.
func (b *Bandwidth) Type() string { return "limit" }
