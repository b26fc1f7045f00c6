// Package harness starts the servers that firn is tested and measured against:
// an S3 server (bench/s3server: versitygw with storage classes and thaws), a
// DynamoDB server (bench/dynalite), a NATS server (nats-server), and a proxy
// that makes the first two misbehave.
//
// S3, DynamoDB, NATS and Proxy are for tests: they fail the test if a server
// cannot be started or dies, and stop it in t.Cleanup. StartS3, StartDynamoDB,
// StartNATS and StartProxy are the same for TestMain and for programs; what
// they return is stopped with Close.
//
// Every server listens on a free loopback port, says itself when it is ready,
// and ends when the process that started it ends, however that happens. The S3
// server's program is built once for each state of its source, nats-server for
// each version in go.mod, and kept in the user's cache directory; dynalite is installed once with npm ci. Both are
// guarded by a lock, so that test packages that run side by side do it once.
// The first build takes a minute or two of CPU time.
//
// The package knows nothing of firn: it speaks to the servers with the AWS SDK.
package harness
