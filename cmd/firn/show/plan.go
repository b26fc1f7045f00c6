package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
)

// Plan prints what a backup comes to. command is the command line for the depth that is recommended, in
// pieces between which a line may be broken; nil if none is.
func (p *Printer) Plan(r *forecast.Report, command []string) {
	if p.o.JSON {
		p.object(planObject(r, command))
		return
	}
	d := r.Depths[0]
	p.line("%s: %s, %s of files", ui.Quote(r.Path), ui.Count(d.Entries, "entry"), ui.Bytes(d.Bytes))
	p.leftOut(r)
	p.line("")
	p.depths(r)
	p.bucket(r)
	p.sample(r)
	p.classes(r)
	if r.Advice != nil {
		p.line("")
		p.wrap(Reason(r))
	}
	p.fold(command)
}

// leftOut prints what is not in the plan.
func (p *Printer) leftOut(r *forecast.Report) {
	for _, e := range r.Excluded {
		var what []string
		if e.Files > 0 {
			what = append(what, ui.Count(e.Files, "file")+", "+ui.Bytes(e.Bytes))
		}
		if e.Directories > 0 {
			what = append(what, ui.Count(e.Directories, "directory")+" with all in "+them(e.Directories))
		}
		p.line("excluded by %s: %s", ui.Quote(e.Pattern), strings.Join(what, "; "))
	}
	for _, i := range r.Idle {
		from := ""
		if i.From != "" {
			from = " (" + ui.Quote(i.From) + ")"
		}
		p.line("matches nothing: %s%s", ui.Quote(i.Pattern), from)
	}
	if r.Caches > 0 {
		p.line("left out: the content of %s with a CACHEDIR.TAG", ui.Count(r.Caches, "directory"))
	}
	if r.Systems > 0 {
		p.line("left out: the content of %s on another file system", ui.Count(r.Systems, "directory"))
	}
	if r.Vanished > 0 {
		p.line("the tree changed while it was walked: %s vanished, and are not in the plan", ui.Count(r.Vanished, "entry"))
	}
	if r.Unread > 0 {
		p.line("not read: %s; the plan is without what is there", ui.Count(r.Unread, "directory"))
	}
}

func them(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// depths prints a line for each depth, and what the columns are.
func (p *Printer) depths(r *forecast.Report) {
	rows := [][]string{{"DEPTH", "<ARCHIVES", "<MEDIAN", "<LARGEST", "<TINY", "<~NIGHT", "<REQUESTS", "<FIRST", "<~MONTH", "<~RESTORE", "<~HRS"}}
	for i, d := range r.Depths {
		c := r.Costs[i]
		depth := fmt.Sprint(d.Depth)
		if r.Advice != nil && i == r.Advice.Best {
			depth += " *"
		}
		_, night, _ := d.Night()
		rows = append(rows, []string{
			depth, "<" + ui.Number(d.All.Archives), "<" + short(d.Median()), "<" + short(d.LargestStored()), fmt.Sprintf("<%.0f%%", 100*d.Tiny()), "<" + short(int64(night/r.Assume.Ratio)),
			"<" + ui.Number(d.First().Total()), "<" + dollars(c.First), "<" + dollars(c.Month()), "<" + dollars(c.Restore), "<" + hours(c.Thaw+c.Fetch),
		})
	}
	p.tight(rows, "<~HRS", "<TINY", "<MEDIAN")
	if p.o.Quiet {
		return
	}
	c := r.Costs[0]
	sizes := fmt.Sprintf("at a ratio of %.2f : 1", r.Assume.Ratio)
	if !r.Given {
		sizes = "if nothing compresses: at most"
	}
	p.line("")
	p.wrap(fmt.Sprintf("%s, prices of %s, %s. Sizes are those of stored archives %s; TINY is the share below %s. MEDIAN and TINY come from a histogram, within 1.1 %%. ~ marks estimates.", r.Class, r.Prices.Region, r.Prices.Date, sizes, ui.Bytes(forecast.Tiny)))
	p.wrap(fmt.Sprintf("~NIGHT: stored again in a night, the average of the last %d by times of modification; what was modified twice shows once.", walk.Days))
	if r.Sample != nil {
		p.wrap("REQUESTS, FIRST: of the first run; estimates, as the ratio is.")
	} else {
		p.wrap("REQUESTS, FIRST: of the first run; exact at that ratio, and for a catalogue of up to 8 MiB.")
	}
	month := "~MONTH: storage with S3's overhead, and the nights"
	if c.MinDays > 0 {
		month += fmt.Sprintf(", which replace archives that are billed for %d days", c.MinDays)
	}
	if r.Bucket != nil && r.Bucket.Versions {
		month += "; the bucket keeps versions, which are billed for as long as it does"
	}
	p.wrap(month + ".")
	restore := fmt.Sprintf("~RESTORE, ~HRS (hours): everything once, with transfer out, at %s/s", ui.Bytes(int64(r.Assume.Rate)))
	if c.Tier != "" {
		restore += fmt.Sprintf("; a %s thaw of up to %.0f h", strings.ToLower(string(c.Tier)), c.Thaw.Hours())
	}
	p.wrap(restore + ".")
	if burst := r.Best().Burst(); burst > 0.5 {
		p.wrap(fmt.Sprintf("%.0f %% of what was modified in %d days was modified on one of them: a tree that was copied or unpacked looks so, and then ~NIGHT says little.", 100*burst, walk.Days))
	}
}

// bucket prints what the store holds, and what becomes of the archives.
func (p *Printer) bucket(r *forecast.Report) {
	b := r.Bucket
	if b == nil {
		return
	}
	versions := "Versioning is off: what is replaced is gone."
	switch {
	case b.Unknown != nil:
		versions = "Whether it keeps versions is not known: " + ui.Message(b.Unknown) + "."
	case b.Versions:
		versions = "Versioning is on: what is replaced is kept."
	}
	p.line("")
	if b.Exact {
		p.line("Compared with %s:", ui.Quote(b.URL))
	} else {
		p.line("%s holds %s of this path.", ui.Quote(b.URL), ui.Count(b.Archives, "archive"))
	}
	p.wrap(versions)
	mark := "~"
	if b.Exact {
		mark = ""
	}
	rows := [][]string{{"DEPTH", "<NEW", "<SIZE", "<" + mark + "REPLACED", "<SIZE", "<" + mark + "UNCHANGED", "<SIZE"}}
	for _, d := range r.Depths {
		row := []string{fmt.Sprint(d.Depth)}
		for _, s := range []forecast.Share{d.New, d.Changed, d.Unchanged} {
			row = append(row, "<"+ui.Number(s.Archives), "<"+short(r.Assume.Stored(s)))
		}
		rows = append(rows, row)
	}
	p.tight(rows)
	if b.Exact {
		d := r.Depths[0]
		made := forecast.Share{Archives: d.New.Archives + d.Changed.Archives, Tar: d.New.Tar + d.Changed.Tar}
		c, _ := r.Prices.Class(r.Class)
		most := ""
		if !r.Given && made.Archives > 0 {
			most = " at most"
		}
		now := d.Now()
		p.wrap(fmt.Sprintf("A run now stores %s, with %s and %s%s, for ~%s.", ui.Count(made.Archives, "archive"), ui.Count(now.Total(), "request"), ui.Bytes(r.Assume.Stored(made)), most, dollars(now.Dollars(r.Prices, c))))
	}
	if strings.HasPrefix(b.URL, "file:") {
		p.wrap("It is a directory: requests and dollars are what S3 would take.")
	}
	if names := r.Best().Names; len(names) > 0 && !p.o.Quiet {
		p.line("replaced at depth %d%s:", r.Best().Depth, more(int64(len(names)), r.Best().Changed.Archives))
		for _, name := range names {
			p.line("  %s", ui.Quote(fullName(r.Path, name)))
		}
	}
}

func more(shown, all int64) string {
	if shown < all {
		return fmt.Sprintf(", the first %d of %s", shown, ui.Number(all))
	}
	return ""
}

func fullName(root, below string) string {
	switch {
	case below == "":
		return root
	case root == ".":
		return below
	}
	return strings.TrimSuffix(root, "/") + "/" + below
}

// classes prints what the storage classes cost.
func (p *Printer) classes(r *forecast.Report) {
	rows := [][]string{{"CLASS", "<FIRST", "<~MONTH", "<~YEAR", "<~RESTORE", "<~HRS", "<DAYS"}}
	var notes []string
	for _, c := range r.Others {
		class := c.Class
		if c.Class == r.Class {
			class += " *"
		}
		rows = append(rows, []string{class, "<" + dollars(c.First), "<" + dollars(c.Month()), "<" + dollars(c.Year()), "<" + dollars(c.Restore), "<" + hours(c.Thaw+c.Fetch), fmt.Sprintf("<%d", c.MinDays)})
		if c.Note != "" {
			notes = append(notes, c.Class+": "+ui.Plain(c.Note))
		}
	}
	p.line("")
	p.wrap(fmt.Sprintf("At depth %d by storage class; YEAR is FIRST and 12 times MONTH, DAYS are billed at least.", r.Best().Depth))
	p.tight(rows)
	if !p.o.Quiet {
		for _, n := range notes {
			p.wrap(n)
		}
	}
}

// Reason says which depth is recommended, and why.
func Reason(r *forecast.Report) string {
	best, cheap := r.Advice.Best, r.Advice.Cheapest
	d := r.Depths[best]
	text := fmt.Sprintf("Recommended: depth %d. ", d.Depth)
	if best == cheap {
		text += fmt.Sprintf("Its first year is the cheapest, %s", dollars(r.Costs[best].Year()))
	} else {
		text += fmt.Sprintf("Its first year costs %s, not much more than at the cheapest depth, %d (%s)", dollars(r.Costs[best].Year()), r.Depths[cheap].Depth, dollars(r.Costs[cheap].Year()))
	}
	text += fmt.Sprintf(". Its largest archive has %s", ui.Bytes(d.LargestStored()))
	if best > 0 {
		text += fmt.Sprintf(", at depth %d %s", r.Depths[best-1].Depth, ui.Bytes(r.Depths[best-1].LargestStored()))
	}
	text += ": what changes is stored again as a whole archive, and what is restored is thawed as one."
	if best+1 < len(r.Depths) {
		next := r.Depths[best+1]
		text += fmt.Sprintf(" At depth %d, %s have %s in the mean, the largest %s, and the year costs %s.", next.Depth, ui.Count(next.All.Archives, "archive"), ui.Bytes(next.Mean()), ui.Bytes(next.LargestStored()), dollars(r.Costs[best+1].Year()))
	}
	return text
}

func dollars(amount float64) string {
	if amount < 0.01 {
		return fmt.Sprintf("$%.2f", amount)
	}
	return ui.Dollars(amount)
}

// short is a number of bytes in few columns.
func short(n int64) string { return strings.ReplaceAll(ui.Bytes(n), " ", "") }

func hours(d time.Duration) string {
	if d < 10*time.Hour {
		return fmt.Sprintf("%.1f", d.Hours())
	}
	return ui.Number(int64(d.Hours() + 0.5))
}

// tight prints rows with one space between columns, and leaves columns out until they fit.
func (p *Printer) tight(rows [][]string, spare ...string) {
	width := cmp.Or(p.o.Width, columns)
	lines := alignedBy(rows, " ")
	for _, head := range spare {
		if !slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > width }) {
			break
		}
		at := slices.Index(rows[0], head)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], at, at+1)
		}
		lines = alignedBy(rows, " ")
	}
	for _, line := range lines {
		p.line("%s", line)
	}
}

// fold prints a command line so that a shell takes it, in lines of 80 columns if its pieces let it.
func (p *Printer) fold(pieces []string) {
	line := " "
	for i, piece := range pieces {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(piece)+2 > columns {
			p.line("%s \\", line)
			line = "   "
		}
		line += " " + piece
	}
	if len(pieces) > 0 {
		p.line("%s", line)
	}
}

const columns = 80

// wrap prints text in lines.
func (p *Printer) wrap(text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			p.line("%s", line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		p.line("%s", line)
	}
}
