// Package store is the interface to the place where firn's objects are: S3, a server that speaks
// S3, or a directory.
//
// It holds the interface, its errors, what both sides share (storage classes, limits of keys and
// parts) and PutWhole. The drivers are packages of their own (store/s3, store/dir), and
// store/storetest is the test suite that each of them passes. The package knows nothing of
// archives, tars or encryption: an object is a key, bytes, a little metadata and a storage class.
//
// Every driver promises:
//
//   - An object is there whole or not at all. What is listed, headed or read is never half
//     written, whatever happened to the process that wrote it.
//   - The store verifies the CRC-32C that the caller gives; the sender's own check is not enough.
//   - Nothing is deleted but unfinished uploads, when asked.
//   - When the context is cancelled, every method returns promptly, with an error that wraps the
//     context's cause.
//   - An error that would fail every other item too (credentials refused, bucket gone, disk full)
//     is marked with pipeline.Fatal; every other error belongs to the one object.
//   - No error's text holds a secret.
//
// Who names what: an error of a store says what the store was doing and names the object, once,
// before the reason: "storing home/me/x.tar.gz: no such bucket". An error of a listing names the
// store and the prefix instead. So a caller names neither the operation nor the key again. It adds
// what the store can't know, such as what the object is for, or returns the error as it is. An
// error of a body's Read follows the rule too, but for io.ErrUnexpectedEOF.
//
// Every method may be called from many goroutines at once.
package store
