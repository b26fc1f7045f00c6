package page

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/stages/service/report"
)

// faultsOf finds texts that overlap, and what is wider than the window.
const faultsOf = `(() => {
  const faults = [], boxes = [];
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) faults.push("the page is " + document.documentElement.scrollWidth + " wide");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    if (!n.data.trim() || n.parentElement.closest("title, style")) continue;
    const range = document.createRange();
    range.selectNodeContents(n);
    for (const r of range.getClientRects()) {
      if (r.width < 1 || r.height < 1) continue;
      if (r.left < -0.5 || r.right > wide + 0.5) faults.push("outside: " + n.data);
      boxes.push([r.left, r.top, r.right, r.bottom, n.data.trim().slice(0, 60)]);
    }
  }
  boxes.sort((a, b) => a[1] - b[1]);
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length && boxes[j][1] < boxes[i][3] - 1; j++) {
    const a = boxes[i], b = boxes[j];
    if (Math.min(a[2], b[2]) - Math.max(a[0], b[0]) > 1 && Math.min(a[3], b[3]) - Math.max(a[1], b[1]) > 1) faults.push(a[4] + " | " + b[4]);
  }
  return {faults: faults.slice(0, 20), texts: boxes.length};
})()`

// TestChromium looks at pages on a phone and on a wide screen, light and dark: no text overlaps another,
// nothing is wider than the window, nothing is loaded, and nothing that a name or a server says is run.
// FIRN_PICTURES names a directory for pictures of them, and of the pages that are in it.
func TestChromium(t *testing.T) {
	pictures := os.Getenv("FIRN_PICTURES")
	b := newBrowser(t)
	for name, file := range examples(t) {
		b.open(file)
		if len(b.requested) != 1 || b.requested[0] != "file://"+file || len(b.said) > 0 {
			t.Errorf("%s: requested %q, Chromium said %q", name, b.requested, b.said)
		}
		b.requested, b.said = nil, nil
		for _, width := range []int{360, 1400} {
			for _, scheme := range []string{"light", "dark"} {
				b.show(width, scheme)
				var seen struct {
					Faults []string
					Texts  int
				}
				b.value(faultsOf, &seen)
				if len(seen.Faults) > 0 || seen.Texts < 10 {
					t.Errorf("%s, %d wide, %s: %d texts, %q", name, width, scheme, seen.Texts, seen.Faults)
				}
				var paper string
				b.value("getComputedStyle(document.body).backgroundColor", &paper)
				if light := paper == "rgb(255, 255, 255)"; light != (scheme == "light") {
					t.Errorf("%s: the %s page is %s", name, scheme, paper)
				}
				if pictures != "" {
					b.shoot(filepath.Join(pictures, fmt.Sprintf("page-%s-%d-%s.png", name, width, scheme)), false)
				}
			}
		}
		if pictures != "" {
			b.shoot(filepath.Join(pictures, "page-"+name+".pdf"), true)
		}
	}
}

// examples are files of pages.
func examples(t *testing.T) map[string]string {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	add := func(name string, make func(file string)) {
		files[name] = filepath.Join(dir, name+".html")
		make(files[name])
	}
	add("backup", func(file string) {
		exampleBackup(t, file).ends(3, report.Summary{MemoryPeak: 200 * mib, SpoolPeak: 480 * gib, Bottleneck: "upload", Run: "20261129T124609Z-4f1c"})
	})
	add("restore", func(file string) {
		exampleRestore(t, file).ends(4, report.Summary{Bottleneck: "fetch"})
	})
	add("hostile", func(file string) {
		exampleHostile(t, file).ends(1, report.Summary{Err: errors.New(nasty[1])})
	})
	add("bench", func(file string) { exampleBench(t, file) })
	add("running", func(file string) {
		s := exampleBackup(t, file)
		s.write()
	})
	others, err := filepath.Glob(filepath.Join(os.Getenv("FIRN_PICTURES"), "page-*.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range others {
		files[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "page-"), ".html")] = file
	}
	return files
}
