package ui

import "firn/stages/service/report"

// jsonChecks are the counters of firn verify and firn catalogue rebuild as they
// are printed.
type jsonChecks struct {
	Verified   int64 `json:"verified"`
	Damaged    int64 `json:"damaged"`
	NotRead    int64 `json:"not_read"`
	Replaced   int64 `json:"replaced"`
	Unknown    int64 `json:"unknown"`
	Catalogue  int64 `json:"catalogue_damaged"`
	Older      int64 `json:"older_intact"`
	Lost       int64 `json:"lost"`
	Read       int64 `json:"read"`
	ReadBytes  int64 `json:"read_stored_bytes"`
	NoChecksum int64 `json:"without_checksum"`
	OtherClass int64 `json:"other_class"`
	Runs       int64 `json:"runs"`
	Entered    int64 `json:"entered"`
	WithList   int64 `json:"entered_with_list"`
}

// checksOf reads the counters; of other commands there are none.
func checksOf(o Options, t *report.Totals) func() *jsonChecks {
	if !o.Verify && !o.Rebuild {
		return func() *jsonChecks { return nil }
	}
	c := &t.Checks
	return func() *jsonChecks {
		return &jsonChecks{
			c.Verified.Load(), c.Damaged.Load(), c.NotRead.Load(), c.Replaced.Load(), c.Unknown.Load(), c.Catalogue.Load(), c.Older.Load(), c.Lost.Load(),
			c.Read.Load(), c.ReadBytes.Load(), c.NoChecksum.Load(), c.OtherClass.Load(), c.Runs.Load(), c.Entered.Load(), c.WithList.Load(),
		}
	}
}
