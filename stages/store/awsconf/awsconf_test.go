package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"firn/pipeline"
)

// clean is an environment without any AWS settings but those given.
func clean(t *testing.T, pairs ...string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOptionsCheck(t *testing.T) {
	for _, o := range []Options{
		{}, {Region: "eu-central-1"}, {Endpoint: "http://127.0.0.1:9000"}, {Endpoint: "https://s3.example.org/base"}, {Region: "garage"},
	} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Options{
		{Region: "EU"}, {Region: "eu central"}, {Region: "-eu"}, {Region: "eu.central"}, {Endpoint: "localhost:9000"}, {Endpoint: "ftp://x"},
		{Endpoint: "https://"}, {Endpoint: "https://user:hunter2@host"}, {Endpoint: "https://host?x=1"}, {Endpoint: "http://%zz"}, {Endpoint: "http://localhost:99999"},
	} {
		err := o.Check()
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestExposes: a session token over plain http, to anything but this machine.
func TestExposes(t *testing.T) {
	for _, tt := range []struct {
		endpoint, token string
		want            bool
	}{
		{"http://s3.example.org", "token", true},
		{"http://10.0.0.1:9000", "token", true},
		{"http://s3.example.org", "", false},
		{"https://s3.example.org", "token", false},
		{"", "token", false},
		{"http://127.0.0.1:9000", "token", false},
		{"http://[::1]:9000", "token", false},
		{"http://localhost", "token", false},
		{"http://localhost.example.org", "token", true},
	} {
		c := NewClient(aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", tt.token)}, tt.endpoint)
		if got := c.Exposes(t.Context()); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

func TestLoad(t *testing.T) {
	clean(t, "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "secret", "AWS_REGION", "eu-west-1", "AWS_MAX_ATTEMPTS", "4")
	cfg, w, err := Load(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-west-1" || w.tries != 4 {
		t.Errorf("region %s, %d attempts", cfg.Region, w.tries)
	}
	cfg, w, err = Load(t.Context(), Options{Region: "eu-north-1", Attempts: 3})
	if err != nil || cfg.Region != "eu-north-1" || w.tries != 3 {
		t.Errorf("region %s, %d attempts, %v", cfg.Region, w.tries, err)
	}
	clean(t, "AWS_CONFIG_FILE", file(t, "[profile backup]\nregion = eu-south-1\naws_access_key_id = A\naws_secret_access_key = S\nretry_mode = adaptive\n"))
	cfg, w, err = Load(t.Context(), Options{Profile: "backup"})
	if err != nil || cfg.Region != "eu-south-1" || w.tries != defaultAttempts {
		t.Errorf("region %s, %d attempts, %v", cfg.Region, w.tries, err)
	}
	for name, bad := range map[string]struct {
		env  []string
		o    Options
		want string
	}{
		"missing profile": {nil, Options{Profile: "nobody"}, `no AWS profile "nobody"`},
		"odd region":      {[]string{"AWS_REGION", "Frankfurt (Main)"}, Options{}, "eu-central-1"},
		"missing bundle":  {[]string{"AWS_CA_BUNDLE", "/nonexistent/ca.pem"}, Options{}, "/nonexistent/ca.pem"},
		"odd endpoint":    {nil, Options{Endpoint: "host:9000"}, "https://host:port"},
		"broken config":   {[]string{"AWS_CONFIG_FILE", file(t, "[profile\x00 = = =\n[[[")}, Options{Profile: "x"}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, bad.env...)
			if _, _, err := Load(t.Context(), bad.o); !pipeline.IsFatal(err) || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestCredentialFaults: what is missing is said, what is secret is not.
func TestCredentialFaults(t *testing.T) {
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		fmt.Fprint(w, `{"code": "AccessDeniedRole", "message": "no such role"}`)
	}))
	defer token.Close()
	for name, tt := range map[string]struct {
		config, profile string
		env             []string
		want            string
	}{
		"none at all": {want: "AWS_ACCESS_KEY_ID"},
		"a process that prints its secrets": {
			config: "[profile p]\ncredential_process = echo hunter2 secret\n", profile: "p", want: "credential_process",
		},
		"a process that fails": {
			config: "[profile p]\ncredential_process = sh -c 'echo hunter2 >&2; exit 3'\n", profile: "p", want: "credential_process",
		},
		"SSO without a session": {
			config:  "[profile p]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.invalid/start\n",
			profile: "p", want: "SSO session of the profile p has expired",
		},
		"old SSO without a session": {
			config:  "[profile p]\nsso_account_id = 123456789012\nsso_role_name = r\nsso_region = us-east-1\nsso_start_url = https://x.invalid/start\n",
			profile: "p", want: "SSO session of the profile p has expired",
		},
		"a container's role refused": {
			env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", token.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2"}, want: "AccessDeniedRole",
		},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, append(tt.env, "HOME", t.TempDir())...)
			if tt.config != "" {
				t.Setenv("AWS_CONFIG_FILE", file(t, tt.config))
			}
			cfg, _, err := Load(t.Context(), Options{Profile: tt.profile, Region: "us-east-1", MaxBackoff: 1})
			if err != nil {
				t.Fatal(err)
			}
			_, cause := cfg.Credentials.Retrieve(t.Context())
			if cause == nil {
				t.Fatal("there are credentials")
			}
			// As a client tells of it: a request that could not be signed.
			failed := &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: fmt.Errorf("get identity: %w", cause)}
			got, ok := NewClient(cfg, "").Explain(t.Context(), failed)
			if !ok || !pipeline.IsFatal(got) || !strings.Contains(got.Error(), tt.want) || strings.Contains(got.Error(), "hunter2") {
				t.Errorf("%v (%v)", got, ok)
			}
			if strings.Contains(Brief(failed).Error(), "hunter2") {
				t.Errorf("a secret: %v", Brief(failed))
			}
			if sso := new(SSOError); strings.Contains(name, "SSO") && (!errors.As(got, &sso) || sso.Profile != "p") {
				t.Errorf("%v is no SSOError", got)
			}
			t.Log(got)
		})
	}
}

// TestExplainOthers: what is not a fault of the run comes back as it was.
func TestExplainOthers(t *testing.T) {
	provider := credentials.NewStaticCredentialsProvider("A", "S", "")
	c := NewClient(aws.Config{Credentials: provider}, "")
	for _, err := range []error{errors.New("plain"), &smithy.GenericAPIError{Code: "NoSuchKey"}, &smithy.GenericAPIError{Code: "AccessDenied"}} {
		if got, ok := c.Explain(t.Context(), err); ok || got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
	reason := errors.New("the user said so")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if got, ok := c.Explain(ctx, &smithy.GenericAPIError{Code: "ExpiredToken"}); !ok || got != reason {
		t.Errorf("cancelled: %v", got)
	}
}

func TestRenew(t *testing.T) {
	expired := &smithy.GenericAPIError{Code: "ExpiredToken"}
	fixed := aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("A", "S", "T"))
	if renew(fixed)(expired) != aws.UnknownTernary {
		t.Error("fixed credentials that have expired are tried again")
	}
	asked := 0
	role := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		asked++
		return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S"}, nil
	}))
	for range 2 {
		if _, err := role.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		if renew(role)(expired) != aws.TrueTernary || renew(role)(errors.New("other")) != aws.UnknownTernary {
			t.Error("a role's credentials that have expired are not had anew")
		}
	}
	if asked != 2 {
		t.Errorf("the role was asked %d times", asked)
	}
}
