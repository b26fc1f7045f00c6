package main

import (
	"errors"
	"net/http"

	"github.com/versity/versitygw/s3err"
)

func apiError(status int, code, message string) error {
	return s3err.APIError{HTTPStatusCode: status, Code: code, Description: message}
}

func errCold() error {
	return apiError(http.StatusForbidden, "InvalidObjectState",
		"The operation is not valid for the object's storage class")
}

func errNotActiveTier() error {
	return apiError(http.StatusForbidden, "ObjectNotInActiveTierError",
		"The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.")
}

func errNotRestorable() error {
	return apiError(http.StatusForbidden, "InvalidObjectState",
		"Restore is not allowed for the object's current storage class")
}

func errRestoreInProgress() error {
	return apiError(http.StatusConflict, "RestoreAlreadyInProgress", "Object restore is already in progress")
}

func errStorageClass() error {
	return apiError(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid")
}

func errInvalidURI() error {
	return apiError(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
}

func errInvalidArgument(message string) error {
	return apiError(http.StatusBadRequest, "InvalidArgument", message)
}

// asSeen puts the key that the client knows into an error that names a path.
func asSeen(err error, key string) error {
	var version s3err.NoSuchVersionError
	if errors.As(err, &version) {
		version.Key = key
		return version
	}
	return err
}
