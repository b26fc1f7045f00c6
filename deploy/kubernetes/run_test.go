package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// A node runs containers as processes: what they mount is in directories.
type node struct {
	dirs     map[string]string // by mount path
	secrets  map[string]string // by name and key
	settings []string
	ports    map[string]string // of NATS
}

// start runs a container's program with its arguments and its environment.
func (n *node) start(t *testing.T, program string, c *corev1.Container) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var args []string
	for _, a := range c.Args {
		name, value, flag := strings.Cut(a, "=")
		if !flag {
			name, value = "", a
		} else {
			name += "="
		}
		for path, dir := range n.dirs {
			if value == path || strings.HasPrefix(value, path+"/") {
				value = dir + strings.TrimPrefix(value, path)
			}
		}
		if name == "--metrics-address=" {
			value = "127.0.0.1:0" // all are on one host
		}
		args = append(args, name+strings.ReplaceAll(value, "firn-nats:4222", "127.0.0.1:"+n.ports["client"]))
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), n.settings...)
	for _, e := range c.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+n.secrets[e.ValueFrom.SecretKeyRef.Name+" "+e.ValueFrom.SecretKeyRef.Key])
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, &said
}

// TestRun runs what the containers run, as processes of this machine: NATS with its configuration, a
// coordinator and two workers. KEDA's scaler finds the work by the names that it is given.
func TestRun(t *testing.T) {
	firn, nats := build(t, "firn/cmd/firn"), build(t, "github.com/nats-io/nats-server/v2")
	d, dir := all(t), t.TempDir()
	n := &node{dirs: map[string]string{}, secrets: map[string]string{"firn-queue token": "0123456789abcdef"}, ports: map[string]string{}}
	conf := get[*corev1.ConfigMap](t, d, "ConfigMap firn-nats").Data["nats.conf"]
	n.ports["client"], n.ports["monitor"] = freePorts(t)
	conf = strings.NewReplacer("4222", n.ports["client"], "8222", n.ports["monitor"], "store_dir: /data", "store_dir: "+dir+"/data").Replace(conf)
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("nats/nats.conf", conf)
	write("keyfile/firn.key", "a passphrase that is long enough to be one\n")
	write("queue/token", n.secrets["firn-queue token"])
	for i := range 20 {
		write(fmt.Sprintf("tree/project%d/data", i), strings.Repeat(fmt.Sprint("line ", i, "\n"), 1000))
	}
	n.dirs = map[string]string{"/etc/nats": dir + "/nats", "/etc/firn": dir + "/keyfile", "/etc/firn-queue": dir + "/queue", "/tree": dir + "/tree"}
	for name, value := range get[*corev1.ConfigMap](t, d, "ConfigMap firn-settings").Data {
		n.settings = append(n.settings, name+"="+value)
	}
	n.settings = append(n.settings, "FIRN_BUCKET_NAME=file://"+dir+"/store", "FIRN_DEPTH=1")

	n.start(t, nats, &get[*appsv1.StatefulSet](t, d, "StatefulSet firn-nats").Spec.Template.Spec.Containers[0])
	n.dirs["/cache"] = dir + "/coordinator"
	if err := os.Mkdir(n.dirs["/cache"], 0o755); err != nil {
		t.Fatal(err)
	}
	coordinator, said := n.start(t, firn, &jobs(t, d)["coordinator"].Template.Spec.Containers[0])
	scaler := get[*scaledJob](t, d, "ScaledJob firn-workers").Spec.Triggers[0].Metadata
	waitFor(t, coordinator, said, func() error { return lag(n.ports["monitor"], scaler) })
	for i := range 2 {
		n.dirs["/cache"] = fmt.Sprintf("%s/worker%d", dir, i)
		if err := os.Mkdir(n.dirs["/cache"], 0o755); err != nil {
			t.Fatal(err)
		}
		worker, said := n.start(t, firn, &jobs(t, d)["workers"].Template.Spec.Containers[0])
		defer func() {
			if err := worker.Wait(); err != nil {
				t.Errorf("a worker: %v\n%s", err, said)
			}
		}()
	}
	if err := coordinator.Wait(); err != nil {
		t.Fatalf("the coordinator: %v\n%s", err, said)
	}
	archives, err := filepath.Glob(dir + "/store" + dir + "/tree/project*")
	if err != nil || len(archives) != 20 {
		t.Errorf("%d archives, %v\n%s", len(archives), err, said)
	}
}

// waitFor waits until ok returns nil, while a process runs.
func waitFor(t *testing.T, cmd *exec.Cmd, said *bytes.Buffer, ok func() error) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(until) || cmd.Process.Signal(syscall.Signal(0)) != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("%v\n%s", err, said)
		}
	}
}

// lag asks NATS what KEDA's scaler asks it (pkg/scalers/nats_jetstream_scaler.go): its error is nil once
// there is work.
func lag(port string, s natsJetStream) error {
	response, err := http.Get("http://127.0.0.1:" + port + "/jsz?" + url.Values{"acc": {s.Account}, "consumers": {"true"}, "config": {"true"}}.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var said struct {
		Accounts []struct {
			Name    string
			Streams []struct {
				Name      string
				Consumers []struct {
					Name       string
					NumPending int `json:"num_pending"`
				} `json:"consumer_detail"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	for _, account := range said.Accounts {
		for _, stream := range account.Streams {
			for _, consumer := range stream.Consumers {
				if account.Name == s.Account && stream.Name == s.Stream && consumer.Name == s.Consumer && consumer.NumPending > 0 {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("KEDA finds no work for the consumer %s of the stream %s: %s", s.Consumer, s.Stream, text)
}

// freePorts are two, on which nobody listens.
func freePorts(t *testing.T) (first, second string) {
	for _, port := range []*string{&first, &second} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, *port, _ = net.SplitHostPort(l.Addr().String())
	}
	return first, second
}
