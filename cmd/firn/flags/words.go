package flags

import (
	"errors"
	"strings"
)

// splitWords splits a command into words as a shell does: at spaces, but for what is quoted by ”, "" or
// a backslash. Nothing else has a meaning: no variables, no pipes.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	began, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, began = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, began = r, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", r):
			if began {
				words = append(words, word.String())
			}
			word.Reset()
			began = false
		default:
			word.WriteRune(r)
			began = true
		}
	}
	switch {
	case quote != 0 || escaped:
		return nil, errors.New("it ends inside quotes")
	case began:
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it names no program")
	}
	return words, nil
}
