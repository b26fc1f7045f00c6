package store

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Storage classes that firn treats by name.
const (
	ClassStandard    = "STANDARD"
	ClassGlacier     = "GLACIER"
	ClassDeepArchive = "DEEP_ARCHIVE"
)

// Classes returns S3's storage classes (S3 API reference, PutObject, x-amz-storage-class).
func Classes() []string {
	return []string{
		ClassStandard, "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", ClassGlacier, ClassDeepArchive,
		"REDUCED_REDUNDANCY", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "FSX_OPENZFS", "FSX_ONTAP",
	}
}

// CheckClass returns an error unless class is "" or one of Classes.
func CheckClass(class string) error {
	if class == "" || slices.Contains(Classes(), class) {
		return nil
	}
	return fmt.Errorf("unknown storage class %q: use one of %s", class, strings.Join(Classes(), ", "))
}

// IsCold reports whether objects of the class must be thawed before they can be read. (Objects of
// INTELLIGENT_TIERING can be too, when their bucket has archive tiers: only Head knows of those.)
func IsCold(class string) bool {
	return class == ClassGlacier || class == ClassDeepArchive
}

// MaxKey is the length of the longest key, in bytes of UTF-8 (S3 user guide, "Object key names").
const MaxKey = 1024

// CheckKey returns an error if no store can hold an object with that key.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("empty object key")
	case len(key) > MaxKey:
		return fmt.Errorf("object key of %d bytes: at most %d are allowed", len(key), MaxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("object key %q is not valid UTF-8", key)
	}
	return nil
}
