package attackers_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"firn/bench/harness"
)

// TestForgedRows: no row makes firn skip, believe or restore anything that the state file or a run does
// not know. The worst that a row does is that an archive counts as adopted until it was read.
func TestForgedRows(t *testing.T) {
	tables := harness.DynamoDB(t)
	tables.CreateTable(t, "records")
	h := newHost(t, "s3")
	h.night()
	client, table := tables.Client(), "records"
	withTable := func() said {
		h.settle()
		return h.backup("--dynamodb-table-name", table, "--dynamodb-endpoint-url", tables.Endpoint)
	}
	withTable().exits(0)
	row := func(key string, change func(map[string]types.AttributeValue)) {
		name := map[string]types.AttributeValue{"s3_key": &types.AttributeValueMemberS{Value: key}}
		out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: name})
		h.must(err)
		item := maps.Clone(out.Item)
		change(item)
		_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item})
		h.must(err)
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	forgeries := map[string]func(map[string]types.AttributeValue){
		"an MD5 alone": func(m map[string]types.AttributeValue) {
			maps.DeleteFunc(m, func(name string, _ types.AttributeValue) bool { return name != "s3_key" && name != "md5" })
		},
		"no ETag":           func(m map[string]types.AttributeValue) { delete(m, "firn-etag") },
		"another HMAC":      func(m map[string]types.AttributeValue) { m["firn-hmac-sha256"] = text(strings.Repeat("ab", 32)) },
		"another ETag":      func(m map[string]types.AttributeValue) { m["firn-etag"] = text(strings.Repeat("ab", 16)) },
		"a foreign key id":  func(m map[string]types.AttributeValue) { m["firn-key-id"] = text(foreign) },
		"names of commands": func(m map[string]types.AttributeValue) { m["firn-version-id"] = text("\x1b]0;$(touch pwned)\x07") },
	}
	for name, forge := range forgeries {
		row(archive("d1"), forge)
		withTable().exits(0).about("tree/d1", "").has("4 unchanged and not read").lacks(`[\x00-\x09\x0b-\x1f]`)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	h.healthy()

	// An object that somebody replaced, with a row that fits it.
	o, body := h.object(archive("d1"))
	o = h.put(archive("d1"), spliced(body), o.Meta)
	row(archive("d1"), func(m map[string]types.AttributeValue) { m["firn-etag"] = text(o.ETag) })
	withTable().exits(0).about("tree/d1", again.line)
	h.healthy()

	// The same, where neither the state file nor a run is left: by metadata and row alone nothing is proven.
	o, body = h.object(archive("d1"))
	o = h.put(archive("d1"), spliced(body), o.Meta)
	row(archive("d1"), func(m map[string]types.AttributeValue) { m["firn-etag"] = text(o.ETag) })
	h.must(os.RemoveAll(h.cache))
	h.forget(".firn/")
	withTable().has(`(?i)adopted`)
	h.verify("").has(`(?i)adopted`)
	target, s := h.restore()
	s.exits(3).about("tree/d1", notKept.line)
	h.missing(filepath.Join(target, "d1"))
	h.verify("--read-data").exits(3).about("tree/d1", content.line)
}
