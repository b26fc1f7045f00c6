package jetstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	native "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
)

// connect is a client of a broker that is not firn.
func connect(t *testing.T, url string) native.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := native.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// certificate makes one for names that signs itself, and gives the files.
func certificate(t *testing.T, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		return file(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", secret)
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRefused: each way in which a broker does not fit is one clear line, and fatal.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, "127.0.0.1")
	other, _ := certificate(t, "127.0.0.1")
	wrongCert, wrongKey := certificate(t, "elsewhere.example")
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := user.Seed()
	public, _ := user.PublicKey()
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	strange, _ := stranger.Seed()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accounts, _ := account.Seed()
	mine := file(t, filepath.Join(dir, "user.nk"), string(seed)+"\n")

	plain := harness.NATS(t)
	token := harness.NATS(t, func(c *harness.NATSConfig) { c.Token = "secret" })
	secure := harness.NATS(t, func(c *harness.NATSConfig) { c.Cert, c.Key = cert, key })
	misnamed := harness.NATS(t, func(c *harness.NATSConfig) { c.Cert, c.Key = wrongCert, wrongKey })
	bare := harness.NATS(t, func(c *harness.NATSConfig) { c.NoJetStream = true })
	restricted := harness.NATS(t, func(c *harness.NATSConfig) {
		c.More = "authorization { users: [ { nkey: " + public + `, permissions: { publish: ["firn.>", "_INBOX.>", "$JS.API.INFO"] } } ] }`
	})

	for name, c := range map[string]struct {
		url  string
		set  func(*jetstream.Options)
		want string // "": it works
	}{
		"name":               {plain.URL, func(o *jetstream.Options) { o.Name = "a.b" }, `the queue's name "a.b" is not 1 to 64 letters`},
		"no address":         {"", func(o *jetstream.Options) { o.URLs = nil }, "no broker is named"},
		"address":            {"localhost:4222", nil, "the address of the broker is"},
		"other scheme":       {"http://localhost", nil, "is not nats://HOST:PORT or tls://HOST:PORT: http://localhost"},
		"password":           {"nats://me:hush@localhost", nil, "holds a password"},
		"no token":           {token.URL, nil, "connecting to the broker at " + token.URL + ": it refuses the token or the credentials, or wants some"},
		"wrong token":        {token.URL, func(o *jetstream.Options) { o.Token = []byte("guess") }, "it refuses the token"},
		"token":              {token.URL, func(o *jetstream.Options) { o.Token = []byte("secret") }, ""},
		"needless token":     {plain.URL, func(o *jetstream.Options) { o.Token = []byte("guess") }, ""},
		"no JetStream":       {bare.URL, nil, "it has none: start nats-server with -js"},
		"CA":                 {secure.URL, func(o *jetstream.Options) { o.CA = cert }, ""},
		"unknown CA":         {secure.URL, nil, secure.URL + ": its certificate can't be verified: certificate signed by unknown authority"},
		"other CA":           {secure.URL, func(o *jetstream.Options) { o.CA = other }, "its certificate can't be verified: certificate signed by unknown authority"},
		"name in cert":       {misnamed.URL, func(o *jetstream.Options) { o.CA = wrongCert }, "its certificate can't be verified: cannot validate certificate for 127.0.0.1"},
		"no TLS":             {plain.URL, func(o *jetstream.Options) { o.CA = cert }, "it offers no TLS, and the connection was to be encrypted"},
		"no TLS by address":  {strings.Replace(plain.URL, "nats", "tls", 1), nil, "it offers no TLS"},
		"no file of CA":      {plain.URL, func(o *jetstream.Options) { o.CA = filepath.Join(dir, "none") }, "reading the CA of the broker: open "},
		"key for CA":         {plain.URL, func(o *jetstream.Options) { o.CA = key }, "holds no certificate in PEM"},
		"no creds":           {plain.URL, func(o *jetstream.Options) { o.Creds = filepath.Join(dir, "none") }, "reading the credentials for the broker: open "},
		"creds of nobody":    {plain.URL, func(o *jetstream.Options) { o.Creds = cert }, "is neither a .creds file nor the seed of an nkey"},
		"seed of an account": {plain.URL, func(o *jetstream.Options) { o.Creds = file(t, filepath.Join(dir, "account.nk"), string(accounts)) }, "the seed is not a user's"},
		"seed":               {restricted.URL, func(o *jetstream.Options) { o.Creds = mine }, ""},
		"seed of a stranger": {restricted.URL, func(o *jetstream.Options) { o.Creds = file(t, filepath.Join(dir, "other.nk"), string(strange)) }, "it refuses the token or the credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(c.url)
			if c.set != nil {
				c.set(&o)
			}
			l, err := jetstream.Connect(t.Context(), o)
			if err == nil {
				l.Close()
			}
			refused(t, err, c.want)
		})
	}
	t.Run("permissions", func(t *testing.T) {
		o := options(restricted.URL)
		o.Creds = mine
		l := link(t, o)
		refused(t, l.Lead(t.Context(), lease), "refuses what its user may not do: permissions violation")
		refused(t, l.Offer(t.Context(), "a", nil), "refuses what its user may not do: permissions violation")
	})
}

// refused wants a fatal error of one line with a text, or none.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "":
		if err != nil {
			t.Error(err)
		}
	case err == nil:
		t.Errorf("no error, not %q", want)
	case !pipeline.IsFatal(err) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) || strings.Contains(err.Error(), "\n"):
		t.Errorf("%v (fatal: %v), not %q", err, pipeline.IsFatal(err), want)
	}
}

// TestNoBroker: who finds no broker waits for one, and says why when there is none in time.
func TestNoBroker(t *testing.T) {
	s := harness.NATS(t)
	s.Kill()
	var n told
	o := n.options(options(s.URL))
	late := errors.New("late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
	defer cancel()
	_, err := jetstream.Connect(ctx, o)
	if want := "connecting to the broker at " + s.URL + ": connection refused"; !errors.Is(err, late) || err.Error() != want {
		t.Errorf("%v, not %s", err, want)
	}
	n.has(t, "connection refused; trying again")
	there := make(chan error, 1)
	go func() {
		l, err := jetstream.Connect(t.Context(), o)
		if err == nil {
			err = l.Close()
		}
		there <- err
	}()
	check(t, s.Restart(t.Context()))
	check(t, <-there)
}

// TestBounded: who may write to a queue can't fill the broker's disk. A broker that has less room than a
// queue may take is used all the same.
func TestBounded(t *testing.T) {
	for name, tt := range map[string]struct{ store, want int64 }{"all": {2 << 30, 128 << 20}, "less": {1 << 20, -1}} {
		t.Run(name, func(t *testing.T) {
			s := harness.NATS(t, func(c *harness.NATSConfig) { c.MaxStore = tt.store })
			o := options(s.URL)
			check(t, link(t, o).Lead(t.Context(), lease))
			for _, kind := range []string{"items", "answers"} {
				have, err := connect(t, s.URL).Stream(t.Context(), "FIRN_"+o.Name+"_"+kind)
				if err != nil {
					t.Fatal(err)
				}
				if c := have.CachedInfo().Config; c.MaxBytes != tt.want || c.MaxMsgSize < hosts.MaxMessage || c.MaxMsgSize > 2*hosts.MaxMessage {
					t.Errorf("%s: %d bytes at most, %d in a message", kind, c.MaxBytes, c.MaxMsgSize)
				}
			}
		})
	}
}

// TestOtherSettings: a stream that is there with other settings is not used.
func TestOtherSettings(t *testing.T) {
	s := harness.NATS(t)
	js := connect(t, s.URL)
	for name, c := range map[string]struct {
		set  func(*native.StreamConfig)
		want string // "": it works
	}{
		"same":      {func(*native.StreamConfig) {}, ""},
		"more":      {func(c *native.StreamConfig) { c.MaxBytes, c.Description = 1<<20, "ours" }, ""},
		"retention": {func(c *native.StreamConfig) { c.Retention = native.LimitsPolicy }, "it exists with other settings: retention is Limits, not WorkQueue: choose another name for the queue, or delete the stream"},
		"storage":   {func(c *native.StreamConfig) { c.Storage = native.MemoryStorage }, "storage is Memory, not File"},
		"discard":   {func(c *native.StreamConfig) { c.Discard, c.DiscardNewPerSubject = native.DiscardOld, false }, "discard is DiscardOld, not DiscardNew"},
		"many":      {func(c *native.StreamConfig) { c.MaxMsgsPerSubject = 2 }, "max_msgs_per_subject is 2, not 1"},
		"age":       {func(c *native.StreamConfig) { c.MaxAge = time.Hour }, "max_age is 1h0m0s, not 0s"},
		"subjects":  {func(c *native.StreamConfig) { c.Subjects = append(c.Subjects, "more."+c.Name) }, "its subjects are"},
		"elsewhere": {func(c *native.StreamConfig) { c.Name = "OTHER" }, "another stream of the broker has its subjects"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(s.URL)
			have := native.StreamConfig{
				Name: "FIRN_" + o.Name + "_items", Subjects: []string{"firn." + o.Name + ".item.*"},
				Retention: native.WorkQueuePolicy, Discard: native.DiscardNew, MaxMsgsPerSubject: 1, DiscardNewPerSubject: true,
			}
			c.set(&have)
			if _, err := js.CreateStream(t.Context(), have); err != nil {
				t.Fatal(err)
			}
			refused(t, link(t, o).Lead(t.Context(), lease), c.want)
		})
	}
	t.Run("consumer", func(t *testing.T) {
		o := options(s.URL)
		l := link(t, o)
		check(t, l.Lead(t.Context(), lease))
		check(t, l.Close())
		check(t, js.DeleteConsumer(t.Context(), "FIRN_"+o.Name+"_items", "workers"))
		if _, err := js.CreateConsumer(t.Context(), "FIRN_"+o.Name+"_items", native.ConsumerConfig{Durable: "theirs", AckPolicy: native.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
		refused(t, link(t, o).Lead(t.Context(), lease), "has another consumer: choose another name for the queue")
	})
}

// TestSecondCoordinator: it waits for the first one to end, which the user is told once, and is refused.
func TestSecondCoordinator(t *testing.T) {
	t.Parallel()
	s := harness.NATS(t)
	var n told
	o := n.options(options(s.URL))
	first, second := link(t, o), link(t, o)
	check(t, first.Lead(t.Context(), lease))
	go func() { _ = first.Answers(t.Context(), func([]byte) error { return nil }) }()
	refused(t, second.Lead(t.Context(), lease), "leading the queue "+o.Name+": another coordinator uses this queue")
	check(t, first.Offer(t.Context(), "a", nil))
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.notices) != 1 || !strings.HasPrefix(n.notices[0], "another coordinator uses the queue "+o.Name) {
		t.Errorf("the user was told:\n%s", strings.Join(n.notices, "\n"))
	}
}

// TestNoStream: a broker that can't make a stream is given up after a time, and the user knows why.
func TestNoStream(t *testing.T) {
	s := harness.NATS(t)
	var n told
	o := n.options(options(s.URL))
	check(t, os.MkdirAll(filepath.Join(s.Dir, "jetstream", "$G", "streams"), 0o700))
	file(t, filepath.Join(s.Dir, "jetstream", "$G", "streams", "FIRN_"+o.Name+"_items"), "in its place")
	const why = "it can't store the stream: its disk may be full, its log says why"
	refused(t, link(t, o).Lead(t.Context(), lease), "making the stream FIRN_"+o.Name+"_items at the broker at "+s.URL+": "+why+": it was tried for 300ms")
	n.has(t, why+"; trying again")
}
