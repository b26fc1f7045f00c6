package report

import "sync/atomic"

// What firn verify and firn catalogue rebuild tell of.
const (
	Verified  Kind = "verified"          // an archive is what was saved, as far as was asked
	Damaged   Kind = "damaged"           // an archive is not what was saved
	NotRead   Kind = "not-read"          // an archive is cold, so that its content was not read; all else of it is intact
	Replaced  Kind = "replaced"          // an archive of an earlier run, which the store keeps no version of
	Unknown   Kind = "unknown"           // an archive in the store that no run of the catalogue knows
	Catalogue Kind = "catalogue-damaged" // an object of the catalogue is not what was written, or gone
	Older     Kind = "older-intact"      // another version of a damaged archive that the store holds
	Lost      Kind = "lost"              // a damaged archive of which no run knows another version in the store
	Entered   Kind = "entered"           // an archive is in the catalogue again
)

// Checks are the counters of firn verify and firn catalogue rebuild; each may be read at any time.
type Checks struct {
	Verified, Damaged, NotRead, Replaced, Unknown atomic.Int64 // archives
	Catalogue                                     atomic.Int64 // objects of the catalogue that are damaged
	Older, Lost                                   atomic.Int64 // damaged archives that another version stands in for; that none does
	Read, ReadBytes                               atomic.Int64 // archives that were read and proven, and the bytes of their objects
	NoChecksum                                    atomic.Int64 // objects that the store keeps no checksum of
	OtherClass                                    atomic.Int64 // objects that are in another storage class than they were saved in
	Runs                                          atomic.Int64 // in the catalogue
	Entered, WithList                             atomic.Int64 // archives; of them those whose entries are known
}

// whole tells whether nothing is damaged.
func (c *Checks) whole() bool { return c.Damaged.Load() == 0 && c.Catalogue.Load() == 0 }

// count counts an event; settled tells that no more is said of its archive.
func (c *Checks) count(e Event) (settled bool) {
	switch e.Kind {
	case Verified:
		c.Verified.Add(1)
	case Damaged:
		c.Damaged.Add(1)
	case NotRead:
		c.NotRead.Add(1)
	case Replaced:
		c.Replaced.Add(1)
	case Entered:
		c.Entered.Add(1)
	case Unknown:
		c.Unknown.Add(1)
		return false
	case Catalogue:
		c.Catalogue.Add(1)
		return false
	case Older:
		c.Older.Add(1)
		return false
	case Lost:
		c.Lost.Add(1)
		return false
	default:
		return false
	}
	return true
}
