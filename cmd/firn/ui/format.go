package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bytes writes a number of bytes with a binary unit and three digits.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, units := float64(n), "KMGTPE"
	i := -1
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	digits := 2
	if f >= 100 {
		digits = 0
	} else if f >= 10 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %ciB", digits, f, units[i])
}

// Number writes a number with its thousands set apart.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count writes a number and what is counted, in the plural if need be.
func Count(n int64, what string) string {
	if n != 1 {
		if stem, ok := strings.CutSuffix(what, "y"); ok {
			what = stem + "ies"
		} else {
			what += "s"
		}
	}
	return Number(n) + " " + what
}

// Duration writes a span of time for people.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

func rate(bytes int64, d time.Duration) string {
	if d <= 0 {
		return "0 B/s"
	}
	return Bytes(int64(float64(bytes)/d.Seconds())) + "/s"
}

func ratio(in, out int64) string {
	if in <= 0 || out <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f : 1)", float64(in)/float64(out))
}

// Plain returns a message as it can be shown: on one line, and without characters that could move the
// cursor, whatever names and answers of servers are in it.
func Plain(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unprintable(r):
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		text = text[n:]
	}
	return b.String()
}

// JoinHint adds a hint to a message that does not say the same already.
func JoinHint(message, hint string) string {
	if hint == "" || strings.Contains(message, hint) {
		return message
	}
	return message + "; " + hint
}

// Message returns an error as it can be shown, on one line.
func Message(err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return Plain(err.Error())
	}
	var parts []string
	for _, e := range joined.Unwrap() {
		parts = append(parts, e.Error())
	}
	if strings.Join(parts, "\n") != err.Error() { // not errors.Join's
		return Plain(err.Error())
	}
	return Plain(strings.Join(parts, "; "))
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// Quote returns a name as it can be shown: plain text as it is, anything else quoted as a Go string.
func Quote(name string) string {
	plain := utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' || r == utf8.RuneError }) < 0
	if plain && strings.TrimSpace(name) == name {
		return name
	}
	return strconv.Quote(name)
}

// Word returns a name as one word of a shell's command line.
func Word(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@%=:", r) || r > 0x7f && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	if Quote(name) != name {
		return Quote(name) // it has what no terminal should be sent
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
