package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"firn/stages/stage/sample"
)

const mb = 1e6

// about is a figure with a spread of a tenth.
func about(v float64) sample.Range {
	return sample.Range{Value: v, Low: v * 0.9, High: v * 1.1, Count: 5}
}

// measured is a machine of 8 cores that compresses with 4 workers, 10 MB/s each, 2 : 1; a second codec
// takes a tenth of the time and makes files twice as large.
func measured() *Result {
	r := &Result{
		Version: Version, Cores: 8, Settings: Settings{Algorithm: "bzip2", Level: 9, Compress: 4, PartSize: 8 << 20},
		Tree: Tree{Path: "/srv", Files: 10, Bytes: 1e9, Tar: 1.1e9}, Read: Reading{Rate: about(500 * mb)},
		Codecs: []Codec{
			{Name: "bzip2", Level: 9, Rate: about(10 * mb), Ratio: about(2), Cost: about(1), Size: about(1)},
			{Name: "bzip2", Level: 9, Library: "dsnet/compress", Rate: about(5 * mb), Ratio: about(2), Cost: about(2), Size: about(1)},
			{Name: "zstd", Level: 3, Rate: about(100 * mb), Ratio: about(1), Cost: about(0.1), Size: about(2)},
		},
		Backup: &Pipeline{Rate: about(40 * mb), Ratio: 2, CPU: 1.25e-7, Limit: "compress"},
		Upload: &Link{By: []Scaled{{Workers: 1, Rate: about(4 * mb)}, {Workers: 2, Rate: about(32 * mb)}}},
	}
	for n := 1; n <= 8; n *= 2 {
		r.Scaling = append(r.Scaling, Scaled{Workers: n, Rate: about(float64(n) * 10 * mb)})
	}
	return r
}

// Each projection has the rate and the limit that one finds with pencil and paper.
func TestProjections(t *testing.T) {
	r := measured()
	f, ok := r.Project(10e9)
	if !ok {
		t.Fatal("nothing is projected")
	}
	type line struct {
		rate  float64 // MB/s
		limit string
	}
	want := map[string]line{
		"":                     {40, LimitWorkers}, // as measured
		"2 compress workers":   {20, LimitWorkers}, // half
		"8 compress workers":   {64, LimitUpload},  // 8 cores over 0.125 µs are 64, and the link takes 32 × 2
		"16 cores, 16 workers": {64, LimitUpload},  // the link again
		"zstd -3":              {32, LimitUpload},  // it would compress 400, and the link takes 32 × 1
		"1 upload worker":      {8, LimitUpload},   // 4 × 2
	}
	for _, c := range f.Cases {
		w, ok := want[c.Change]
		delete(want, c.Change)
		if !ok || math.Abs(c.Rate.Value/mb-w.rate) > 0.01 || c.Limit != w.limit && c.Rate.Value/mb != 64 || math.Abs(c.Faster-(w.rate/40-1)) > 0.001 {
			t.Errorf("%q: %.2f MB/s, %+.2f, limit %s, want %+v", c.Change, c.Rate.Value/mb, c.Faster, c.Limit, w)
		}
		if hours := 11e9 / c.Rate.Value / 3600; math.Abs(c.Hours.Value-hours) > 1e-9 || c.Hours.Low >= hours || c.Hours.High <= hours {
			t.Errorf("%q: %+v hours, want %v", c.Change, c.Hours, hours)
		}
	}
	if len(want) > 0 || f.Cases[0].Change != "" || math.Abs(f.Cases[0].Stored.Value-5.5e9) > 1 || math.Abs(f.Parts-1) > 1e-9 {
		t.Errorf("missing %v; %+v", want, f)
	}

	r.Backup.Rate = about(20 * mb) // half of what the parts say
	if f, _ = r.Project(0); math.Abs(f.Parts-2) > 1e-9 || math.Abs(f.Cases[1].Rate.Value-10*mb) > 1 || f.Bytes != 1e9 {
		t.Errorf("corrected: %+v", f)
	}
	r.Upload = nil
	if f, _ = r.Project(0); f.Cases[len(f.Cases)-1].Change != "zstd -3" || f.Cases[len(f.Cases)-1].Limit == LimitUpload {
		t.Errorf("without a link: %+v", f.Cases)
	}
	r.Backup = nil
	if _, ok := r.Project(0); ok {
		t.Error("something follows from no backup")
	}
}

// What is saved is what is compared; a change within the spread is none.
func TestCompare(t *testing.T) {
	before := measured()
	before.Made = time.Unix(1e9, 0).UTC()
	text, err := json.MarshalIndent(before, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadResult(bytes.NewReader(text))
	if err != nil || !reflect.DeepEqual(read, before) {
		t.Fatalf("%v: %+v, want %+v", err, read, before)
	}
	r := measured()
	r.Codecs[0].Rate, r.Codecs[1].Rate, r.Read.Rate = about(11*mb), about(10*mb), sample.Range{Value: 1, Low: 1, High: 1, Count: 1}
	r.Upload, r.Cores = nil, 4
	apart := map[string]bool{}
	for _, c := range r.Compare(read) {
		if c.Apart {
			apart[c.Name] = true
		}
		if strings.HasPrefix(c.Name, "upload") {
			t.Errorf("%s was not measured again", c.Name)
		}
	}
	if want := map[string]bool{"dsnet/compress -9": true}; !reflect.DeepEqual(apart, want) {
		t.Errorf("%v have changed, want %v", apart, want)
	}
	if d := r.Differences(read); !reflect.DeepEqual(d, []string{"cores: 8 then, 4 now"}) {
		t.Errorf("%q", d)
	}
	for text, want := range map[string]string{
		"": "unexpected end", "{}": "its version is 0", `{"version":1}`: "no measurement", `{"version":1,"codecs":[{"name":"a","rate":{"value":1e-320,"low":0,"high":1,"count":1}}]}`: "makes no sense", "[1]": "cannot unmarshal", strings.Repeat(" ", maxResult+1): "larger than",
	} {
		if _, err := ReadResult(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

// Windows of equal length have the rates of the counter in them, however the samples lie.
func TestWindows(t *testing.T) {
	w := &watch{}
	for i, at := range []time.Duration{0, 100, 200, 310, 390, 500, 600, 700, 800, 900, 1000, 1100, 1200} {
		w.at, w.bytes = append(w.at, at*time.Millisecond), append(w.bytes, int64(at)*1000)
		if i == 0 {
			w.bytes[0] = 0
		}
	}
	if r := w.rate(); r.Count != windows || math.Abs(r.Value-1e6) > 1 || r.High-r.Low > 1 {
		t.Errorf("a steady counter: %+v", r)
	}
	for i := range w.bytes[:3] { // nothing in the first sixth
		w.bytes[i] = 200_000
	}
	if r := w.steady(); math.Abs(r.Value-1e6) > 1 {
		t.Errorf("after the first sixth: %+v", r)
	}
	if r := (&watch{at: []time.Duration{0}, bytes: []int64{5}}).rate(); r.Count != 0 {
		t.Errorf("one sample: %+v", r)
	}
}

// Parts that arrive at an even pace have no spread, whatever the number of connections.
func TestArrivals(t *testing.T) {
	a := &arrivals{}
	for i := range 12 {
		a.at = append(a.at, time.Duration(12-i)*time.Second/2)
	}
	for n := 1; n <= 4; n *= 2 {
		if r := a.rate(n, 8*mb); math.Abs(r.Value-16*mb) > 1 || r.High-r.Low > 1 || r.Count != 12/n {
			t.Errorf("%d connections: %+v", n, r)
		}
	}
	a.at = append(a.at, 18*time.Second)
	if r := a.rate(1, 8*mb); r.High <= r.Value || math.Abs(r.Value-13*8*mb/18) > 1 {
		t.Errorf("a late part: %+v", r)
	}
}
