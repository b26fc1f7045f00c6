package forecast

import (
	"firn/stages/format/encryption"
	"firn/stages/format/prices"
	"firn/stages/store"
)

// Uploads are the requests that store objects.
type Uploads struct {
	Puts    int64 // objects in one request
	Creates int64 // objects in parts: as many are begun as completed
	Parts   int64
}

func (u Uploads) plus(v Uploads) Uploads {
	return Uploads{u.Puts + v.Puts, u.Creates + v.Creates, u.Parts + v.Parts}
}

func (u Uploads) times(n int64) Uploads { return Uploads{u.Puts * n, u.Creates * n, u.Parts * n} }

func (u Uploads) dollars(c prices.Class) float64 {
	return float64(u.Puts+u.Creates)/1000*c.Put + float64(u.Creates+u.Parts)/1000*c.Part
}

// uploads are those of an object, as package upload stores it.
func (a *Assume) uploads(size int64) Uploads { return uploadsOf(size, a.PartSize, a.Limits) }

func uploadsOf(size, want int64, limits store.Limits) Uploads {
	part, err := limits.PartSize(size, want, limits.MaxPart)
	if err != nil || part >= size { // one that is too large is not stored
		return Uploads{Puts: 1}
	}
	return Uploads{Creates: 1, Parts: (size + part - 1) / part}
}

// Requests are all that a run makes.
type Requests struct {
	Archives  Uploads
	Catalogue Uploads // and the recovery files; in STANDARD
	Lists     int64   // ListObjectsV2
	Pending   int64   // ListMultipartUploads
	Heads     int64
	Gets      int64
	Rows      int64 // PutItem
	Describes int64 // DescribeTable
}

// What a run asks besides archives; TestRequestsAreCounted of cmd/firn counts them at a server.
const (
	recoveryFiles  = 2 // RECOVER.txt and restore.sh
	catalogueParts = 8 << 20
	catalogueKeep  = 64 << 20 // bytes of a volume of the catalogue
	// What the catalogue takes, in bytes; estimated.
	listEntry, listArchive, manifestLine = 30, 150, 300
)

// catalogue are the requests that store the catalogue of a run which saves so many archives of so
// many entries, and its bytes: one each for the run, its manifest and its lists, more for large ones.
func (d *Depth) catalogue(lines, made, entries float64) (u Uploads, bytes float64) {
	u.Puts, bytes = 1, 1000
	volumes := []float64{lines * manifestLine}
	if made > 0 {
		volumes = append(volumes, made*listArchive+entries*listEntry)
	}
	for _, size := range volumes {
		bytes += size
		for ; size > catalogueKeep; size -= catalogueKeep {
			u = u.plus(uploadsOf(encryption.CiphertextSize(catalogueKeep), catalogueParts, d.assume.Limits))
		}
		u = u.plus(uploadsOf(encryption.CiphertextSize(int64(size)), catalogueParts, d.assume.Limits))
	}
	return u, bytes
}

// First are the requests of the first run of a tree into an empty store.
func (d *Depth) First() Requests {
	a := d.assume
	r := Requests{Archives: d.All.Uploads}
	r.Catalogue, _ = d.catalogue(float64(d.All.Archives), float64(d.All.Archives), float64(d.Entries))
	r.Catalogue.Puts += recoveryFiles
	r.Heads = recoveryFiles
	// May the bucket be listed; runs; archives of another key; what is stored.
	r.Lists = 2 + 2*int64(a.KeySpaces)
	if a.NewKey {
		r.Lists++ // archives that another key opens
	}
	r.Pending = int64(a.KeySpaces) + 1 + recoveryFiles // of archives, the catalogue, the recovery files
	if a.Table {
		r.Rows, r.Describes = d.All.Archives, 1
	}
	return r
}

// EachNight are the requests of an average night.
func (d *Depth) EachNight() Requests {
	made, _, uploads := d.Night()
	entries := 0.0
	if d.All.Archives > 0 {
		entries = made * float64(d.Entries) / float64(d.All.Archives)
	}
	r := Requests{Archives: uploads, Heads: recoveryFiles, Gets: recoveryFiles}
	r.Catalogue, _ = d.catalogue(float64(d.All.Archives), made, entries)
	r.Lists = 2 + int64(d.assume.KeySpaces) + d.All.Archives/1000
	r.Pending = int64(d.assume.KeySpaces) + 1 + recoveryFiles
	if d.assume.Table {
		r.Rows, r.Describes = int64(made), 1
	}
	return r
}

// Now are the requests of a run that stores what is new and what changed.
func (d *Depth) Now() Requests {
	if d.Changed.Archives+d.Unchanged.Archives == 0 {
		return d.First()
	}
	r := d.EachNight()
	made := d.New.Archives + d.Changed.Archives
	r.Archives = d.New.plus(d.Changed.Uploads)
	r.Catalogue, _ = d.catalogue(float64(d.All.Archives), float64(made), float64(made)*float64(d.Entries)/float64(max(d.All.Archives, 1)))
	if d.assume.Table {
		r.Rows = made
	}
	return r
}

// By are the requests by the names that S3 and DynamoDB have for them.
func (r Requests) By() map[string]int64 {
	all := map[string]int64{
		"PutObject": r.Archives.Puts + r.Catalogue.Puts, "UploadPart": r.Archives.Parts + r.Catalogue.Parts,
		"CreateMultipartUpload": r.Archives.Creates + r.Catalogue.Creates, "CompleteMultipartUpload": r.Archives.Creates + r.Catalogue.Creates,
		"ListObjectsV2": r.Lists, "ListMultipartUploads": r.Pending, "HeadObject": r.Heads, "GetObject": r.Gets,
		"PutItem": r.Rows, "DescribeTable": r.Describes,
	}
	for name, n := range all {
		if n == 0 {
			delete(all, name)
		}
	}
	return all
}

// Total is the number of requests.
func (r Requests) Total() (n int64) {
	for _, of := range r.By() {
		n += of
	}
	return n
}

// Dollars is what the requests cost if archives are stored in a class.
func (r Requests) Dollars(t *prices.Table, c prices.Class) float64 {
	standard := t.Classes[store.ClassStandard]
	return r.Archives.dollars(c) + r.Catalogue.dollars(standard) +
		float64(r.Lists+r.Pending)/1000*t.List + float64(r.Heads+r.Gets)/1000*standard.Get + float64(r.Rows)/1e6*t.Items.Writes
}
