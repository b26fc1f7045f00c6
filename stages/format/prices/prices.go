// Package prices holds what S3 and DynamoDB cost: the table of us-east-1 is in us-east-1.json, with
// its date, and a file of the same format gives the prices of another region.
//
// Amounts are US dollars, a GB is 2^30 bytes, a month has 30 days. It is the only place of prices.
package prices

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
)

const (
	gb           = 1 << 30
	daysPerMonth = 30
	standard     = "STANDARD"
	maxFile      = 1 << 20 // bytes
	maxNumber    = 1 << 40 // dollars, bytes, days: of what is larger, sums could be infinite
)

// A Table holds the prices of one region.
type Table struct {
	Region  string                       `json:"region"`
	Date    string                       `json:"date"` // of the prices
	Classes map[string]Class             `json:"classes"`
	Thaws   map[string]map[string]Thawed `json:"thaw"`      // by class or archive tier, then by tier of the thaw (Expedited, Standard, Bulk)
	List    float64                      `json:"list_1000"` // 1,000 LIST requests
	Items   Items                        `json:"table"`
	Out     Bands                        `json:"transfer_out_gb"` // a GB to the internet, of what leaves in a month
}

// A Class holds the prices of a storage class.
type Class struct {
	Storage          Bands   `json:"storage_gb_month"`
	Put              float64 `json:"put_1000"`                          // 1,000 times PutObject or CompleteMultipartUpload
	Part             float64 `json:"part_1000"`                         // 1,000 times CreateMultipartUpload or UploadPart
	Get              float64 `json:"get_1000"`                          // 1,000 times GET or HEAD
	Read             float64 `json:"read_gb,omitempty"`                 // a GB that is read
	Objects          float64 `json:"object_1000_month,omitempty"`       // 1,000 objects for a month
	Overhead         int64   `json:"overhead_bytes,omitempty"`          // billed for each object besides its size, at the price of the class
	OverheadStandard int64   `json:"overhead_standard_bytes,omitempty"` // and at that of STANDARD
	MinObject        int64   `json:"min_object_bytes,omitempty"`        // a smaller object is billed as one of this size
	MinDays          int     `json:"min_days,omitempty"`                // an object is billed for as long at least, also when it is replaced before
	Note             string  `json:"note,omitempty"`
}

// Thawed is the price of a thaw, without the copy.
type Thawed struct {
	GB       float64 `json:"gb"`
	Requests float64 `json:"requests_1000"`
}

// Items are the prices of a DynamoDB table that is billed by request.
type Items struct {
	Reads  float64 `json:"reads_million"`  // of 4 KB each
	Writes float64 `json:"writes_million"` // of 1 KB each
}

// Bands are prices of a GB that depend on how many there are. In JSON, a single number is one band.
type Bands []Band

// A Band is a price up to a number of GB, 0 for all that is left.
type Band struct {
	To      float64 `json:"to_gb,omitempty"`
	Dollars float64 `json:"dollars"`
}

// UnmarshalJSON reads a number or a list of bands.
func (b *Bands) UnmarshalJSON(data []byte) error {
	var one *float64
	if json.Unmarshal(data, &one) == nil && one != nil {
		*b = Bands{{Dollars: *one}}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode((*[]Band)(b))
}

// Of is the price of so many bytes.
func (b Bands) Of(n float64) (dollars float64) {
	below, size := 0.0, n/gb
	for _, band := range b {
		if band.To == 0 || size <= band.To {
			return dollars + (size-below)*band.Dollars
		}
		dollars, below = dollars+(band.To-below)*band.Dollars, band.To
	}
	return dollars
}

// first is the price of the first GB.
func (b Bands) first() float64 {
	if len(b) == 0 {
		return 0
	}
	return b[0].Dollars
}

//go:embed us-east-1.json
var embedded []byte

// Default is the table of us-east-1. It must not be changed.
var Default = sync.OnceValue(func() *Table {
	t, err := Read(bytes.NewReader(embedded))
	if err != nil {
		panic(err) // a test reads it
	}
	return t
})

// Text is the file of the prices of us-east-1.
func Text() []byte { return bytes.Clone(embedded) }

// Read reads a file of prices. An error says what is wrong with it.
func Read(r io.Reader) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	t := &Table{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the table")
	}
	return t, t.check()
}

// check returns what is wrong with a table.
func (t *Table) check() error {
	switch {
	case t.Region == "" || t.Date == "":
		return errors.New("it lacks the region or the date of the prices")
	case strings.ContainsFunc(strings.Join(append(slices.Collect(maps.Keys(t.Classes)), t.Region, t.Date), ""), unprintable):
		return errors.New("the region, the date or the name of a class has characters that can't be printed")
	case len(t.Out) == 0:
		return errors.New("it lacks transfer_out_gb")
	case wrong(t.List, t.Items.Reads, t.Items.Writes):
		return errors.New("a price is negative, or too large")
	}
	if err := t.Out.check("transfer_out_gb"); err != nil {
		return err
	}
	if _, err := t.Class(standard); err != nil {
		return fmt.Errorf("%w, which the catalogue and thawed copies are billed in", err)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Classes)) {
		c := t.Classes[name]
		if len(c.Storage) == 0 {
			return fmt.Errorf("class %s lacks storage_gb_month", name)
		}
		if wrong(c.Put, c.Part, c.Get, c.Read, c.Objects, float64(c.Overhead), float64(c.OverheadStandard), float64(c.MinObject), float64(c.MinDays)) {
			return fmt.Errorf("class %s: a number is negative, or too large", name)
		}
		if err := c.Storage.check("class " + name + ": storage_gb_month"); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Thaws)) {
		for tier, p := range t.Thaws[name] {
			if wrong(p.GB, p.Requests) {
				return fmt.Errorf("thaw %s %s: a price is negative, or too large", name, tier)
			}
		}
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// wrong reports whether a number is none of a table.
func wrong(numbers ...float64) bool {
	return slices.Min(numbers) < 0 || slices.Max(numbers) > maxNumber
}

func (b Bands) check(name string) error {
	last := 0.0
	for i, band := range b {
		if wrong(band.Dollars) {
			return fmt.Errorf("%s: a price is negative, or too large", name)
		}
		if end := i == len(b)-1; end != (band.To == 0) || !end && band.To <= last {
			return fmt.Errorf("%s: to_gb has to rise from band to band, and the last band has none", name)
		}
		last = band.To
	}
	return nil
}

// A MissingError says that a table does not have a class.
type MissingError struct {
	Class string
	Has   []string // the classes that it has, sorted
	Thaw  bool     // it lacks the prices of a thaw only
}

func (e *MissingError) Error() string {
	what := "prices of class"
	if e.Thaw {
		what = "prices of thaws from class"
	}
	return fmt.Sprintf("it has no %s %s, only of %s", what, e.Class, strings.Join(e.Has, ", "))
}

// Class returns the prices of a class. Errors: *MissingError.
func (t *Table) Class(name string) (Class, error) {
	c, ok := t.Classes[name]
	if !ok {
		return c, &MissingError{Class: name, Has: slices.Sorted(maps.Keys(t.Classes))}
	}
	return c, nil
}

// Thaw returns the price of a thaw from a class, or an archive tier, in a tier; false if there is none.
func (t *Table) Thaw(class, tier string) (Thawed, bool) {
	p, ok := t.Thaws[class][tier]
	return p, ok
}

// Billed is the size that an object of that size is billed as, without what is added to it.
func (c Class) Billed(size int64) int64 { return max(size, c.MinObject) }

// Month is what objects of a class cost in a month, with what is added to each of them. Bytes are as
// they are billed: see Class.Billed. Errors: *MissingError.
func (t *Table) Month(class string, bytes, objects float64) (float64, error) {
	c, err := t.Class(class)
	if err != nil {
		return 0, err
	}
	bytes = max(bytes, objects*float64(c.MinObject))
	return c.Storage.Of(bytes+objects*float64(c.Overhead)) +
		objects*float64(c.OverheadStandard)/gb*t.Classes[standard].Storage.first() +
		objects/1000*c.Objects, nil
}

// Copy is what thawed bytes cost for some days as a copy in STANDARD.
func (t *Table) Copy(bytes float64, days int) float64 {
	return bytes / gb * t.Classes[standard].Storage.first() * float64(days) / daysPerMonth
}

// Month is what objects of a class cost in a month at the prices of us-east-1; false if the class has
// no price there.
func Month(class string, bytes, objects int64) (dollars float64, ok bool) {
	dollars, err := Default().Month(class, float64(bytes), float64(objects))
	return dollars, err == nil
}
