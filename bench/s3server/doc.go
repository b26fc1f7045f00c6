// Command s3server is the S3 server of firn's tests and benchmarks: a real
// versitygw (signatures, checksums, multipart, versions) over its posix
// backend, with a thin layer for what that backend lacks.
//
// The layer adds
//
//   - storage classes: x-amz-storage-class is remembered and reported;
//   - cold objects: a GLACIER or DEEP_ARCHIVE object cannot be read until
//     RestoreObject has run for --thaw-delay;
//   - any key: 1 to 1,024 bytes of UTF-8, segments of any length, `a` beside
//     `a/b`, `a//b`, names that end in a slash (see encodeKey). Keys whose `..`
//     lead out of the bucket are refused, as S3 refuses them;
//   - listings that page and fold by key, url encoding of keys, and
//     ListMultipartUploads with markers;
//   - counters of requests by S3 operation, on a listener of their own.
//
// It prints one line of JSON on standard output when it can be used:
//
//	{"endpoint":"http://127.0.0.1:40001","admin":"http://127.0.0.1:40002"}
//
// It stops on SIGTERM, on SIGINT, and when its standard input ends, so that it
// never outlives a test that was killed; --ignore-stdin is for use by hand.
//
// The admin listener knows
//
//	GET  /counters        requests by operation, as a JSON object
//	POST /counters/reset  sets them to zero
//	POST /thaws/finish    every thaw under way is done at once
//	POST /thaws/expire    every thawed copy has expired: its object is cold again
//
// Thaws are kept in memory: a server that starts anew finds every cold object
// cold. Classes are kept with the objects.
package main
