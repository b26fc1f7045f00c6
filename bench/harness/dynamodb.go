package harness

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDBServer is a running DynamoDB server. It checks no credentials and
// never throttles; a FaultProxy does.
type DynamoDBServer struct {
	Endpoint string // http://127.0.0.1:port
	Region   string

	*server
	http *http.Client
}

// DynamoDB starts a DynamoDB server for t.
func DynamoDB(t testing.TB) *DynamoDBServer {
	t.Helper()
	s, err := StartDynamoDB(t.Context())
	return closed(t, s, err)
}

// StartDynamoDB installs the DynamoDB server if need be and starts it. ctx is
// for the start alone; Close stops the server.
func StartDynamoDB(ctx context.Context) (*DynamoDBServer, error) {
	dir, err := installDynalite(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "server.js")
	cmd.Dir = dir
	s := &DynamoDBServer{Region: "us-east-1", http: newHTTPClient()}
	var ready struct{ Endpoint string }
	if s.server, err = start(ctx, "the DynamoDB server", cmd, nil, &ready); err != nil {
		return nil, err
	}
	s.Endpoint = ready.Endpoint
	return s, nil
}

// Close stops the server. It reports a server that had died by itself.
func (s *DynamoDBServer) Close() error {
	s.http.CloseIdleConnections()
	return s.server.Close()
}

// Env gives environment variables with which any AWS client speaks to the
// server. The endpoint is named for DynamoDB alone; beside an S3Server's Env,
// append only the last element, or this one first.
func (s *DynamoDBServer) Env() []string {
	return append(credentialsEnv("firn-test-access", "firn-test-secret", s.Region), "AWS_ENDPOINT_URL_DYNAMODB="+s.Endpoint)
}

// Client gives an SDK client of the server.
func (s *DynamoDBServer) Client() *dynamodb.Client { return s.ClientAt(s.Endpoint) }

// ClientAt is Client for another way to the server, a FaultProxy's say.
func (s *DynamoDBServer) ClientAt(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint,
		HTTPClient:   s.http,
		Region:       s.Region,
		Credentials:  staticCredentials("firn-test-access", "firn-test-secret"),
	})
}

// CreateTable makes a table with the partition key s3_key, a string, as firn
// and the old script want it, and waits until it is active.
func (s *DynamoDBServer) CreateTable(t testing.TB, name string) {
	t.Helper()
	s.CreateTableKeyed(t, name, "s3_key", types.ScalarAttributeTypeS)
}

// CreateTableKeyed makes a table with another partition key.
func (s *DynamoDBServer) CreateTableKeyed(t testing.TB, name, key string, kind types.ScalarAttributeType) {
	t.Helper()
	if err := s.MakeTable(t.Context(), name, key, kind); err != nil {
		t.Fatal(err)
	}
}

// MakeTable makes a table with one partition key, billed by request, and waits
// until it is active.
func (s *DynamoDBServer) MakeTable(ctx context.Context, name, key string, kind types.ScalarAttributeType) error {
	client := s.Client()
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &key, AttributeType: kind}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		return fmt.Errorf("making table %s: %w", name, err)
	}
	// With createTableMs 0 a table is active one turn of the server's loop
	// later: asking again is enough.
	for {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			return fmt.Errorf("waiting for table %s: %w", name, err)
		}
		if out.Table.TableStatus == types.TableStatusActive {
			return nil
		}
	}
}
