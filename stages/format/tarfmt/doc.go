// Package tarfmt encodes the bytes before the data of one member of a tar file.
//
// It exists beside the standard library's archive/tar for two reasons. The bytes of an archive
// decide whether it is uploaded again, so they must depend on nothing but the member: not on a Go
// release, a clock, a process id or a locale. And archive/tar can't write files with holes.
//
// The format is POSIX pax (IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax
// Interchange Format"): a plain ustar header wherever that can say everything exactly, and before
// it an extended header with only those records that are needed. Records stand in a fixed order. To
// the records of POSIX come those that GNU tar, libarchive and star have agreed on: GNU.sparse.*
// (GNU tar's sparse format 1.0), SCHILY.xattr.*, SCHILY.acl.* and SCHILY.dev*.
//
// The package is pure: it opens nothing, writes nothing, and knows neither file systems nor
// backups.
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
