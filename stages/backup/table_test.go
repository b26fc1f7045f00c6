package backup_test

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

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/state"
	awslink "firn/stages/store/awsconf"
	table "firn/stages/store/dynamodb"
)

// A tableSite is a site that keeps its records in a table, too.
type tableSite struct {
	*stagestest.Site
	tables *harness.DynamoDBServer
	asked  *harness.FaultProxy // before the table
	name   string
}

func newTableSite(t *testing.T, options ...func(*harness.S3Config)) *tableSite {
	t.Helper()
	s := &tableSite{Site: stagestest.NewSite(t, options...), tables: harness.DynamoDB(t), name: "records"}
	s.tables.CreateTable(t, s.name)
	s.asked = harness.Proxy(t, s.tables.Endpoint)
	records, err := table.Open(t.Context(), table.Options{Table: s.name, Options: awslink.Options{Endpoint: s.asked.Endpoint, MaxBackoff: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	change := s.Change
	s.Change = func(b *backup.Options) {
		change(b)
		b.Table = records
	}
	return s
}

// rows are the table's items, by key.
func (s *tableSite) rows() map[string]map[string]types.AttributeValue {
	s.T.Helper()
	out, err := s.tables.Client().Scan(s.T.Context(), &dynamodb.ScanInput{TableName: &s.name})
	if err != nil {
		s.T.Fatal(err)
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
	s.T.Helper()
	_, err := s.tables.Client().DeleteItem(s.T.Context(), &dynamodb.DeleteItemInput{
		TableName: &s.name, Key: map[string]types.AttributeValue{"s3_key": &types.AttributeValueMemberS{Value: s.KeyOf(sub)}},
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

func (s *tableSite) dropObject(sub string) {
	s.T.Helper()
	s.Delete(s.KeyOf(sub), "")
}

// agree makes sure that each object has its row, with the same md5, and that
// there are no others.
func (s *tableSite) agree() {
	s.T.Helper()
	rows, objects := s.rows(), s.Objects()
	for name, o := range objects {
		if got := text(rows[name]["md5"]); got != o.Meta["md5"] {
			s.T.Errorf("%s: md5 %q in the table, %q with the object", name, got, o.Meta["md5"])
		}
	}
	if len(rows) != len(objects) {
		s.T.Errorf("%d rows for %d objects: %q", len(rows), len(objects), slices.Sorted(maps.Keys(rows)))
	}
}

// An operator rewrote an object in place, so that it has another version: the next run writes that
// to the table and to the catalogue, and asks for it once.
func TestRowOfWhatWasRewritten(t *testing.T) {
	s := newTableSite(t, harness.Versioning())
	s.PlantSmall(12, 1<<20)
	all := s.MustBackup().Totals.Saved.Load()
	key := s.KeyOf("d1")
	s.Rewrite(key)
	// It was stored an hour ago, for what happens within a second is not told apart.
	s.Misremember("d1", func(e *state.Entry) { e.Record.Saved = e.Record.Saved.Add(-time.Hour) })
	for _, heads := range []int64{1, 0} {
		o := s.MustBackup()
		if n := s.Server.Count("HeadObject") - recoveryFiles; o.Totals.Unchanged.Load() != all || n != heads {
			t.Errorf("%d of %d subtrees are unchanged, %d keys were asked for, not %d", o.Totals.Unchanged.Load(), all, n, heads)
		}
		now, err := s.Store.Head(t.Context(), key, "")
		s.Must(err)
		_, lines := s.Lines()
		if got := text(s.rows()[key]["firn-version-id"]); got != now.Version || lines[key].Version != now.Version || lines[key].Class != "STANDARD_IA" {
			t.Errorf("the row has version %s, the line is %+v, the object %+v", got, lines[key], now)
		}
	}
}

func TestRecordsInATable(t *testing.T) {
	s := newTableSite(t)
	s.PlantSmall(11, 10_000)
	first := s.MustBackup()
	all := first.Totals.Saved.Load()
	s.agree()
	if n := s.asked.Count("BatchGetItem") + s.asked.Count("GetItem"); n != 0 {
		t.Errorf("a first run into an empty bucket asked the table %d times", n)
	}
	before := s.ETags()

	// Nothing changed: neither the table nor the bucket is asked for a key.
	s.asked.ResetCounts()
	second := s.MustBackup()
	if archived(second) != 0 || second.Totals.Unchanged.Load() != all {
		t.Errorf("nothing changed, and %d archives were made", archived(second))
	}
	if s.asked.Count("BatchGetItem")+s.asked.Count("GetItem")+s.asked.Count("PutItem") != 0 {
		t.Errorf("the table was asked %d times for many, %d for one, and told %d times", s.asked.Count("BatchGetItem"), s.asked.Count("GetItem"), s.asked.Count("PutItem"))
	}
	if n := s.Server.Count("HeadObject"); n != recoveryFiles {
		t.Errorf("%d keys were asked for one by one", n-recoveryFiles)
	}
	checkChanged(s.Site, before)

	part := func(name string, test func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			defer func(whole testing.TB) { s.T = whole }(s.T)
			s.T = t
			test(t)
		})
	}
	part("row without object", func(t *testing.T) {
		s.dropObject("d1")
		if o := s.MustBackup(); o.Totals.Saved.Load() != 1 {
			t.Errorf("%d objects were stored again", o.Totals.Saved.Load())
		}
		s.agree()
		s.CheckArchives()
	})
	part("object without row", func(t *testing.T) {
		before := s.ETags()
		s.dropRow("d2")
		if o := s.MustBackup(func(b *backup.Options) { b.ForceRead = true }); o.Totals.Identical.Load() != all {
			t.Errorf("saved %d, identical %d", o.Totals.Saved.Load(), o.Totals.Identical.Load())
		}
		checkChanged(s.Site, before)
		s.agree()
	})
	part("the old script's row", func(t *testing.T) {
		before := s.ETags()
		name := s.KeyOf("d3")
		_, err := s.tables.Client().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.name, Item: map[string]types.AttributeValue{
			"s3_key": &types.AttributeValueMemberS{Value: name}, "md5": s.rows()[name]["md5"],
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.Cache); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(s.Cache, 0o755); err != nil {
			t.Fatal(err)
		}
		if o := s.MustBackup(); o.Totals.Identical.Load() != all {
			t.Errorf("%d of %d archives were found identical", o.Totals.Identical.Load(), all)
		}
		checkChanged(s.Site, before)
	})
	part("throttled", func(t *testing.T) {
		stagestest.Write(t, filepath.Join(s.Tree, "d0", "sub", "text"), strings.Repeat("new ", 100))
		s.asked.ResetCounts()
		s.asked.SetRule(func(c harness.Call) harness.Fault {
			if c.Number < 3 {
				return harness.Throttled()
			}
			return harness.Fault{}
		})
		defer s.asked.SetRule(nil)
		if o := s.MustBackup(); o.Totals.Saved.Load() != 1 {
			t.Errorf("%d objects were stored", o.Totals.Saved.Load())
		}
		s.agree()
	})
	part("row not written", func(t *testing.T) {
		stagestest.Write(t, filepath.Join(s.Tree, "d0", "sub", "text"), "newer")
		s.asked.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == "PutItem" {
				return harness.Fault{Status: 400, Code: "AccessDeniedException", Message: "not you"}
			}
			return harness.Fault{}
		})
		if o := s.Backup(); o.Err == nil && o.Complete(&o.Totals) {
			t.Errorf("a row could not be written, and the run called itself complete: %v", o.Events)
		}
		s.asked.SetRule(nil)
		before := s.ETags()
		s.MustBackup()
		checkChanged(s.Site, before)
		s.agree()
	})
}
