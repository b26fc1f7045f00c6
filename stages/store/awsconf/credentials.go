package awsconf

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// sources are the SDK's names of where credentials come from, in words.
var sources = map[string]string{
	"EnvConfigCredentials":          "the environment",
	"SSOProvider":                   "aws sso login",
	"EC2RoleProvider":               "the role of this machine",
	"CredentialsEndpointProvider":   "the role of this container",
	"AssumeRoleProvider":            "a role of the profile",
	"WebIdentityCredentials":        "a web identity token",
	"ProcessProvider":               "the credential_process of the profile",
	"StaticCredentials":             "the configuration",
	"SharedConfigCredentials":       "the files under ~/.aws",
	"SharedConfigCredentialsSource": "the files under ~/.aws",
}

// Credentials describes the credentials in use, without a secret. fixed says that they have a session
// token which nothing renews. The error says that there are none, and what to do.
func (c Client) Credentials(ctx context.Context) (text string, fixed bool, err error) {
	if err := c.missing(ctx); err != nil || c.credentials == nil {
		return "", false, err
	}
	now, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return "", false, err
	}
	name, file, _ := strings.Cut(now.Source, ": ")
	from, known := sources[name]
	switch {
	case file != "":
		from = file
	case !known:
		from = name
	}
	id := now.AccessKeyID
	text = fmt.Sprintf("access key …%s from %s", id[max(0, len(id)-4):], from)
	if now.CanExpire {
		return text + ", renewed before it expires at " + now.Expires.UTC().Format(time.RFC3339), false, nil
	}
	return text, now.SessionToken != "", nil
}
