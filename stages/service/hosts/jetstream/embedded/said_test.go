package embedded_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"firn/stages/service/hosts/jetstream/embedded"
)

// certificate makes one that nobody knows, and gives the files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestSaid: what nats-server says of those who connect is told in plain words, with their address.
func TestSaid(t *testing.T) {
	cert, key := certificate(t)
	for name, tt := range map[string]struct {
		o       embedded.Options
		connect func(addr string) error
		is      error
		want    string // after the address
	}{
		"token": {embedded.Options{Token: []byte("secret")}, func(addr string) error {
			_, err := nats.Connect("nats://"+addr, nats.Token("guess"))
			return err
		}, embedded.ErrAccess, "it has no token, or a wrong one"},
		"certificate": {embedded.Options{Cert: cert, Key: key}, func(addr string) error {
			_, err := nats.Connect("tls://" + addr)
			return err
		}, embedded.ErrUntrusted, "it does not trust the certificate of the queue"},
		"TLS": {embedded.Options{Cert: cert, Key: key}, func(addr string) error {
			_, err := nats.Connect("tls://"+addr, nats.Secure(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}))
			return err
		}, embedded.ErrNoTLS, "it has begun no encrypted connection that both sides can use: "},
		"protocol": {embedded.Options{}, func(addr string) error {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return nil
			}
			defer conn.Close()
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_, err = io.ReadAll(conn)
			return cmp.Or(err, io.EOF)
		}, embedded.ErrProtocol, "it does not speak the protocol of NATS"},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 100)
			tt.o.Addr, tt.o.Dir, tt.o.Log = "127.0.0.1:0", t.TempDir(), func(err error) { told <- err }
			s, err := embedded.Start(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if tt.connect(s.Addr()) == nil {
				t.Fatal("it was let in")
			}
			err = <-told
			of, is := errors.AsType[*embedded.ClientError](err)
			if !is || !errors.Is(err, tt.is) || !strings.HasPrefix(of.From, "127.0.0.1:") || !strings.HasPrefix(err.Error(), "a connection from "+of.From+": "+tt.want) {
				t.Error(err)
			}
		})
	}
}
