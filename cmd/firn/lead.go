package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// leads refuses what a run on many hosts can't be given: a path that is another one in each directory,
// and a dry run, which has no work to share. what is the flag of the path; "": it has none.
func leads(q *flags.Queue, dryRun bool, what, path string) error {
	switch {
	case !q.Used():
		return nil
	case dryRun:
		return usageError(fmt.Errorf("--dry-run contradicts %s: a dry run has no work to share", q.Given()))
	case what != "" && !filepath.IsAbs(path):
		return usageError(fmt.Errorf("--%s %s is relative, and with %s it must be the same on every host: write it from / on", what, path, q.Given()))
	}
	return nil
}

// A leading is what a run has that shares its work: the queue, and the worker in this process, which is
// one like any other but for its connection. A nil one is of a run that works alone.
type leading struct {
	*queue
	settings  settings
	operation string
	own       map[string][]string // flags of this host, for its worker

	m      *means
	cancel context.CancelCauseFunc // ends the run
	worker sync.WaitGroup
	closed bool
}

// workerShare of the spool is for the worker in this process: the coordinator has the catalogue only.
const workerShare = 0.75

// openLead opens the queue of a run, if its flags name one. The context that it returns is that of the
// run: it ends, too, when the worker in this process fails and there is no other.
func (m *means) openLead(ctx context.Context, q *flags.Queue, operation string) (context.Context, *leading, error) {
	if !q.Used() {
		return ctx, nil, nil
	}
	l := &leading{m: m, operation: operation, settings: newSettings(flags.Given(q.Set, flagsOf(ofRun, usually))), own: flags.Given(q.Set, flagsOf(ofHost))}
	var err error
	if l.queue, err = openQueue(ctx, q, m.Cache, brokerWait, m.Report); err != nil {
		return ctx, nil, err
	}
	m.lead = l
	ctx, l.cancel = context.WithCancelCause(ctx)
	if !q.NoWork {
		worker := flags.Size(workerShare * float64(m.SpoolLimit))
		l.own["cache-path"] = []string{filepath.Join(m.Cache, "worker")}
		l.own["spool-limit"] = []string{worker.String()}
		m.SpoolLimit -= int64(worker)
	}
	return ctx, l, nil
}

// address is the URL of the queue for others, and whether only this host reaches it.
func (l *leading) address() (server string, local bool) {
	if l.server == nil {
		server = l.flags.Servers[0]
		u, err := url.Parse(server)
		return strings.Join(l.flags.Servers, ","), err == nil && flags.IsLoopback(net.JoinHostPort(u.Hostname(), "0"))
	}
	host, port, err := net.SplitHostPort(l.server.Addr())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = hostname()
	}
	scheme := "nats://"
	if l.flags.Cert != "" {
		scheme = "tls://"
	}
	return scheme + net.JoinHostPort(host, port), flags.IsLoopback(l.server.Addr())
}

// invitation says how others join.
func (l *leading) invitation() string {
	server, local := l.address()
	said := "'firn worker --queue " + server
	add := func(name, value string) {
		if value != "" {
			said += " --" + name + " " + value
		}
	}
	file := func(name, path string) {
		if path != "" {
			if abs, err := filepath.Abs(path); err == nil {
				path = abs
			}
			add(name, ui.Word(path))
		}
	}
	if l.flags.Name != "firn" {
		add("queue-name", l.flags.Name)
	}
	file("queue-token-file", l.flags.TokenFile)
	file("queue-creds", l.flags.Creds)
	file("queue-ca", l.flags.CA)
	if keys := l.own["keyfile"]; len(keys) > 0 {
		file("keyfile", keys[0])
	} else {
		add("keyfile", "KEYFILE")
	}
	said += " --cache-path DIR' "
	if local {
		said += "on this host takes a share of the work: name a directory of its own as DIR"
	} else {
		said += "on other hosts takes a share of the work: copy its files to each, and name a directory on a local disk as DIR"
	}
	if l.flags.Cert != "" {
		said += "; add --queue-ca with the certificate of the CA that signed --queue-cert, if the system does not know it"
	}
	return said
}

// options are those of a coordinator that its operation does not know.
func (l *leading) options(path string) *hosts.Options {
	if l == nil {
		return nil
	}
	return &hosts.Options{
		Link: l.queue, Settings: l.settings, Lease: l.flags.Lease, Host: hostname(), Firn: versionText(),
		Fits: fits(path, l.m.Store.URL()),
	}
}

// fits says why a worker must not work for a run over path, "" if it has none and any worker's does,
// whose store has this URL.
func fits(path, url string) func(hosts.Hello) error {
	return func(h hosts.Hello) error {
		switch {
		case h.Path != "" && path != "" && filepath.Clean(h.Path) != filepath.Clean(path):
			return fmt.Errorf("it has the backup path %s, and the run has %s", ui.Quote(h.Path), ui.Quote(path))
		case h.Store != "" && h.Store != url:
			return fmt.Errorf("it has the store %s, and the run has %s", ui.Quote(h.Store), ui.Quote(url))
		}
		return nil
	}
}

// storeURL is the URL of the store that a bucket name names, "" for none.
func storeURL(bucket string) (string, error) {
	switch at := (&flags.Store{Bucket: bucket}); {
	case bucket == "":
		return "", nil
	case !at.IsDir():
		return "s3://" + bucket, nil
	}
	s, err := dir.Open(bucket)
	if err != nil {
		return "", usageError(err)
	}
	return s.URL(), nil
}

// begin invites others to a run that leads its queue, and starts the worker in this process, unless
// there is none. Its failure ends the run if no other host works.
func (l *leading) begin(ctx context.Context, running *job.Handle) {
	if l == nil {
		return
	}
	l.m.notice("%s", l.invitation())
	if l.flags.NoWork {
		return
	}
	l.worker.Go(func() {
		err := l.help(ctx)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, hosts.ErrOver), errors.Is(err, pipeline.ErrStopped):
		case slices.ContainsFunc(running.Progress().Hosts, func(h report.Host) bool { return h.Name != thisWorker() }):
			l.m.Report.Event(report.Event{Kind: report.Warning, Text: "this host does no more of the work, the others go on", Err: err})
		default:
			l.cancel(fmt.Errorf("the worker in this process, and no other is there: %w", err))
		}
	})
}

// help works in this process, as a worker elsewhere does.
func (l *leading) help(ctx context.Context) (err error) {
	link, err := l.connect(ctx, brokerWait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, link.Close()) }()
	h, err := newHelper(l.operation)
	if err != nil {
		return err
	}
	if err := l.settings.setUp(h, l.own); err != nil {
		return err
	}
	member, err := hosts.Join(ctx, hosts.JoinOptions{
		Link: link, Keys: l.m.Keys, Hello: hosts.Hello{Host: thisWorker(), Firn: versionText()}, Room: h.room(), Wait: time.Minute,
	})
	if err != nil {
		return err
	}
	defer func() { member.LeaveFor(err) }()
	m := &means{Means: job.Means{Totals: new(report.Totals), Traffic: new(store.Traffic), Report: report.Discard{}}, outages: l.m.outages}
	defer func() { err = errors.Join(err, m.close()) }()
	running, err := begin(ctx, m, h, member, &l.settings)
	if err != nil {
		return err
	}
	return running.Wait().Err
}

// close waits for the worker in this process, and then ends the queue. It may be called more than once.
func (l *leading) close() error {
	if l == nil || l.closed {
		return nil
	}
	l.closed = true
	l.worker.Wait()
	l.cancel(nil)
	return l.queue.close()
}
