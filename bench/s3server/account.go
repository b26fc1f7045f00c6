package main

import (
	"errors"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"
)

// account is the one account that the server knows. An unknown access key is
// InvalidAccessKeyId, as in S3; the gateway has an error of its own for it.
type account struct{ auth.IAMService }

func newAccount(access, secret string) account {
	return account{auth.NewIAMServiceSingle(auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin})}
}

func (a account) GetUserAccount(access string) (auth.Account, error) {
	found, err := a.IAMService.GetUserAccount(access)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrAdminUserNotFound)) {
		return found, auth.ErrNoSuchUser
	}
	return found, err
}
