package page

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A browser is a headless Chromium with one page, spoken to by the DevTools protocol over a pipe. It is
// for one goroutine.
type browser struct {
	t       *testing.T
	to      io.Writer
	answers chan message
	session string
	last    int

	requested []string // URLs that pages asked for
	said      []string // what Chromium has against them
	loaded    int
}

type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
	Raw       json.RawMessage `json:"-"`
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	reads, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
		"--user-data-dir="+filepath.Join(home, "profile"), "--remote-debugging-pipe", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.ExtraFiles = []*os.File{reads, writes} // 3 and 4
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: bench/tools.sh test installs it", err)
	}
	_, _ = reads.Close(), writes.Close()
	b := &browser{t: t, to: to, answers: make(chan message, 1000)}
	go b.read(from)
	t.Cleanup(func() {
		_ = to.Close() // Chromium ends with its pipe
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		_ = from.Close()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) read(from io.Reader) {
	defer close(b.answers)
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		m := message{Raw: text[:len(text)-1]}
		if json.Unmarshal(m.Raw, &m) == nil {
			b.answers <- m
		}
	}
}

// call calls a method, and waits for its result.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.last++
	text, err := json.Marshal(message{ID: b.last, SessionID: b.session, Method: method, Params: params})
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	answer := b.until(method, func(m message) bool { return m.ID == b.last })
	if answer.Error != nil {
		b.t.Fatalf("%s: %s", method, answer.Error)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
	}
}

// until notes events until a message is what is waited for.
func (b *browser) until(what string, is func(message) bool) message {
	b.t.Helper()
	timer := time.NewTimer(2 * time.Minute)
	defer timer.Stop()
	for {
		select {
		case m, ok := <-b.answers:
			if !ok {
				b.t.Fatalf("%s: Chromium has ended", what)
			}
			b.note(m)
			if is(m) {
				return m
			}
		case <-timer.C:
			b.t.Fatalf("%s: Chromium does not answer", what)
		}
	}
}

func (b *browser) note(m message) {
	switch m.Method {
	case "Network.requestWillBeSent":
		var e struct {
			Params struct{ Request struct{ URL string } }
		}
		_ = json.Unmarshal(m.Raw, &e)
		b.requested = append(b.requested, e.Params.Request.URL)
	case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening":
		b.said = append(b.said, string(m.Raw))
	case "Page.loadEventFired":
		b.loaded++
	}
}

// open opens a file.
func (b *browser) open(file string) {
	b.t.Helper()
	loaded := b.loaded
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	if b.loaded == loaded {
		b.until("loading "+file, func(m message) bool { return m.Method == "Page.loadEventFired" })
	}
}

// show shows the page in a window of a width, light or dark.
func (b *browser) show(width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// value is what an expression in the page is.
func (b *browser) value(expression string, into any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s", answer.ExceptionDetails)
	}
	if err := json.Unmarshal(answer.Result.Value, into); err != nil {
		b.t.Fatalf("%v in %s", err, answer.Result.Value)
	}
}

// shoot writes a picture of the whole page, or with pdf its print, to a file.
func (b *browser) shoot(file string, pdf bool) {
	b.t.Helper()
	var picture struct{ Data []byte }
	if pdf {
		b.call("Page.printToPDF", map[string]any{"printBackground": false, "preferCSSPageSize": true, "paperWidth": 8.27, "paperHeight": 11.69}, &picture)
	} else {
		b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	}
	if err := os.WriteFile(file, picture.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
