package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"syscall"

	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
	"firn/stages/service/hosts/jetstream/embedded"
)

// secretHint says what to do about a file with a secret.
func secretHint(e *secretError) string {
	switch {
	case errors.Is(e, errOpen):
		return "chmod 600 " + ui.Word(e.path) + ", and " + e.anew + " if others have used this machine"
	case errors.Is(e, fs.ErrExist):
		return "another run has made it just now: run the same command again"
	case errors.Is(e, fs.ErrNotExist) && e.made:
		return "make its directory, or name another " + e.flag
	case errors.Is(e, fs.ErrNotExist) && e.flag == "--queue-token-file":
		return "copy it from the host that runs --serve-queue, which makes it"
	}
	return "name another " + e.flag
}

// queueHint says what to do about a queue that can't be used.
func queueHint(e *queueError) string {
	switch {
	case errors.As(e, new(*embedded.AddressError)):
		return addressHint(e)
	case errors.Is(e, embedded.ErrCert):
		return "name a certificate in PEM as --queue-cert, and its key as --queue-cert-key"
	case isOneOf(e, full):
		return "free some space, or name another --cache-path"
	case errors.Is(e, jetstream.ErrAccess):
		return "check --queue-token-file or --queue-creds: they must be those of the server"
	case errors.Is(e, jetstream.ErrCreds):
		return "name the .creds file or the nkey seed of a user of that server as --queue-creds"
	case errors.Is(e, jetstream.ErrCA):
		return "name a file with the certificate of its CA in PEM as --queue-ca"
	case errors.Is(e, jetstream.ErrNoTLS):
		return "name it as nats:// in --queue, without --queue-ca, if nobody else listens in that network"
	case errors.As(e, new(*tls.CertificateVerificationError)):
		return certificateHint(e)
	case errors.Is(e, encryption.ErrOtherKey):
		return "name the key file of the run as --keyfile"
	case !pipeline.IsFatal(e) && !errors.As(e, new(*hosts.RefusedError)):
		return "check --queue, and that the server runs"
	}
	return ""
}

// addressHint says what to do about an address that can't be listened on.
func addressHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "name another port as --serve-queue"
	case errors.Is(err, fs.ErrPermission):
		return "name a port above 1023 as --serve-queue"
	}
	return "name an address of this host as --serve-queue"
}

// certificateHint says what to do about a certificate of a server that can't be verified.
func certificateHint(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "name the certificate of its CA as --queue-ca"
	case errors.As(err, new(x509.HostnameError)):
		return "name the server in --queue as its certificate does"
	}
	return "give the server another certificate"
}

// clientHint says what to do about somebody who has connected to the queue in this process.
func clientHint(e *embedded.ClientError) string {
	switch {
	case errors.Is(e, embedded.ErrAccess):
		return "if that is a worker, copy the token file of this run to its host"
	case errors.Is(e, embedded.ErrUntrusted):
		return "if that is a worker, name the certificate of the CA there as --queue-ca"
	case errors.Is(e, embedded.ErrNoTLS), errors.Is(e, embedded.ErrProtocol):
		return "that is no worker of firn: check what runs there"
	}
	return ""
}
