package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	pingFor   = 10 * time.Second // for one message, with all its tries
	pingTries = 3
	pingRest  = time.Second // between two tries
	// mostSaid is the size of a body in bytes: as much as services of this kind keep.
	mostSaid = 10_000
)

// A ping tells a service like healthchecks.io that a run begins (URL/start) and how it ended (URL, or
// URL/CODE), with the last lines as the body.
type ping struct {
	url    *url.URL // nil: it cannot be one
	agent  string
	client *http.Client

	begun sync.WaitGroup
	first error // of begin
}

// A PingError says that a service could not be told of a run. It has no secret of the URL.
type PingError struct {
	Host string
	What string // it should have been told
	Err  error
}

func (e *PingError) Error() string {
	return fmt.Sprintf("%s was not told that the run %s: %v", e.Host, e.What, e.Err)
}

func (e *PingError) Unwrap() error { return e.Err }

// ErrPingURL: it is no URL that can be pinged. The URL is a secret, so no error shows it.
var ErrPingURL = errors.New("it must be written like https://hc-ping.com/UUID")

// CheckPing returns ErrPingURL if a URL can't be pinged.
func CheckPing(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ErrPingURL
	}
	return nil
}

func newPing(text, version string) *ping {
	p := &ping{agent: "firn/" + version, client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}}
	if CheckPing(text) == nil {
		p.url, _ = url.Parse(text)
	}
	return p
}

// begin tells of the beginning. The run does not wait for it.
func (p *ping) begin() {
	p.begun.Go(func() { p.first = p.tell("began", "", "start") })
}

// finish tells of the end, after the beginning, and returns what could not be told: not twice the same.
func (p *ping) finish(code int, said []string) (all []error) {
	p.begun.Wait()
	if p.first != nil {
		all = append(all, p.first)
	}
	var element []string
	if code != 0 {
		element = []string{strconv.Itoa(code)}
	}
	err := p.tell("ended with exit code "+strconv.Itoa(code), lastOf(said), element...)
	if err != nil && p.first != nil && errors.Unwrap(err).Error() == errors.Unwrap(p.first).Error() {
		return []error{err}
	}
	if err != nil {
		all = append(all, err)
	}
	p.client.CloseIdleConnections()
	return all
}

// tell sends a message, more than once if it must.
func (p *ping) tell(what, body string, element ...string) error {
	if p.url == nil {
		return &PingError{"the ping URL", what, ErrPingURL}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), pingFor, errSilent)
	defer cancel()
	for try := 1; ; try++ {
		err, passes := p.send(ctx, p.url.JoinPath(element...), body)
		if err == nil {
			return nil
		}
		if try < pingTries && passes {
			select {
			case <-time.After(pingRest):
				continue
			case <-ctx.Done():
			}
		}
		return &PingError{p.url.Host, what, err}
	}
}

var errSilent = fmt.Errorf("no answer within %d seconds", pingFor/time.Second)

// send sends a message once. passes: another try may do better.
func (p *ping) send(ctx context.Context, to *url.URL, body string) (err error, passes bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(body))
	if err != nil {
		return ErrPingURL, false
	}
	r.Header.Set("User-Agent", p.agent)
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := p.client.Do(r)
	if ctx.Err() != nil {
		return context.Cause(ctx), false
	}
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the rest of it is the URL
		}
		return err, true
	}
	_ = answer.Body.Close() // nothing is read from it
	if answer.StatusCode >= 300 {
		status := answer.StatusCode
		return fmt.Errorf("it answered %d %s", status, http.StatusText(status)), status >= 500 || status == http.StatusTooManyRequests
	}
	return nil, false
}

// lastOf are the last lines that fit into a body.
func lastOf(lines []string) string {
	size, from := 0, len(lines)
	for from > 0 && size+len(lines[from-1])+1 <= mostSaid {
		from--
		size += len(lines[from]) + 1
	}
	if from == len(lines) {
		return ""
	}
	return strings.Join(lines[from:], "\n") + "\n"
}
