package dynamodb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/format/record"
	"firn/stages/store/awsconf"
	"firn/stages/store/dynamodb"
)

func TestMain(m *testing.M) {
	// Nothing of the machine's own AWS settings may reach these tests.
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "HTTP_PROXY", "HTTPS_PROXY"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

func serve(t *testing.T) (*harness.DynamoDBServer, *harness.FaultProxy) {
	t.Helper()
	s := harness.DynamoDB(t)
	setEnv(t, s.Env())
	return s, harness.Proxy(t, s.Endpoint)
}

func setEnv(t *testing.T, env []string) {
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

func open(t *testing.T, table, endpoint string, change ...func(*dynamodb.Options)) *dynamodb.Table {
	t.Helper()
	o := dynamodb.Options{
		Table: table, Options: awsconf.Options{Endpoint: endpoint, MaxBackoff: time.Millisecond, RetryFor: time.Second},
	}
	for _, c := range change {
		c(&o)
	}
	opened, err := dynamodb.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func full(i int) record.Record {
	return record.Record{
		Format: 1, MD5: fmt.Sprintf("%032x", i), TarSHA256: strings.Repeat("1b", 32), HMAC: strings.Repeat("2c", 32),
		KeyID: "k-1", ArchiveSize: 123, TarSize: 1 << 45, Changed: i%2 == 0,
		Version: "v7", ETag: "e-2", Class: "GLACIER", ObjectSize: 144, Saved: time.Date(2026, 11, 23, 20, 40, i, 0, time.UTC),
	}
}

func TestTable(t *testing.T) {
	s, _ := serve(t)
	s.CreateTable(t, "records")
	table := open(t, "records", "") // the endpoint is found by AWS_ENDPOINT_URL_DYNAMODB
	if err := table.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if table.URL() != "dynamodb://records" {
		t.Errorf("URL %s", table.URL())
	}
	const n = 230 // more than two batches
	want := map[string]record.Record{}
	var keys []string
	for i := range n {
		key := fmt.Sprintf("home/ä b/%d.tar.gz", i)
		want[key] = full(i)
		keys = append(keys, key, fmt.Sprintf("not there %d", i), key) // some twice
		if err := table.Put(t.Context(), key, want[key]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := table.Get(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	replaced := record.Record{Format: 1, MD5: full(999).MD5, KeyID: "k-2"}
	if err := table.Put(t.Context(), keys[0], replaced); err != nil {
		t.Fatal(err)
	}
	got, err = table.Get(t.Context(), keys[:1])
	if d := cmp.Diff(map[string]record.Record{keys[0]: replaced}, got); d != "" || err != nil {
		t.Errorf("%v; replaced record (-want +got):\n%s", err, d)
	}
	if got, err := table.Get(t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("no keys give %v, %v", got, err)
	}
}

// TestForeignItems: the old script's items are records of format 0; what can't be understood is no
// record.
func TestForeignItems(t *testing.T) {
	s, _ := serve(t)
	s.CreateTable(t, "old-table")
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	md5 := full(7).MD5
	items := map[string]map[string]types.AttributeValue{
		"old":         {"md5": text(md5)},
		"old, upper":  {"md5": text(strings.ToUpper(md5)), "comment": text("by hand"), "list": &types.AttributeValueMemberL{}},
		"no md5":      {"comment": text("by hand")},
		"md5 wrong":   {"md5": text("d41d")},
		"md5 a flag":  {"md5": &types.AttributeValueMemberBOOL{Value: true}},
		"size no one": {"md5": text(md5), "firn-tar-size": text("big")},
	}
	keys := []string{}
	for key, item := range items {
		keys = append(keys, key)
		item["s3_key"] = text(key)
		if _, err := s.Client().PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("old-table"), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open(t, "old-table", "").Get(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]record.Record{"old": {MD5: md5}, "old, upper": {MD5: md5}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	// What firn writes is what the old script reads.
	if err := open(t, "old-table", "").Put(t.Context(), "new", full(1)); err != nil {
		t.Fatal(err)
	}
	out, err := s.Client().GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("old-table"), Key: map[string]types.AttributeValue{"s3_key": text("new")}})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := out.Item["md5"].(*types.AttributeValueMemberS); !ok || v.Value != full(1).MD5 {
		t.Errorf("md5 in the item: %v", out.Item["md5"])
	}
}

func TestThrottled(t *testing.T) {
	s, faults := serve(t)
	s.CreateTable(t, "records")
	var asked atomic.Int64 // how often for fewer requests
	table := open(t, "records", faults.Endpoint, func(o *dynamodb.Options) { o.Throttled = func() { asked.Add(1) } })
	for _, f := range []harness.Fault{
		harness.Throttled(), {Status: 400, Code: "ThrottlingException"}, harness.InternalError(), {Drop: true}, {LoseResponse: true}, {CutResponse: 1},
	} {
		asked.Store(0)
		faults.ResetCounts()
		faults.SetRule(func(c harness.Call) harness.Fault {
			if c.Number <= 2 {
				return f
			}
			return harness.Fault{}
		})
		if err := table.Put(t.Context(), "k", full(3)); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		got, err := table.Get(t.Context(), []string{"k"})
		if err != nil || got["k"] != full(3) {
			t.Errorf("%+v: %v, %v", f, got, err)
		}
		if n := faults.Count("BatchGetItem"); n != 3 {
			t.Errorf("%+v: %d tries, want 3", f, n)
		}
		want := int64(0)
		if f.Status == 400 {
			want = 4 // PutItem and BatchGetItem, twice each
		}
		if n := asked.Load(); n != want {
			t.Errorf("%+v: asked for fewer requests %d times, want %d", f, n, want)
		}
	}
	faults.SetRule(func(harness.Call) harness.Fault { return harness.Throttled() })
	err := open(t, "records", faults.Endpoint, func(o *dynamodb.Options) { o.RetryFor = time.Second }).Put(t.Context(), "k", full(3))
	if !pipeline.IsFatal(err) || !strings.Contains(err.Error(), "throttled") {
		t.Errorf("throttled for good: %v (fatal: %v)", err, pipeline.IsFatal(err))
	}
}

// unprocessed is a server that answers for a few keys of each request only; for none of every third
// request.
func unprocessed(t *testing.T, atMost int, calls *atomic.Int64) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			RequestItems map[string]struct {
				ConsistentRead bool
				Keys           []map[string]map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		ask := in.RequestItems["records"]
		if len(ask.Keys) > 100 || !ask.ConsistentRead {
			t.Errorf("%d keys in one request, consistent: %v", len(ask.Keys), ask.ConsistentRead)
		}
		n := min(atMost, len(ask.Keys))
		if calls.Add(1)%3 == 0 {
			n = 0
		}
		items := []map[string]map[string]string{}
		for _, key := range ask.Keys[:n] {
			items = append(items, map[string]map[string]string{"s3_key": key["s3_key"], "md5": {"S": full(1).MD5}})
		}
		out := map[string]any{"Responses": map[string]any{"records": items}, "UnprocessedKeys": map[string]any{}}
		if n < len(ask.Keys) {
			out["UnprocessedKeys"] = map[string]any{"records": map[string]any{"ConsistentRead": true, "Keys": ask.Keys[n:]}}
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(server.Close)
	return server
}

func localEnv(t *testing.T) {
	setEnv(t, []string{
		"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=very-secret", "AWS_SESSION_TOKEN=", "AWS_REGION=us-east-1",
		"AWS_PROFILE=", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	})
}

func TestUnprocessedKeys(t *testing.T) {
	localEnv(t)
	var calls, asked atomic.Int64
	table := open(t, "records", unprocessed(t, 17, &calls).URL, func(o *dynamodb.Options) { o.Throttled = func() { asked.Add(1) } })
	var keys []string
	for i := range 250 {
		keys = append(keys, fmt.Sprint("k", i))
	}
	got, err := table.Get(t.Context(), keys)
	if err != nil || len(got) != len(keys) {
		t.Errorf("%d records of %d, %v", len(got), len(keys), err)
	}
	if n := calls.Load() - 3; asked.Load() != n { // but for the last of each hundred
		t.Errorf("asked for fewer requests %d times, want %d", asked.Load(), n)
	}
	calls.Store(0)
	_, err = open(t, "records", unprocessed(t, 0, &calls).URL).Get(t.Context(), keys[:1])
	if err == nil || !strings.Contains(err.Error(), "throttled") || calls.Load() > 20 {
		t.Errorf("a table that never answers: %v after %d calls", err, calls.Load())
	}
	// One that asks for keys again that it had answered for, or for others.
	calls.Store(0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		left := []map[string]map[string]string{}
		for i := range 5 + 5*(calls.Add(1)%2) {
			left = append(left, map[string]map[string]string{"s3_key": {"S": fmt.Sprint("k", i)}})
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_ = json.NewEncoder(w).Encode(map[string]any{"UnprocessedKeys": map[string]any{"records": map[string]any{"Keys": left}}})
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err = open(t, "records", server.URL).Get(ctx, keys[:20]); err == nil || !strings.Contains(err.Error(), "throttled") || calls.Load() > 40 {
		t.Errorf("a table that never ends: %v after %d calls", err, calls.Load())
	}
}

func TestCheck(t *testing.T) {
	s, faults := serve(t)
	s.CreateTable(t, "records")
	s.CreateTableKeyed(t, "other-key", "id", types.ScalarAttributeTypeS)
	s.CreateTableKeyed(t, "number-key", "s3_key", types.ScalarAttributeTypeN)
	denied := harness.Fault{Status: 400, Code: "AccessDeniedException", Message: "User is not authorized"}
	noDescribe := func(c harness.Call) harness.Fault {
		if c.Op == "DescribeTable" {
			return denied
		}
		return harness.Fault{}
	}
	refuse := func(code string) harness.Rule {
		return func(harness.Call) harness.Fault { return harness.Fault{Status: 400, Code: code, Message: "no"} }
	}
	for _, tt := range []struct {
		name, table string
		rule        harness.Rule
		want        string // "" is success
	}{
		{"there", "records", nil, ""},
		{"there, least rights", "records", noDescribe, ""},
		{"missing", "nowhere", nil, "no such table"},
		{"missing, least rights", "nowhere", noDescribe, "no such table"},
		{"other key", "other-key", nil, "partition key s3_key"},
		{"other key, least rights", "other-key", noDescribe, "partition key s3_key"},
		{"number key", "number-key", nil, "partition key s3_key"},
		{"number key, least rights", "number-key", noDescribe, "partition key s3_key"},
		{"no rights", "records", func(harness.Call) harness.Fault { return denied }, "dynamodb:GetItem"},
		{"unknown access key", "records", refuse("UnrecognizedClientException"), "access key"},
		{"wrong secret", "records", refuse("InvalidSignatureException"), "secret key"},
		{"expired", "records", refuse("ExpiredTokenException"), "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults.SetRule(tt.rule)
			err := open(t, tt.table, faults.Endpoint).Check(t.Context())
			mustSay(t, err, tt.want)
		})
	}
	t.Run("table with a sort key", func(t *testing.T) {
		name := "sorted"
		text := types.ScalarAttributeTypeS
		_, err := s.Client().CreateTable(t.Context(), &sdk.CreateTableInput{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("s3_key"), AttributeType: text}, {AttributeName: aws.String("run"), AttributeType: text}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("s3_key"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("run"), KeyType: types.KeyTypeRange}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := sdk.NewTableExistsWaiter(s.Client()).Wait(t.Context(), &sdk.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
			t.Fatal(err)
		}
		for _, rule := range []harness.Rule{nil, noDescribe} {
			faults.SetRule(rule)
			mustSay(t, open(t, name, faults.Endpoint).Check(t.Context()), "no sort key")
		}
	})
	t.Run("no server", func(t *testing.T) {
		mustSay(t, open(t, "records", "http://"+harness.Port(t)).Check(t.Context()), "can't be reached")
	})
	t.Run("no credentials", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		mustSay(t, open(t, "records", "").Check(t.Context()), "there are no AWS credentials")
	})
	t.Run("table gone in mid-run", func(t *testing.T) {
		table := open(t, "nowhere", "")
		mustSay(t, table.Put(t.Context(), "k", full(1)), "no such table")
		_, err := table.Get(t.Context(), []string{"k"})
		mustSay(t, err, "no such table")
	})
}

// mustSay wants a fatal error of one line that says so, or none if want is empty.
func mustSay(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !pipeline.IsFatal(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v (fatal: %v), want it to say %q", err, pipeline.IsFatal(err), want)
	}
	t.Log(err)
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if secret := os.Getenv(name); err != nil && secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func TestOpen(t *testing.T) {
	localEnv(t)
	for _, table := range []string{"", "ab", "a/b", "näme", strings.Repeat("x", 256), "arn:aws:s3:::bucket"} {
		if _, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: table}); !pipeline.IsFatal(err) {
			t.Errorf("table %q: %v", table, err)
		}
	}
	if _, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: "arn:aws:dynamodb:eu-west-1:123456789012:table/records"}); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	_, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: "records"})
	mustSay(t, err, "no region")
	if _, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: "records", Options: awsconf.Options{Endpoint: "http://127.0.0.1:1"}}); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	localEnv(t)
	reason := errors.New("the user said so")
	hold := make(chan struct{})
	arrived := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-hold
	}))
	defer server.Close()
	defer close(hold)
	table := open(t, "records", server.URL)
	for name, call := range map[string]func(context.Context) error{
		"Check": table.Check,
		"Get":   func(ctx context.Context) error { _, err := table.Get(ctx, []string{"k"}); return err },
		"Put":   func(ctx context.Context) error { return table.Put(ctx, "k", full(1)) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-arrived; cancel(reason) }()
		if err := call(ctx); !errors.Is(err, reason) {
			t.Errorf("%s: %v, want the cause", name, err)
		}
	}
}
