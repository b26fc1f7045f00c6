package bench

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"firn/stages/stage/sample"
)

// A Figure is one measured number of a result.
type Figure struct {
	Name string
	Unit string // UnitBytes …
	sample.Range
}

// Units of figures.
const (
	UnitBytes   = "bytes/s"
	UnitEntries = "entries/s"
	UnitRatio   = "ratio"
)

// Figures are all numbers of a result that were measured, by names that two results have in common.
func (r *Result) Figures() (all []Figure) {
	add := func(unit string, of sample.Range, format string, a ...any) {
		if of.Count > 0 {
			all = append(all, Figure{fmt.Sprintf(format, a...), unit, of})
		}
	}
	add(UnitEntries, r.Tree.First, "first walk")
	add(UnitEntries, r.Tree.Again, "walk")
	add(UnitBytes, r.Read.Rate, "read")
	for _, c := range r.Codecs {
		add(UnitBytes, c.Rate, "%s", c.Title())
	}
	for _, c := range r.Codecs {
		add(UnitRatio, c.Ratio, "%s, ratio", c.Title())
	}
	for _, s := range r.Scaling {
		add(UnitBytes, s.Rate, "compress, %s", many(s.Workers, "worker"))
	}
	for _, s := range r.Sums {
		add(UnitBytes, s.Rate, "%s", s.Name)
	}
	if r.Upload != nil {
		for _, s := range r.Upload.By {
			add(UnitBytes, s.Rate, "upload, %s", many(s.Workers, "connection"))
		}
	}
	if r.Backup != nil {
		add(UnitBytes, r.Backup.Rate, "backup")
	}
	return all
}

// Title names a codec in tables.
func (c Codec) Title() string {
	name := c.Name
	if c.Library != "" {
		name = c.Library
	}
	if c.Level == 0 {
		return name
	}
	return fmt.Sprintf("%s -%d", name, c.Level)
}

// A Change compares one figure of two results.
type Change struct {
	Figure
	Before sample.Range
	// Apart says that the two differ by more than their spread.
	Apart bool
}

// Faster is by how much the figure has risen: 0.1 is by 10 %.
func (c Change) Faster() float64 {
	if c.Before.Value <= 0 {
		return 0
	}
	return c.Value/c.Before.Value - 1
}

// Compare returns what both results have measured, in the order of r.
func (r *Result) Compare(before *Result) (all []Change) {
	then := map[string]sample.Range{}
	for _, f := range before.Figures() {
		then[f.Name] = f.Range
	}
	for _, f := range r.Figures() {
		if b, ok := then[f.Name]; ok {
			all = append(all, Change{f, b, f.Apart(b)})
		}
	}
	return all
}

// Differences names what makes two results hard to compare, as settings and trees, a line each.
func (r *Result) Differences(before *Result) (all []string) {
	differ := func(what string, then, now any) {
		if then != now {
			all = append(all, fmt.Sprintf("%s: %v then, %v now", what, then, now))
		}
	}
	differ("machine", before.Host, r.Host)
	differ("cores", before.Cores, r.Cores)
	differ("tree", before.Tree.Path, r.Tree.Path)
	differ("files", before.Tree.Files, r.Tree.Files)
	differ("bytes", before.Tree.Bytes, r.Tree.Bytes)
	differ("firn", before.Firn, r.Firn)
	then, now := before.Settings, r.Settings
	differ("compression", fmt.Sprint(then.Algorithm, " -", then.Level), fmt.Sprint(now.Algorithm, " -", now.Level))
	differ("depth", then.Depth, now.Depth)
	differ("archive workers", then.Archive, now.Archive)
	differ("compress workers", then.Compress, now.Compress)
	differ("part size", then.PartSize, now.PartSize)
	differ("store", cmp.Or(then.Store, "none"), cmp.Or(now.Store, "none"))
	return all
}

const (
	maxResult  = 1 << 20 // bytes that are read of a file
	mostFigure = 1e15    // of a figure: quotients of two have to be finite
)

// ReadResult reads a result that was kept as JSON.
func ReadResult(from io.Reader) (*Result, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxResult+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxResult:
		return nil, fmt.Errorf("it is larger than %d bytes", maxResult)
	}
	r := &Result{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.Version != Version {
		return nil, fmt.Errorf("it is no result of this benchmark, or of another version of it: its version is %d, not %d", r.Version, Version)
	}
	if r.Backup == nil && len(r.Codecs) == 0 {
		return nil, errors.New("it holds no measurement")
	}
	for _, f := range r.Figures() {
		if f.Low < 0 || f.Low > f.Value || f.Value > f.High || f.High > mostFigure || f.Value > 0 && f.Value < 1/mostFigure {
			return nil, fmt.Errorf("its figure %q makes no sense", f.Name)
		}
	}
	return r, nil
}
