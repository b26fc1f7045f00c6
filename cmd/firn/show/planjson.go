package show

import (
	"strings"

	"firn/cmd/firn/ui"
	"firn/stages/stage/forecast"
)

type jsonPlan struct {
	Kind      string         `json:"kind"`
	Path      string         `json:"backup_path"`
	Raw       string         `json:"backup_path_base64,omitempty"`
	Class     string         `json:"class"`
	Region    string         `json:"region"`
	Date      string         `json:"prices_date"`
	Ratio     float64        `json:"ratio"`
	Bound     bool           `json:"ratio_is_bound"`
	Rate      float64        `json:"bytes_per_second"`
	PartSize  int64          `json:"part_size"`
	Entries   int64          `json:"entries"`
	Files     int64          `json:"files"`
	Bytes     int64          `json:"bytes"`
	Vanished  int64          `json:"vanished"`
	Unread    int64          `json:"unread"`
	Caches    int64          `json:"cache_directories"`
	Systems   int64          `json:"other_file_systems"`
	Excluded  []jsonExcluded `json:"excluded"`
	Idle      []string       `json:"idle_patterns"`
	Depths    []jsonDepth    `json:"depths"`
	Classes   []jsonClass    `json:"classes"`
	Bucket    *jsonBucket    `json:"bucket,omitempty"`
	Sample    *jsonSample    `json:"sample,omitempty"`
	Estimated []string       `json:"estimated"`
	Exact     []string       `json:"exact"`
	Best      *int           `json:"recommended_depth,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Command   string         `json:"command,omitempty"`
}

type jsonExcluded struct {
	Pattern     string `json:"pattern"`
	Files       int64  `json:"excluded_files"`
	Directories int64  `json:"excluded_directories"`
	Bytes       int64  `json:"excluded_bytes"`
}

type jsonDepth struct {
	Depth       int              `json:"depth"`
	Archives    int64            `json:"archives"`
	Shells      int64            `json:"shells"`
	Tar         int64            `json:"tar_bytes"`
	Stored      int64            `json:"stored_bytes"`
	Median      int64            `json:"median_bytes"`
	Largest     int64            `json:"largest_bytes"`
	LargestPath string           `json:"largest_path"`
	Tiny        float64          `json:"tiny_share"`
	NightMade   float64          `json:"night_archives"`
	Night       int64            `json:"night_bytes"`
	Requests    map[string]int64 `json:"requests"`
	First       float64          `json:"first_dollars"`
	Storage     float64          `json:"storage_dollars"`
	Nights      float64          `json:"nights_dollars"`
	Restore     float64          `json:"restore_dollars"`
	Hours       float64          `json:"restore_hours"`
	New         jsonShare        `json:"new"`
	Changed     jsonShare        `json:"replaced"`
	Unchanged   jsonShare        `json:"unchanged"`
}

type jsonShare struct {
	Archives int64 `json:"archives"`
	Stored   int64 `json:"stored_bytes"`
}

type jsonClass struct {
	Class   string  `json:"class"`
	First   float64 `json:"first_dollars"`
	Storage float64 `json:"storage_dollars"`
	Nights  float64 `json:"nights_dollars"`
	Restore float64 `json:"restore_dollars"`
	Tier    string  `json:"thaw_tier,omitempty"`
	Hours   float64 `json:"restore_hours"`
	MinDays int     `json:"min_days"`
	Note    string  `json:"note,omitempty"`
}

type jsonBucket struct {
	URL      string   `json:"url"`
	Archives int64    `json:"stored_archives,omitempty"`
	Versions *bool    `json:"versioning,omitempty"`
	Exact    bool     `json:"compared"`
	Names    []string `json:"replaced_names"`
}

func planObject(r *forecast.Report, command []string) jsonPlan {
	d := r.Depths[0]
	o := jsonPlan{
		Kind: "plan", Path: r.Path, Raw: ui.Base64(r.Path), Class: r.Class, Region: r.Prices.Region, Date: r.Prices.Date,
		Ratio: r.Assume.Ratio, Bound: !r.Given, Rate: r.Assume.Rate, PartSize: r.Assume.PartSize,
		Entries: d.Entries, Files: d.Files, Bytes: d.Bytes, Vanished: r.Vanished, Unread: r.Unread, Caches: r.Caches, Systems: r.Systems,
		Excluded: []jsonExcluded{}, Idle: []string{}, Command: strings.Join(command, " "),
		Exact:     []string{"archives", "shells", "entries", "files", "bytes", "requests", "first_dollars"},
		Estimated: []string{"tar_bytes", "stored_bytes", "median_bytes", "tiny_share", "night_archives", "night_bytes", "storage_dollars", "nights_dollars", "restore_dollars", "restore_hours"},
	}
	for _, e := range r.Excluded {
		o.Excluded = append(o.Excluded, jsonExcluded{e.Pattern, e.Files, e.Directories, e.Bytes})
	}
	for _, i := range r.Idle {
		o.Idle = append(o.Idle, i.Pattern)
	}
	for i, d := range r.Depths {
		o.Depths = append(o.Depths, depthObject(r, d, r.Costs[i]))
	}
	for _, c := range r.Others {
		o.Classes = append(o.Classes, jsonClass{c.Class, c.First, c.Storage, c.Nights, c.Restore, string(c.Tier), (c.Thaw + c.Fetch).Hours(), c.MinDays, c.Note})
	}
	if b := r.Bucket; b != nil {
		o.Bucket = &jsonBucket{URL: b.URL, Archives: b.Archives, Exact: b.Exact, Names: []string{}}
		if b.Unknown == nil {
			o.Bucket.Versions = &b.Versions
		}
		for _, n := range r.Best().Names {
			o.Bucket.Names = append(o.Bucket.Names, fullName(r.Path, n))
		}
		if !b.Exact {
			o.Estimated = append(o.Estimated, "replaced", "unchanged")
		}
	}
	if r.Sample != nil {
		o.Sample = sampleObject(r)
		o.Exact = []string{"archives", "shells", "entries", "files", "bytes"}
		o.Estimated = append(o.Estimated, "requests", "first_dollars")
	}
	if r.Advice != nil {
		o.Best, o.Reason = &r.Best().Depth, Reason(r)
	}
	return o
}

func depthObject(r *forecast.Report, d *forecast.Depth, c forecast.Cost) jsonDepth {
	made, night, _ := d.Night()
	share := func(s forecast.Share) jsonShare { return jsonShare{s.Archives, r.Assume.Stored(s)} }
	return jsonDepth{
		Depth: d.Depth, Archives: d.All.Archives, Shells: d.Shells, Tar: d.All.Tar, Stored: r.Assume.Stored(d.All), Median: d.Median(),
		Largest: d.LargestStored(), LargestPath: fullName(r.Path, d.LargestPath), Tiny: d.Tiny(), NightMade: made, Night: int64(night / r.Assume.Ratio),
		Requests: d.First().By(), First: c.First, Storage: c.Storage, Nights: c.Nights, Restore: c.Restore, Hours: (c.Thaw + c.Fetch).Hours(),
		New: share(d.New), Changed: share(d.Changed), Unchanged: share(d.Unchanged),
	}
}
