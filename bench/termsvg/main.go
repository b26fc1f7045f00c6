// Command termsvg draws copies of a terminal's screen (tmux capture-pane -e -p) as
// one SVG on standard output, one screen below the other. It knows text, bold, dim
// and the sixteen colours; other escape sequences are an error.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sizes in pixels of the drawing.
const (
	charWidth  = 8
	lineHeight = 18
	margin     = 16
)

func main() {
	columns := flag.Int("columns", 100, "width of the terminal")
	flag.Parse()
	if err := run(*columns, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "termsvg:", err)
		os.Exit(1)
	}
}

func run(columns int, names []string, to io.Writer) error {
	if len(names) == 0 {
		return errors.New("name at least one file that holds a screen")
	}
	var screens [][]row
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		screen, err := parse(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		screens = append(screens, screen)
	}
	out := bufio.NewWriter(to)
	draw(out, columns, screens)
	return out.Flush()
}

// A span is text of one style: class names of the style sheet, or "".
type span struct {
	text, class string
}

type row []span

// parse splits a screen into rows, without the empty ones at its end. Styles go
// on over the ends of lines.
func parse(screen string) ([]row, error) {
	var rows []row
	var style style
	for line := range strings.SplitSeq(strings.TrimRight(screen, "\n "), "\n") {
		var r row
		for line != "" {
			text, rest, escaped := strings.Cut(line, "\x1b")
			if text != "" {
				r = append(r, span{text, style.class()})
			}
			if !escaped {
				break
			}
			sequence, after, ok := strings.Cut(rest, "m")
			if !ok || !strings.HasPrefix(sequence, "[") {
				return nil, fmt.Errorf("line %d: an escape sequence that sets no style", len(rows)+1)
			}
			if err := style.set(sequence[1:]); err != nil {
				return nil, fmt.Errorf("line %d: %w", len(rows)+1, err)
			}
			line = after
		}
		rows = append(rows, r)
	}
	return rows, nil
}

type style struct {
	bold, dim bool
	colour    int // 1 to 16; 0 for the terminal's own
}

// set applies the parameters of an SGR sequence (ECMA-48, 8.3.117).
func (s *style) set(parameters string) error {
	for p := range strings.SplitSeq(parameters, ";") {
		n, err := strconv.Atoi(p)
		switch {
		case p == "" || err == nil && n == 0:
			*s = style{}
		case err != nil:
			return fmt.Errorf("style %q is unknown", parameters)
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 22:
			s.bold, s.dim = false, false
		case n == 49: // no picture has another background
		case n == 39:
			s.colour = 0
		case n >= 30 && n <= 37:
			s.colour = n - 30 + 1
		case n >= 90 && n <= 97:
			s.colour = n - 90 + 9
		default:
			return fmt.Errorf("style %q is unknown", parameters)
		}
	}
	return nil
}

func (s style) class() string {
	var classes []string
	if s.bold {
		classes = append(classes, "bold")
	}
	if s.dim {
		classes = append(classes, "dim")
	}
	if s.colour > 0 {
		classes = append(classes, fmt.Sprintf("c%d", s.colour-1))
	}
	return strings.Join(classes, " ")
}

// styles holds for light and dark pages; the viewer's preference decides.
const styles = `
text { font: 13px ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: #1f2328 }
.screen { fill: #f6f8fa; stroke: #d1d9e0 }
.bold { font-weight: bold } .dim { opacity: 0.65 }
.c1, .c9 { fill: #cf222e } .c2, .c10 { fill: #116329 } .c3, .c11 { fill: #7d4e00 } .c4, .c12 { fill: #0969da }
.c5, .c13 { fill: #8250df } .c6, .c14 { fill: #1b7c83 } .c7, .c8, .c15 { fill: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .screen { fill: #151b23; stroke: #3d444d }
  .c1, .c9 { fill: #ff7b72 } .c2, .c10 { fill: #3fb950 } .c3, .c11 { fill: #d29922 } .c4, .c12 { fill: #58a6ff }
  .c5, .c13 { fill: #bc8cff } .c6, .c14 { fill: #39c5cf } .c7, .c8, .c15 { fill: #9198a1 }
}
`

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

func draw(out *bufio.Writer, columns int, screens [][]row) {
	width, height := columns*charWidth+2*margin, 0
	for _, s := range screens {
		height += len(s)*lineHeight + 2*margin
	}
	height += (len(screens) - 1) * margin
	fmt.Fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", width, height, width, height)
	fmt.Fprintf(out, "<style>%s</style>\n", styles)
	top := 0
	for _, s := range screens {
		box := len(s)*lineHeight + 2*margin
		fmt.Fprintf(out, "<rect class=\"screen\" x=\"0.5\" y=\"%d.5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", top, width-1, box-1)
		for i, r := range s {
			drawRow(out, r, top+margin+i*lineHeight+lineHeight*3/4)
		}
		top += box + margin
	}
	fmt.Fprintln(out, "</svg>")
}

// drawRow stretches each span to its columns, so that whatever font is there keeps
// them aligned. Spaces before and after a span's words are drawn by its place.
func drawRow(out *bufio.Writer, r row, y int) {
	column := 0
	for _, s := range r {
		words := strings.TrimSpace(s.text)
		if words != "" {
			x := margin + charWidth*(column+utf8.RuneCountInString(s.text[:strings.Index(s.text, words)]))
			fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" textLength=\"%d\"", x, y, charWidth*utf8.RuneCountInString(words))
			if s.class != "" {
				fmt.Fprintf(out, " class=\"%s\"", s.class)
			}
			fmt.Fprintf(out, ">%s</text>\n", escape(words))
		}
		column += utf8.RuneCountInString(s.text)
	}
}
