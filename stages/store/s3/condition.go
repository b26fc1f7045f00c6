package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// ifNew is the condition that no object has the key (S3 user guide, "Conditional writes").
func ifNew(o store.PutOptions) *string {
	if !o.New {
		return nil
	}
	return aws.String("*")
}

// noCondition reports whether a server refused what must be new because it knows no conditions: then
// it is stored without one.
func noCondition(o store.PutOptions, err error) bool {
	return o.New && err != nil && (awsconf.Code(err) == "NotImplemented" || awsconf.Status(err) == 501)
}
