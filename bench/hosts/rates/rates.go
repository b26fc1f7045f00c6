// Package rates measures what firn's own code does in a second on this machine, for a simulation of
// many such machines, and keeps what was measured.
//
// Rates are CPU seconds: of a machine that does other things too, they are what can be trusted.
// Each says how it was measured. What no run of firn on one machine can measure is not here.
package rates

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// A Table is what was measured on one day.
type Table struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Rates   []Rate `json:"rates"`
}

// A Rate is a figure.
type Rate struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	How   string  `json:"how"`
}

// Names of rates. Those of algorithms are PerByte and Ratio with the algorithm after a blank.
const (
	PerEntry   = "scan"        // CPU seconds of an lstat entry
	PerByte    = "byte"        // CPU seconds of a byte of the tree, all stages
	Ratio      = "ratio"       // bytes of the tree for one that is stored
	Serial     = "hash one"    // bytes a second of one archive, which is hashed in order
	Encrypt    = "encrypt one" // bytes a second of one object, which is encrypted in order
	Send       = "send"        // CPU seconds of a stored byte on its way to a server over http
	PerItem    = "item"        // CPU seconds of a tiny archive on a host
	PerMessage = "message"     // CPU seconds of all parties for a message
	Messages   = "messages"    // that an embedded broker takes in a second of time
	Offers     = "offers"      // that it takes in a second of time
	InMemory   = " in memory"  // after the three before: of a broker that keeps them in memory
)

//go:embed rates.json
var measured []byte

// Measured is the table that is kept.
func Measured() (*Table, error) {
	t := &Table{}
	if err := json.Unmarshal(measured, t); err != nil {
		return nil, fmt.Errorf("reading the rates that are kept: %w", err)
	}
	return t, nil
}

// Value is that of a rate. The error names one that was not measured.
func (t *Table) Value(name string) (float64, error) {
	for _, r := range t.Rates {
		if r.Name == name {
			return r.Value, nil
		}
	}
	return 0, fmt.Errorf("the rates of %s have no %q", t.Date, name)
}
