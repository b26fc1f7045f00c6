// Package catalogue is the format in which firn notes what each run saved, down
// to every file. It knows no store and no key: it writes and reads plain
// streams of JSON lines, gzip-compressed, which whoever stores them encrypts
// and authenticates as any archive is.
//
// A run has one manifest:
//
//	{"firn_manifest":1,"run":"20261123T203000Z-1a2b3c4d",…}    Run: when, where, which flags
//	{"path":"docs","key":"home/me/docs.tar.bz2",…}             Subtree: one line each, in no order
//	{"end":true,"complete":true,…}                             End: the last line; without it the manifest is cut short
//
// and a handful of packs, which hold the lists of entries of the archives that
// the run made. A pack is gzip members one after the other (RFC 1952, section
// 2.2), a member a list; a Subtree's List tells pack, offset and length:
//
//	{"firn_list":1,"key":"home/me/docs.tar.bz2","md5":"…"}     ListHead
//	{"path":"docs/a.txt","type":"file","size":5,…}             Entry: one line each, in the tar's order
//
// So gunzip and jq read both. A list is written when its archive is made; the
// manifests of later runs refer to it.
//
// Paths are strings of UTF-8 in which every other byte is written \xHH and
// every backslash \\ (Escape, Unescape).
package catalogue
