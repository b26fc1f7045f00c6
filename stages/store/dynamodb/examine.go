package dynamodb

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"firn/stages/store"
	"firn/stages/store/awsconf"
)

var _ store.Examiner = (*Table)(nil)

// Examine asks for the table, and tries each right on an item that is not there. Nothing is written:
// the item would have to be there already.
func (t *Table) Examine(ctx context.Context, say func(store.Finding)) bool {
	const what = "table"
	if err := t.Check(ctx); err != nil {
		say(store.Finding{What: what, Level: store.Wrong, Err: err})
		return false
	}
	say(store.Finding{What: what, Text: t.URL() + " exists, with the key that records need"})
	rights := []func() error{
		func() error { return t.fault(ctx, "reading a record from", "dynamodb:GetItem", t.askNothing(ctx)) },
		func() error {
			_, err := t.Get(ctx, []string{absent})
			return err
		},
		func() error { return t.fault(ctx, "putting a record into", "dynamodb:PutItem", t.putNothing(ctx)) },
	}
	all := true
	for _, try := range rights {
		if err := try(); err != nil {
			all = false
			say(store.Finding{What: "table rights", Level: store.Wrong, Err: err})
		}
	}
	if all {
		say(store.Finding{What: "table rights", Text: "records may be read and written"})
	}
	return all
}

// putNothing puts an item on a condition that does not hold.
func (t *Table) putNothing(ctx context.Context) error {
	_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.name, Item: keyOf(absent), ConditionExpression: aws.String("attribute_exists(#k) AND attribute_exists(#n)"),
		ExpressionAttributeNames: map[string]string{"#k": partitionKey, "#n": "firn-never"},
		ReturnValues:             types.ReturnValueNone,
	})
	if awsconf.Code(err) == "ConditionalCheckFailedException" {
		return nil
	}
	return err
}
