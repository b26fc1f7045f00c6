// Package encryption holds firn's secrets and the one format they are used for: what "openssl enc
// -aes-256-cbc -pbkdf2 -pass file:KEYFILE" writes and reads.
//
// It knows key files, passphrases, the cipher and the keys that prove an archive's origin; no
// store, no pipeline, no flags.
//
// # Passphrase
//
// [ReadPassphrase] takes from a key file exactly what openssl's -pass file: takes: at most 1,023
// bytes, up to the first newline, cut at the first NUL.
//
// # Archive
//
//	"Salted__" ‖ salt (8 bytes) ‖ AES-256-CBC(plaintext, PKCS#7 padding)
//	key (32 bytes) ‖ IV (16 bytes) = PBKDF2-HMAC-SHA256(passphrase, salt, 10,000 iterations, 48 bytes)
//
// [Encrypter] writes it with a salt of its own for each plaintext; [Decrypter] reads it. CBC proves
// nothing about who wrote the bytes: a flipped bit decrypts without complaint. The MAC below does.
//
// # Keys, key ids, MAC
//
// Once a run [NewKeys] derives, from the passphrase and a salt of 16 bytes that no archive shares,
//
//	master     = PBKDF2-HMAC-SHA256(passphrase, salt, 20,000 iterations, 32 bytes)
//	MAC key    = HKDF-Expand-SHA256(master, "firn archive mac v1", 32 bytes)
//	key digest = HKDF-Expand-SHA256(master, "firn key id v1", 16 bytes)
//	key id     = "1-" ‖ hex(salt) ‖ "-" ‖ hex(key digest)
//	MAC        = HMAC-SHA256(MAC key, "firn archive mac v1\x00" ‖ length of object key (8 bytes, big endian) ‖ object key ‖ archive)
//
// where the archive is the compressed tar before encryption. Testing a guessed passphrase takes
// 20,000 iterations against a key id or a MAC, 10,000 against an archive: neither makes guessing
// cheaper.
//
// Nothing here prints a secret: every type that holds one formats as "[secret]" under fmt and
// log/slog.
package encryption
