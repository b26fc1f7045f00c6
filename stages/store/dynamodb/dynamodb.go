// Package dynamodb keeps records in a DynamoDB table: partition key s3_key, attribute md5, as the
// old script wrote them, and firn's own attributes. It needs the rights GetItem, BatchGetItem and
// PutItem on the table.
package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"firn/pipeline"
	"firn/stages/format/record"
	"firn/stages/store/awsconf"
)

// Options say which table, and how to get there.
type Options struct {
	awsconf.Options

	Table string // its name or ARN
}

// Table is a DynamoDB table. It implements record.Table.
type Table struct {
	client  *dynamodb.Client
	name    string
	region  string
	access  awsconf.Client
	backoff retry.BackoffDelayer // between answers that left keys out
	asked   func()               // called when the table asks for fewer requests
}

var _ record.Table = (*Table)(nil)

// Errors that callers match with errors.Is.
var (
	// ErrNoRegion: neither the options nor the environment nor the profile name a region.
	ErrNoRegion = errors.New("no region is set")
	// ErrNoTable: the region has no such table.
	ErrNoTable = errors.New("there is no such table")
)

const (
	partitionKey = "s3_key"
	batch        = 100                                     // keys in one BatchGetItem (DynamoDB API reference)
	absent       = "firn asks whether this table is there" // the key of no item
)

// nameForm is that of table names and of tables' ARNs (DynamoDB API reference, BatchGetItem).
var nameForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-zA-Z0-9_.-]{3,255}|arn:[a-z0-9-]+:dynamodb:[a-z0-9-]+:[0-9]+:table/[a-zA-Z0-9_.-]{3,255})$`)
})

// CheckTable returns an error unless name can be a table's.
func CheckTable(name string) error {
	if nameForm().MatchString(name) {
		return nil
	}
	return fmt.Errorf("DynamoDB table name %q: it must have 3 to 255 of a-z, A-Z, 0-9, '_', '.' and '-'", name)
}

// Open loads the AWS settings. Only Check asks the table. When ctx ends, outages are not waited out any
// more. Errors are marked with pipeline.Fatal.
func Open(ctx context.Context, o Options) (*Table, error) {
	if err := CheckTable(o.Table); err != nil {
		return nil, pipeline.Fatal(err)
	}
	cfg, weather, err := awsconf.Load(ctx, o.Options)
	if err != nil {
		return nil, fmt.Errorf("opening dynamodb://%s: %w", o.Table, err)
	}
	client := newClient(cfg, o.Endpoint)
	endpoint := aws.ToString(client.Options().BaseEndpoint)
	if err := (awsconf.Options{Endpoint: endpoint}).Check(); err != nil { // AWS_ENDPOINT_URL
		return nil, pipeline.Fatal(fmt.Errorf("opening dynamodb://%s: %w", o.Table, err))
	}
	if cfg.Region == "" {
		if endpoint == "" {
			return nil, pipeline.Fatal(fmt.Errorf("opening dynamodb://%s: %w", o.Table, ErrNoRegion))
		}
		cfg.Region = "us-east-1" // any will do for a server that is not AWS
		client = newClient(cfg, o.Endpoint)
	}
	t := &Table{
		client: client, name: o.Table, region: cfg.Region, access: awsconf.NewClient(cfg, endpoint),
		backoff: retry.NewExponentialJitterBackoff(cmp.Or(o.MaxBackoff, retry.DefaultMaxBackoff)),
		asked:   o.Throttled,
	}
	if t.asked == nil {
		t.asked = func() {}
	}
	weather.Watch("DynamoDB", endpoint, func(ctx context.Context) error {
		return t.askNothing(ctx, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	})
	return t, nil
}

// Exposes reports whether a session token goes over plain http to another machine.
func (t *Table) Exposes(ctx context.Context) bool { return t.access.Exposes(ctx) }

func newClient(cfg aws.Config, endpoint string) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})
}

// URL is "dynamodb://table".
func (t *Table) URL() string { return "dynamodb://" + t.name }

// Get reads consistently, so that what the last run put is seen.
func (t *Table) Get(ctx context.Context, keys []string) (map[string]record.Record, error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	records := make(map[string]record.Record, len(keys))
	for some := range slices.Chunk(keys, batch) {
		if err := t.getBatch(ctx, some, records); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// maxEmpty is how many answers in a row may leave as many keys out as before until the table is given
// up.
const maxEmpty = 10

func (t *Table) getBatch(ctx context.Context, keys []string, records map[string]record.Record) error {
	wanted := make([]map[string]types.AttributeValue, len(keys))
	for i, key := range keys {
		wanted[i] = keyOf(key)
	}
	ask := map[string]types.KeysAndAttributes{t.name: {Keys: wanted, ConsistentRead: aws.Bool(true)}}
	empty, least := 0, len(keys) // that were left out
	for len(ask) > 0 {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: ask})
		if err != nil {
			return t.fault(ctx, "reading records from", "dynamodb:BatchGetItem", err)
		}
		for _, items := range out.Responses { // of this one table, by its name even if asked for by ARN
			for _, item := range items {
				if key, r, ok := recordOf(item); ok {
					records[key] = r
				}
			}
		}
		empty++
		if n := left(out.UnprocessedKeys); n < least {
			empty, least = 1, n
		}
		if ask = out.UnprocessedKeys; len(ask) == 0 {
			return nil
		}
		if empty > maxEmpty {
			return fmt.Errorf("reading records from %s: the table is throttled: %d times in a row it answered for none of %d keys; raise its capacity, or let it bill by request", t.URL(), maxEmpty, left(ask))
		}
		if err := t.wait(ctx, empty); err != nil {
			return fmt.Errorf("reading records from %s: %w", t.URL(), err)
		}
	}
	return nil
}

func left(ask map[string]types.KeysAndAttributes) int {
	n := 0
	for _, k := range ask {
		n += len(k.Keys)
	}
	return n
}

// wait lets a throttled table rest.
func (t *Table) wait(ctx context.Context, attempt int) error {
	t.asked()
	delay, err := t.backoff.BackoffDelay(attempt, nil)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(delay):
		return nil
	}
}

// Put writes the whole item.
func (t *Table) Put(ctx context.Context, key string, r record.Record) error {
	item := keyOf(key)
	for _, a := range r.Attributes() {
		if a.Number {
			item[a.Name] = &types.AttributeValueMemberN{Value: a.Value}
		} else {
			item[a.Name] = &types.AttributeValueMemberS{Value: a.Value}
		}
	}
	_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.name, Item: item})
	if err != nil {
		return t.fault(ctx, "putting the record of "+key+" into", "dynamodb:PutItem", err)
	}
	return nil
}

func keyOf(key string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{partitionKey: &types.AttributeValueMemberS{Value: key}}
}

// recordOf reads an item; false if it says nothing that could be understood.
func recordOf(item map[string]types.AttributeValue) (string, record.Record, bool) {
	key, ok := item[partitionKey].(*types.AttributeValueMemberS)
	if !ok {
		return "", record.Record{}, false
	}
	attributes := make([]record.Attribute, 0, len(item))
	for name, value := range item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			attributes = append(attributes, record.Attribute{Name: name, Value: v.Value})
		case *types.AttributeValueMemberN:
			attributes = append(attributes, record.Attribute{Name: name, Value: v.Value, Number: true})
		}
	}
	r, err := record.FromAttributes(attributes)
	return key.Value, r, err == nil && r != record.Record{}
}

// Check describes the table, or, where the rights do not go as far, asks it for one item.
func (t *Table) Check(ctx context.Context) error {
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	switch {
	case err == nil:
		err = t.checkTable(out.Table)
	case awsconf.Code(err) == "AccessDeniedException" && ctx.Err() == nil:
		err = t.probe(ctx)
	default:
		err = t.fault(ctx, "asking", "dynamodb:DescribeTable", err)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return pipeline.Fatal(err)
}

func (t *Table) checkTable(d *types.TableDescription) error {
	switch d.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating, "":
	default:
		return fmt.Errorf("the table %s is %s: wait until it is ACTIVE, or repair it", t.name, d.TableStatus)
	}
	if len(d.KeySchema) != 1 || aws.ToString(d.KeySchema[0].AttributeName) != partitionKey {
		return t.wrongSchema()
	}
	for _, a := range d.AttributeDefinitions {
		if aws.ToString(a.AttributeName) == partitionKey && a.AttributeType != types.ScalarAttributeTypeS {
			return t.wrongSchema()
		}
	}
	return nil
}

func (t *Table) wrongSchema() error {
	return fmt.Errorf("the table %s has another key: firn needs the partition key %s, a string, and no sort key; use another table, or create one", t.name, partitionKey)
}

// askNothing asks for an item that is not there.
func (t *Table) askNothing(ctx context.Context, options ...func(*dynamodb.Options)) error {
	_, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(absent)}, options...)
	return err
}

// probe asks for an item that is not there, which fails if the table or its key is wrong.
func (t *Table) probe(ctx context.Context) error {
	err := t.askNothing(ctx)
	if awsconf.Code(err) == "ValidationException" {
		return fmt.Errorf("%w (%w)", t.wrongSchema(), awsconf.Brief(err))
	}
	return t.fault(ctx, "asking", "dynamodb:GetItem", err)
}

// fault says what err means: a fault of the run, or of this request.
func (t *Table) fault(ctx context.Context, doing, action string, err error) error {
	if err == nil {
		return nil
	}
	said := func(err error) error { return fmt.Errorf("%s %s: %w", doing, t.URL(), err) }
	if out, ok := errors.AsType[*awsconf.OutageError](err); ok && out.Busy && ctx.Err() == nil {
		return pipeline.Fatal(said(fmt.Errorf("%w; the table is throttled: raise its capacity, or let it bill by request", out)))
	}
	if explained, ok := t.access.Explain(ctx, err); ok {
		return said(explained)
	}
	brief := awsconf.Brief(err)
	switch awsconf.Code(err) {
	case "ResourceNotFoundException":
		return pipeline.Fatal(said(fmt.Errorf("%w; %w in the region %s: check its name and the account, or create it with the partition key %s (a string)", brief, ErrNoTable, t.region, partitionKey)))
	case "AccessDeniedException":
		return pipeline.Fatal(said(fmt.Errorf("%w; these credentials need the right %s on the table", brief, action)))
	case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded":
		return said(fmt.Errorf("%w; the table is throttled: raise its capacity, or let it bill by request", brief))
	}
	if advice := awsconf.LinkAdvice(err); advice != "" {
		brief = fmt.Errorf("%w; %s", brief, advice)
	}
	return said(brief)
}
