package forecast

import (
	"maps"
	"slices"
	"time"

	"firn/stages/format/prices"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

const (
	nights    = 30      // in a month
	copyDays  = 7       // that a thawed copy is kept
	rangeSize = 8 << 20 // bytes that a restore asks for at a time
	gb        = 1 << 30
)

// A Cost is what archives of a depth cost in a class, in dollars.
type Cost struct {
	Class   string
	First   float64       // requests of the first run
	Storage float64       // a month
	Nights  float64       // a month of average nights: requests, and what was replaced, which is billed for the least time of the class
	Restore float64       // of everything, once: thaw, requests, transfer out
	Tier    store.Tier    // of the thaw; "" if none is needed
	Thaw    time.Duration // that it takes at most
	Fetch   time.Duration // after that
	MinDays int
	Note    string // of the price table
}

// Month is what a month costs.
func (c Cost) Month() float64 { return c.Storage + c.Nights }

// Year is what the first year costs.
func (c Cost) Year() float64 { return c.First + 12*c.Month() }

// Cost is what a depth costs in a class. Errors: *prices.MissingError.
func (d *Depth) Cost(t *prices.Table, class string) (Cost, error) {
	p, err := t.Class(class)
	if err != nil {
		return Cost{}, err
	}
	c := Cost{Class: class, MinDays: p.MinDays, Note: p.Note, First: d.First().Dollars(t, p)}
	if c.Storage, err = t.Month(class, d.billed(p.MinObject), float64(d.All.Archives)); err != nil {
		return Cost{}, err
	}
	_, catalogue := d.catalogue(float64(d.All.Archives), float64(d.All.Archives), float64(d.Entries))
	c.Storage += catalogue / gb * t.Classes[store.ClassStandard].Storage[0].Dollars

	made, tar, _ := d.Night()
	replaced, err := t.Month(class, tar/d.assume.Ratio*float64(p.MinDays), made*float64(p.MinDays))
	if err != nil {
		return Cost{}, err
	}
	c.Nights = nights*d.EachNight().Dollars(t, p) + replaced
	return c, d.restore(t, p, &c)
}

// restore sets what bringing everything back costs, and how long it takes.
func (d *Depth) restore(t *prices.Table, p prices.Class, c *Cost) error {
	stored := float64(d.assume.Stored(d.All))
	if store.IsCold(c.Class) {
		offers := thaw.Offers(c.Class)
		o := offers[len(offers)-1] // the slowest is the cheapest
		price, ok := t.Thaw(c.Class, string(o.Tier))
		if !ok {
			return &prices.MissingError{Class: c.Class, Has: slices.Sorted(maps.Keys(t.Thaws)), Thaw: true}
		}
		c.Tier, c.Thaw = o.Tier, o.To
		c.Restore = stored/gb*price.GB + float64(d.All.Archives)/1000*price.Requests + t.Copy(stored, copyDays)
	}
	gets := float64(2*d.All.Archives) + stored/rangeSize // a HEAD and a GET at least
	c.Restore += gets/1000*p.Get + stored/gb*p.Read + t.Out.Of(stored)
	c.Fetch = Duration(stored / d.assume.Rate)
	return nil
}

// Costs are those of all classes of a table, the cheapest year first. What a table lacks is left out.
func (d *Depth) Costs(t *prices.Table) (all []Cost) {
	for class := range t.Classes {
		if c, err := d.Cost(t, class); err == nil {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(x, y Cost) int {
		if x.Year() != y.Year() {
			if x.Year() < y.Year() {
				return -1
			}
			return 1
		}
		return slices.Compare([]byte(x.Class), []byte(y.Class))
	})
	return all
}

// Advice is which depth to choose.
type Advice struct {
	Best     int // place among the depths
	Cheapest int // of the first year
}

const (
	// What a year may cost more than at the cheapest depth: this share, and this many dollars.
	marginShare, marginDollars = 0.10, 1
	goodMean                   = 1 << 20 // bytes
	muchSmaller                = 0.75
)

// Advise chooses a depth by its costs, those of depths in their order. Of the depths whose first
// year costs not much more than the cheapest, it is the one with the smallest large archives: a night
// stores less again, and who wants one file back thaws less. A deeper one that gains little is not
// chosen, and none whose archives have less than 1 MiB in the mean.
func Advise(depths []*Depth, costs []Cost) (a Advice) {
	for i, c := range costs {
		if c.Year() < costs[a.Cheapest].Year() {
			a.Cheapest = i
		}
	}
	most := costs[a.Cheapest].Year()*(1+marginShare) + marginDollars
	a.Best = -1
	for i, d := range depths {
		switch {
		case costs[i].Year() > most || d.All.Archives > 1 && d.Mean() < goodMean:
		case a.Best < 0 || float64(d.Largest) < muchSmaller*float64(depths[a.Best].Largest):
			a.Best = i
		}
	}
	if a.Best < 0 {
		a.Best = a.Cheapest
	}
	return a
}
