// Package tarfmt encodes the bytes before the data of one member of a tar file.
//
// It exists because archive/tar can't write files with holes, and because the bytes of an archive,
// which decide whether it is uploaded again, must not depend on a Go release.
//
// The format is POSIX pax (IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax
// Interchange Format"): a ustar header, and before it, where that can't say everything exactly, an
// extended header with the records that are needed, in a fixed order. To the records of POSIX come
// GNU.sparse.* (GNU tar's sparse format 1.0), SCHILY.xattr.*, SCHILY.acl.* and SCHILY.dev*.
//
// The package is pure: it opens nothing, writes nothing, and knows neither file systems nor backups.
//
// # Bytes that are not UTF-8
//
// Names are bytes, and every byte comes back. A name that is not valid UTF-8 is written to the
// ustar fields unchanged if it fits. A longer one is a record after hdrcharset=BINARY, which keeps
// libarchive from converting it; GNU tar warns that it does not know hdrcharset and restores the
// same bytes. A name that is valid UTF-8 but not ASCII is always a record, as POSIX requires.
//
// # Holes
//
// A member with holes is a regular file whose data begin with a map of what is there, in decimal
// text. Its ustar header has an artificial name under "GNUSparseFile.0", so that a reader without
// support does not take the map for content; the record GNU.sparse.name has the name.
package tarfmt
