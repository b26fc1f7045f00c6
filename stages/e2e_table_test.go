package stages_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/stages"
	"firn/stages/format/key"
	awslink "firn/stages/store/awsconf"
	table "firn/stages/store/dynamodb"
)

// A tableSite is a site that keeps its records in a table, too.
type tableSite struct {
	*site
	tables *harness.DynamoDBServer
	asked  *harness.FaultProxy // before the table
	name   string
}

func newTableSite(t *testing.T) *tableSite {
	t.Helper()
	s := &tableSite{site: newSite(t), tables: harness.DynamoDB(t), name: "records"}
	s.tables.CreateTable(t, s.name)
	s.asked = harness.Proxy(t, s.tables.Endpoint)
	records, err := table.Open(t.Context(), table.Options{Table: s.name, Options: awslink.Options{Endpoint: s.asked.Endpoint, MaxBackoff: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	change := s.change
	s.change = func(b *stages.Backup) {
		change(b)
		b.Table = records
	}
	return s
}

// keyOf is the key of a subtree.
func (s *tableSite) keyOf(sub string) string {
	name, _ := key.For("", filepath.Join(s.tree, sub), "tar.gz")
	return name
}

// rows are the table's items, by key.
func (s *tableSite) rows() map[string]map[string]types.AttributeValue {
	s.t.Helper()
	out, err := s.tables.Client().Scan(s.t.Context(), &dynamodb.ScanInput{TableName: &s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	rows := map[string]map[string]types.AttributeValue{}
	for _, item := range out.Items {
		rows[text(item["s3_key"])] = item
	}
	return rows
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func (s *tableSite) dropRow(sub string) {
	s.t.Helper()
	_, err := s.tables.Client().DeleteItem(s.t.Context(), &dynamodb.DeleteItemInput{
		TableName: &s.name, Key: map[string]types.AttributeValue{"s3_key": &types.AttributeValueMemberS{Value: s.keyOf(sub)}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *tableSite) dropObject(sub string) {
	s.t.Helper()
	name := s.keyOf(sub)
	if _, err := s.server.Client().DeleteObject(s.t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &name}); err != nil {
		s.t.Fatal(err)
	}
}

// agree makes sure that each object has its row, with the same md5, and that
// there are no others.
func (s *tableSite) agree() {
	s.t.Helper()
	rows, objects := s.rows(), s.objects()
	for name, o := range objects {
		if got := text(rows[name]["md5"]); got != o.Meta["md5"] {
			s.t.Errorf("%s: md5 %q in the table, %q with the object", name, got, o.Meta["md5"])
		}
	}
	if len(rows) != len(objects) {
		s.t.Errorf("%d rows for %d objects: %q", len(rows), len(objects), slices.Sorted(maps.Keys(rows)))
	}
}

func TestRecordsInATable(t *testing.T) {
	s := newTableSite(t)
	s.plant(11)
	first := s.done()
	all := first.totals.Saved.Load()
	s.agree()
	if n := s.asked.Count("BatchGetItem") + s.asked.Count("GetItem"); n != 0 {
		t.Errorf("a first run into an empty bucket asked the table %d times", n)
	}
	before := s.etags()

	// Nothing changed: the table is asked for many keys at once, the bucket for none.
	s.asked.ResetCounts()
	second := s.done()
	if second.archived() != 0 || second.totals.Unchanged.Load() != all {
		t.Errorf("nothing changed, and %d archives were made", second.archived())
	}
	if s.asked.Count("BatchGetItem") == 0 || s.asked.Count("GetItem")+s.asked.Count("PutItem") != 0 {
		t.Errorf("the table was asked %d times for many, %d for one, and told %d times", s.asked.Count("BatchGetItem"), s.asked.Count("GetItem"), s.asked.Count("PutItem"))
	}
	if n := s.server.Count("HeadObject"); n != recoveryFiles {
		t.Errorf("%d keys were asked for one by one", n-recoveryFiles)
	}
	s.changed(before)

	part := func(name string, test func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			defer func(whole testing.TB) { s.t = whole }(s.t)
			s.t = t
			test(t)
		})
	}
	part("row without object", func(t *testing.T) {
		s.dropObject("d1")
		if o := s.done(); o.totals.Saved.Load() != 1 {
			t.Errorf("%d objects were stored again", o.totals.Saved.Load())
		}
		s.agree()
		s.same()
	})
	part("object without row", func(t *testing.T) {
		before := s.etags()
		s.dropRow("d2")
		if o := s.done(); o.archived() != 0 || o.totals.Unchanged.Load() != all { // the object itself tells as much
			t.Errorf("saved %d, identical %d", o.totals.Saved.Load(), o.totals.Identical.Load())
		}
		s.changed(before)
		s.agree()
	})
	part("the old script's row", func(t *testing.T) {
		before := s.etags()
		name := s.keyOf("d3")
		_, err := s.tables.Client().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.name, Item: map[string]types.AttributeValue{
			"s3_key": &types.AttributeValueMemberS{Value: name}, "md5": s.rows()[name]["md5"],
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.cache); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(s.cache, 0o755); err != nil {
			t.Fatal(err)
		}
		if o := s.done(); o.totals.Identical.Load() != all {
			t.Errorf("%d of %d archives were found identical", o.totals.Identical.Load(), all)
		}
		s.changed(before)
	})
	part("throttled", func(t *testing.T) {
		write(t, filepath.Join(s.tree, "d0", "sub", "text"), strings.Repeat("new ", 100))
		s.asked.ResetCounts()
		s.asked.SetRule(func(c harness.Call) harness.Fault {
			if c.Number < 3 {
				return harness.Throttled()
			}
			return harness.Fault{}
		})
		defer s.asked.SetRule(nil)
		if o := s.done(); o.totals.Saved.Load() != 1 {
			t.Errorf("%d objects were stored", o.totals.Saved.Load())
		}
		s.agree()
	})
	part("row not written", func(t *testing.T) {
		write(t, filepath.Join(s.tree, "d0", "sub", "text"), "newer")
		s.asked.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == "PutItem" {
				return harness.Fault{Status: 400, Code: "AccessDeniedException", Message: "not you"}
			}
			return harness.Fault{}
		})
		if o := s.run(); o.Err == nil && o.Complete(&o.totals) {
			t.Errorf("a row could not be written, and the run called itself complete: %v", o.events)
		}
		s.asked.SetRule(nil)
		before := s.etags()
		s.done()
		s.changed(before)
		s.agree()
	})
}
