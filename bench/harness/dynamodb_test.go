package harness_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"firn/bench/harness"
)

func item(key, md5 string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"s3_key": &types.AttributeValueMemberS{Value: key},
		"md5":    &types.AttributeValueMemberS{Value: md5},
	}
}

func TestDynamoDB(t *testing.T) {
	db := harness.DynamoDB(t)
	client := db.Client()
	table := "firn-test"
	db.CreateTable(t, table)
	var keys []map[string]types.AttributeValue
	for i := range 100 {
		key := fmt.Sprintf("a/%d \n%%", i)
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item(key, fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, map[string]types.AttributeValue{"s3_key": &types.AttributeValueMemberS{Value: key}})
	}
	out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{table: {Keys: keys}},
	})
	if err != nil || len(out.Responses[table]) != 100 || len(out.UnprocessedKeys) != 0 {
		t.Errorf("%d items, %v", len(out.Responses[table]), err)
	}
	_, err = client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: new("missing"), Key: keys[0]})
	wantCode(t, "get from no table", err, "ResourceNotFoundException")
	db.CreateTableKeyed(t, "other-key", "id", types.ScalarAttributeTypeN)
	_, err = client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: new("other-key"), Key: keys[0]})
	wantCode(t, "get by another key", err, "ValidationException")
}

// TestDynamoDBKeepsConnections that are idle: a request on one that it is closing is lost, and sent
// again, which counts twice.
func TestDynamoDBKeepsConnections(t *testing.T) {
	answer, err := http.Get(harness.DynamoDB(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if limit := answer.Header.Get("Keep-Alive"); limit != "" || answer.Close {
		t.Errorf("it keeps an idle connection for %q, close %v", limit, answer.Close)
	}
}

func TestProxyThrottlesDynamoDB(t *testing.T) {
	db := harness.DynamoDB(t)
	table := "firn-test"
	db.CreateTable(t, table)
	proxy := harness.Proxy(t, db.Endpoint)
	client := dynamodb.New(db.ClientAt(proxy.Endpoint).Options(), func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	put := func() error {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("k", "abc")})
		return err
	}
	proxy.SetRule(once("PutItem", harness.Throttled()))
	wantCode(t, "first", put(), "ProvisionedThroughputExceededException")
	wantCode(t, "second", put(), "")
	if n := proxy.Count("PutItem"); n != 2 {
		t.Errorf("%d calls", n)
	}
}
