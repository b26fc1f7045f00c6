package flags

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A Queue joins a command with others on any hosts.
type Queue struct {
	Servers   []string // URLs of a broker; none if Serve is set, or there is no queue
	Serve     string   // HOST:PORT of a server in this process; "": there is none
	Name      string
	TokenFile string // "" for none, as the next three
	Creds     string
	CA        string
	Cert, Key string // of Serve
	Lease     time.Duration
	NoWork    bool

	// Client: the queue is joined, and not led.
	Client bool
	// Set are all flags of the command, after Validate.
	Set *pflag.FlagSet

	servers   string
	plaintext bool
}

// QueueTitle is the title of the group of the flags of a queue.
const QueueTitle = "Many hosts"

// DefaultLease is how long a worker may hold an archive without any progress.
const DefaultLease = 2 * time.Minute

func (q *Queue) AddFlags(f *pflag.FlagSet) {
	q.Name = "firn"
	f.StringVar(&q.servers, "queue", "", "`URL` of a NATS server with JetStream that shares the work with 'firn worker': nats://host:4222 or tls://host:4222; several are separated by commas")
	if q.Client {
		f.Lookup("queue").Usage = "`URL` of the queue: nats://host:4222, with the host that runs --serve-queue or a NATS server; several are separated by commas"
	} else {
		f.StringVar(&q.Serve, "serve-queue", "", "share the work with 'firn worker' on other hosts by a NATS server in this process, which listens at this `address`, such as 0.0.0.0:4222")
	}
	f.StringVar(&q.Name, "queue-name", q.Name, "`name` of the queue; runs at the same time on one server need one each")
	token := "`file` with the token of the queue"
	if !q.Client {
		token += "; for --serve-queue it is made if it is missing: copy it to the other hosts"
	}
	f.StringVar(&q.TokenFile, "queue-token-file", "", token)
	f.StringVar(&q.Creds, "queue-creds", "", "`file` with NATS credentials (.creds) or an nkey seed, in place of a token")
	f.StringVar(&q.CA, "queue-ca", "", "`file` with the certificates (PEM) by which the server of the queue is known, in place of the system's")
	if q.Client {
		return
	}
	f.StringVar(&q.Cert, "queue-cert", "", "`file` with the certificate (PEM) of --serve-queue")
	f.StringVar(&q.Key, "queue-cert-key", "", "`file` with its key (PEM)")
	f.BoolVar(&q.plaintext, "queue-plaintext", false, "let --serve-queue be reached from other hosts without TLS: archives and messages are sealed all the same, and the token is not")
	q.Lease = DefaultLease
	Interval(f, &q.Lease, "queue-lease", "give an archive to another host if a worker makes no progress with it for this `time`; default: 2m")
	f.BoolVar(&q.NoWork, "no-work", false, "only hand out the work: this host makes no archives")
}

// Used reports whether there is a queue.
func (q *Queue) Used() bool { return len(q.Servers) > 0 || q.Serve != "" }

// Given is what messages call the flag of the queue.
func (q *Queue) Given() string {
	if q.Serve != "" {
		return "--serve-queue"
	}
	return "--queue"
}

// queueName is what can be a part of a NATS subject and of the name of a stream.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

const (
	minLease = time.Second
	maxLease = 24 * time.Hour
)

func (q *Queue) Validate(f *pflag.FlagSet) error {
	q.Set = f
	for _, name := range []string{"queue", "serve-queue", "queue-token-file", "queue-creds", "queue-ca", "queue-cert", "queue-cert-key"} {
		if f.Changed(name) {
			if err := Require(f, name); err != nil {
				return err
			}
		}
	}
	if q.servers != "" && q.Serve != "" {
		return errors.New("--queue contradicts --serve-queue: give one of them")
	}
	if q.servers == "" && q.Serve == "" {
		return q.unused(f)
	}
	if !queueName.MatchString(q.Name) {
		return fmt.Errorf("--queue-name %q: it must be 1 to 64 letters, digits, hyphens and underscores", q.Name)
	}
	if q.TokenFile != "" && q.Creds != "" {
		return errors.New("--queue-token-file contradicts --queue-creds: give one of them")
	}
	if f.Changed("queue-lease") && (q.Lease < minLease || q.Lease > maxLease) {
		return fmt.Errorf("--queue-lease %s: it must be from 1s to 24h", q.Lease)
	}
	if q.Serve != "" {
		return q.serves()
	}
	return q.joins()
}

// unused refuses what says something about a queue that there is not.
func (q *Queue) unused(f *pflag.FlagSet) error {
	for _, name := range []string{"no-work", "queue-name", "queue-token-file", "queue-creds", "queue-ca", "queue-cert", "queue-cert-key", "queue-plaintext", "queue-lease"} {
		if given := f.Lookup(name); given != nil && given.Changed && given.Value.String() != "false" {
			return fmt.Errorf("--%s is about a queue, and there is none: name --queue or --serve-queue", name)
		}
	}
	return nil
}

// joins checks the flags of a queue on a server.
func (q *Queue) joins() error {
	if name := firstOf(map[string]bool{"queue-cert": q.Cert != "", "queue-cert-key": q.Key != "", "queue-plaintext": q.plaintext}); name != "" {
		return fmt.Errorf("--%s is for --serve-queue, and contradicts --queue: leave it out", name)
	}
	for server := range strings.SplitSeq(q.servers, ",") {
		server = strings.TrimSpace(server)
		u, err := url.Parse(server)
		switch {
		case err == nil && u.User != nil:
			return errors.New("--queue: the URL has a user or a token in it, which others can see: put it into a file, and name that as --queue-token-file or --queue-creds")
		case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" || !hasPort(u):
			return fmt.Errorf("--queue %q: it must be written nats://HOST:PORT or tls://HOST:PORT", server)
		}
		q.Servers = append(q.Servers, strings.TrimSuffix(server, "/"))
	}
	return nil
}

func hasPort(u *url.URL) bool { return u.Port() == "" || isAddress(u.Host) }

// firstOf is the first name, in their order, of what is true; "" if nothing is.
func firstOf(all map[string]bool) (first string) {
	for name, is := range all {
		if is && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

// serves checks the flags of a server in this process.
func (q *Queue) serves() error {
	if !isAddress(q.Serve) {
		return fmt.Errorf("--serve-queue %q: it must be written HOST:PORT, such as 0.0.0.0:4222", q.Serve)
	}
	if name := firstOf(map[string]bool{"queue-ca": q.CA != "", "queue-creds": q.Creds != ""}); name != "" {
		return fmt.Errorf("--%s is for --queue: a server in this process knows --queue-token-file, --queue-cert and --queue-cert-key", name)
	}
	switch {
	case (q.Cert == "") != (q.Key == ""):
		return errors.New("--queue-cert and --queue-cert-key belong together: give both or none")
	case q.plaintext && q.Cert != "":
		return errors.New("--queue-plaintext contradicts --queue-cert: give one of them")
	case IsLoopback(q.Serve):
		return nil
	case q.TokenFile == "":
		return fmt.Errorf("--serve-queue %s can be reached from other hosts: name a --queue-token-file, which is made if it is missing", q.Serve)
	case q.Cert == "" && !q.plaintext:
		return fmt.Errorf("--serve-queue %s can be reached from other hosts: name --queue-cert and --queue-cert-key, or --queue-plaintext in a network that nobody else listens to", q.Serve)
	}
	return nil
}

// IsLoopback reports whether an address, HOST:PORT, is reached from this machine only. A name other
// than localhost may be anything.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return err == nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Waiting is for how long a worker waits for a coordinator.
type Waiting struct{ For time.Duration }

func (w *Waiting) AddFlags(f *pflag.FlagSet) {
	w.For = time.Hour
	Interval(f, &w.For, "wait", "wait this `time` for a coordinator, the first or the next one, such as 10m, before the worker ends; default: 1h")
}

func (w *Waiting) Validate(*pflag.FlagSet) error {
	if w.For < 0 {
		return fmt.Errorf("--wait %s is negative: 0 does not wait", w.For)
	}
	return nil
}
