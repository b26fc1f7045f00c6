package harness_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
)

// crc32c gives the CRC-32C of s as S3 writes it.
func crc32c(s string) string {
	sum := crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// crc64nvme gives the CRC-64/NVME of s as S3 writes it; the polynomial is that
// of the NVM Express specification, reflected.
func crc64nvme(s string) string {
	sum := crc64.Checksum([]byte(s), crc64.MakeTable(0x9a6c9329ac4bc9b5))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
}
