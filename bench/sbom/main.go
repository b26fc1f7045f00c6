// Command sbom writes the software bill of materials of Go programs to standard output, as CycloneDX
// 1.6 JSON (ECMA-424): of each binary that is named, its SHA-256, and every module that one of them
// was linked from, as "go version -m" shows them. It has no time and no serial number: the same
// binaries give the same bytes.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string      `json:"type"`
	Name       string      `json:"name"`
	Version    string      `json:"version,omitempty"`
	PURL       string      `json:"purl,omitempty"`
	Hashes     []hash      `json:"hashes,omitempty"`
	Properties []property  `json:"properties,omitempty"`
	Components []component `json:"components,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom VERSION BINARY ...")
		os.Exit(2)
	}
	b, err := describe(os.Args[1], os.Args[2:])
	if err == nil {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = out.Encode(b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// describe returns the bill of binaries of a version of one program.
func describe(version string, files []string) (bom, error) {
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{component{Type: "application", Version: version}}}
	modules := map[string]component{}
	program := &b.Metadata.Component
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return bom{}, err
		}
		sum, err := sha256Of(file)
		if err != nil {
			return bom{}, err
		}
		program.Name = info.Main.Path
		program.Components = append(program.Components, component{
			Type: "file", Name: filepath.Base(file), Hashes: []hash{{"SHA-256", sum}}, Properties: settings(info),
		})
		std := component{Type: "library", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
		add(modules, std, "")
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			add(modules, component{Type: "library", Name: m.Path, Version: m.Version}, m.Sum)
		}
	}
	b.Components = slices.SortedFunc(maps.Values(modules), func(x, y component) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Version, y.Version))
	})
	return b, nil
}

// add adds a module, with its sum as go.sum has it.
func add(modules map[string]component, c component, sum string) {
	c.PURL = "pkg:golang/" + c.Name + "@" + c.Version
	if sum != "" {
		c.Properties = []property{{"go:sum", sum}}
	}
	modules[c.PURL] = c
}

// settings are what decides about the bytes of a binary.
func settings(info *debug.BuildInfo) []property {
	all := []property{{"go:version", info.GoVersion}}
	for _, s := range info.Settings {
		if s.Value != "" {
			all = append(all, property{"go:build:" + s.Key, s.Value})
		}
	}
	return all
}

func sha256Of(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
