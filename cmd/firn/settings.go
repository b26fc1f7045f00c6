package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"firn/cmd/firn/ui"
)

// A scope says whose a flag of a run on many hosts is.
type scope int

const (
	ofCoordinator scope = iota + 1 // what it says is done by the coordinator alone
	ofRun                          // workers are told
	usually                        // workers are told, and their own goes before it
	ofHost                         // each has its own, and nobody is told
	ofQueue                        // how a process reaches the queue, before there is a run
)

// scopes are those of all flags of the commands that lead a queue. Nothing secret is told.
var scopes = map[string]scope{
	// What is saved, and how.
	"backup-path": ofRun, "depth": ofRun, "exclude-caches": ofRun, "one-file-system": ofRun, "compression-algorithm": ofRun, "compression-level": ofRun,
	"exclude": ofCoordinator, "exclude-from": ofCoordinator, // told as lines
	"force-read": ofRun,

	// What is restored or verified, and how.
	"target": ofRun, "overwrite": ofRun, "no-owner": ofRun, "allow-unproven": ofRun, "max-entries": ofRun, "max-bytes": ofRun, "path": ofRun, "read-data": ofRun,
	"run": ofCoordinator, "at": ofCoordinator, "expect-run": ofCoordinator, "all-runs": ofCoordinator, "read-data-subset": ofCoordinator, "quick": ofCoordinator,
	"thaw": ofCoordinator, "thaw-days": ofCoordinator, "max-cost": ofCoordinator, "wait": ofCoordinator, "wait-interval": ofCoordinator,

	// Where archives are.
	"bucket-name": ofRun, "prefix": ofRun, "storage-class": ofRun, "acl": ofRun, "lock-days": ofRun, "lock-mode": ofRun,
	"dynamodb-table-name": ofRun, "rekey": ofRun, "replace-partial": ofRun, "no-resume": ofRun, "part-size": ofRun,
	"region": usually, "endpoint-url": usually, "dynamodb-endpoint-url": usually,
	"new-store": ofCoordinator, "abort-unfinished-after": ofCoordinator,
	"profile": ofHost, "bandwidth-limit": ofHost, "retry-for": ofHost, "keyfile": ofHost, "keyfile-command": ofHost, "allow-weak-keyfile": ofHost,

	// Resources.
	"cache-path": ofHost, "spool-limit": ofHost, "memory-limit": ofHost,
	"walk-workers": ofHost, "archive-workers": ofHost, "compress-workers": ofHost, "encrypt-workers": ofHost, "upload-workers": ofHost, "fetch-workers": ofHost,

	// What is printed, and who is told.
	"json": ofHost, "progress": ofHost, "quiet": ofHost, "verbose": ofHost, "metrics-file": ofHost, "metrics-address": ofHost, "ping-url": ofHost,
	"report": ofCoordinator, "dry-run": ofCoordinator,

	// The queue.
	"queue": ofQueue, "queue-name": ofQueue, "queue-token-file": ofQueue, "queue-creds": ofQueue, "queue-ca": ofQueue,
	"serve-queue": ofCoordinator, "queue-cert": ofCoordinator, "queue-cert-key": ofCoordinator, "queue-plaintext": ofCoordinator, "queue-lease": ofCoordinator, "no-work": ofCoordinator,
}

// flagsOf are the names of flags with one of these scopes.
func flagsOf(of ...scope) (names []string) {
	for name, s := range scopes {
		if slices.Contains(of, s) {
			names = append(names, name)
		}
	}
	return names
}

// settings are what workers are told of a run. Texts are bytes, for paths need not be UTF-8.
type settings struct {
	Flags    map[string][][]byte `json:"flags"`               // values of those that were given
	Exclude  [][]byte            `json:"exclude,omitempty"`   // patterns, in their order
	LeaveOut [][]byte            `json:"leave_out,omitempty"` // absolute paths that are no part of the tree
	// Sample are names of which a worker must see at least one: of the backup path, or of the target of a
	// restore.
	Sample [][]byte `json:"sample,omitempty"`
}

// newSettings tells of flags. A URL with a password stays here.
func newSettings(given map[string][]string) settings {
	s := settings{Flags: map[string][][]byte{}}
	for name, values := range given {
		if !slices.ContainsFunc(values, hasPassword) {
			s.Flags[name] = asBytes(values)
		}
	}
	return s
}

func hasPassword(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.User != nil
}

// given are the flags as a worker sets them, with its own, which go before some of the run's. An error
// says which flag no run has: another version has led it, or somebody else's hand.
func (s *settings) given(own map[string][]string) (map[string][]string, error) {
	all := map[string][]string{}
	for name, values := range s.Flags {
		if !slices.Contains([]scope{ofRun, usually}, scopes[name]) {
			return nil, fmt.Errorf("the run has a setting that is no run's: %s", ui.Quote(name))
		}
		all[name] = asTexts(values)
	}
	for name, values := range own {
		if scopes[name] != ofRun { // the coordinator has compared the others
			all[name] = values
		}
	}
	return all, nil
}

func asBytes(texts []string) (all [][]byte) {
	for _, t := range texts {
		all = append(all, []byte(t))
	}
	return all
}

func asTexts(all [][]byte) (texts []string) {
	for _, b := range all {
		texts = append(texts, string(b))
	}
	return texts
}

// mostSample is how many names workers must see one of.
const mostSample = 16

// sampleOf are some names in a directory; none of a file.
func sampleOf(path string) (names [][]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return nil, err
	}
	found, err := f.Readdirnames(mostSample)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return asBytes(found), err
}

// An unseenError says that a worker does not see what the coordinator sees.
type unseenError struct {
	what, path string
	names      []string // of which none is there
	err        error
}

func (e *unseenError) Unwrap() error { return e.err }

func (e *unseenError) Error() string {
	if e.err != nil {
		return fmt.Sprintf("this host does not see the %s of the run: %v", e.what, e.err)
	}
	shown := e.names[:min(len(e.names), 3)]
	for i, name := range shown {
		shown[i] = ui.Quote(name)
	}
	return fmt.Sprintf("this host does not see the %s of the run: %s holds nothing of what the coordinator sees there, such as %s", e.what, ui.Quote(e.path), strings.Join(shown, ", "))
}

// sees looks whether this host sees at path what the coordinator sees there.
func (s *settings) sees(what, path string) error {
	if _, err := os.Stat(path); err != nil {
		return &unseenError{what: what, path: path, err: err}
	}
	var names []string
	for _, name := range asTexts(s.Sample) {
		if name != filepath.Base(name) {
			continue // no name
		}
		_, err := os.Lstat(filepath.Join(path, name))
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return &unseenError{what: what, path: path, err: err}
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	return &unseenError{what: what, path: path, names: names}
}
