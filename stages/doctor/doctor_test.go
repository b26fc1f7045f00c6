package doctor_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/doctor"
	"firn/stages/format/codec"
	"firn/stages/format/record"
	"firn/stages/service/spool"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/dynamodb"
)

// examined runs a doctor and returns what is found, as "level what: text".
func examined(t *testing.T, r *stagestest.Rig, table record.Table) (found []string) {
	t.Helper()
	format, err := codec.New("gzip", 1)
	r.Must(err)
	wrong, err := doctor.Run(t.Context(), doctor.Options{
		Store: r.Store, Table: table, Keyfile: r.Keyfile, Cache: r.Cache, Class: store.ClassStandard, Format: format,
		Free: func(string) (uint64, error) { return 1 << 40, nil }, Bytes: func(n int64) string { return fmt.Sprint(n, " B") },
		Scratch: func() (*os.File, error) { return spool.Scratch("") },
		Say: func(f store.Finding) {
			text := f.Text
			if f.Err != nil {
				text += f.Err.Error()
			}
			found = append(found, fmt.Sprintf("%s %s: %s", f.Level, f.What, text))
		},
	})
	r.Must(err)
	bad := slices.DeleteFunc(slices.Clone(found), func(f string) bool { return !strings.HasPrefix(f, "wrong") })
	if len(bad) != wrong {
		t.Errorf("%d are wrong: %q", wrong, found)
	}
	return found
}

func without(found []string, level string) []string {
	return slices.DeleteFunc(slices.Clone(found), func(f string) bool { return strings.HasPrefix(f, level+" ") })
}

// Of a bucket in which all is as it should be nothing is wrong, and nothing is left in it. Each right
// that is missing is named.
func TestRights(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	s.PlantSmall(7, 1000)
	s.MustBackup()
	before := s.Objects()
	found := examined(t, s.Rig, nil)
	if bad := without(without(found, "ok"), "note"); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
	for _, want := range []string{"ok key file: ", "ok openssl: ", "ok tar: ", "ok bucket: ", "ok clock: ", "ok versioning: ", "ok rights: ", "ok catalogue: runs: 1", "ok room: "} {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("%q is missing in %q", want, found)
		}
	}
	for op, right := range map[string]string{
		"ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads", "HeadObject": "s3:GetObject", "GetObject": "s3:GetObject",
		"RestoreObject": "s3:RestoreObject", "CreateMultipartUpload": "s3:PutObject", "ListParts": "s3:ListMultipartUploadParts",
	} {
		s.Proxy.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == op {
				return harness.AccessDenied()
			}
			return harness.Fault{}
		})
		found := examined(t, s.Rig, nil)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, "wrong ") && strings.Contains(f, right) }) {
			t.Errorf("%s is denied: %q", op, without(found, "ok"))
		}
		s.Proxy.SetRule(nil)
	}
	if n := s.UnfinishedUploads(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
	s.Proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "AbortMultipartUpload" {
			return harness.AccessDenied()
		}
		return harness.Fault{}
	})
	if found := examined(t, s.Rig, nil); !slices.ContainsFunc(found, func(f string) bool {
		return strings.HasPrefix(f, "wrong rights: aborting") && strings.Contains(f, "s3:AbortMultipartUpload")
	}) {
		t.Errorf("an upload can't be aborted: %q", without(found, "ok"))
	}
	s.Proxy.SetRule(nil)
	if after := s.Objects(); len(after) != len(before) {
		t.Errorf("%d objects, and there were %d", len(after), len(before))
	}
}

func TestTable(t *testing.T) {
	r := stagestest.NewRig(t)
	db := harness.DynamoDB(t)
	for _, v := range db.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	proxy := harness.Proxy(t, db.Endpoint)
	options := awsconf.Options{Endpoint: proxy.Endpoint, MaxBackoff: time.Millisecond, RetryFor: time.Second}
	open := func(name string) *dynamodb.Table {
		table, err := dynamodb.Open(t.Context(), dynamodb.Options{Options: options, Table: name})
		r.Must(err)
		return table
	}
	const name = "records"
	db.CreateTable(t, name)
	if bad := without(without(examined(t, r, open(name)), "ok"), "note"); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
	for _, op := range []string{"BatchGetItem", "PutItem", "GetItem"} {
		proxy.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == op {
				return harness.Fault{Status: 400, Code: "AccessDeniedException"}
			}
			return harness.Fault{}
		})
		found := without(examined(t, r, open(name)), "ok")
		if !slices.ContainsFunc(found, func(f string) bool {
			return strings.HasPrefix(f, "wrong table rights") && strings.Contains(f, "dynamodb:"+op)
		}) {
			t.Errorf("%s is denied: %q", op, found)
		}
	}
	proxy.SetRule(nil)
	if found := examined(t, r, open("no-such-table")); !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, "wrong table: ") }) {
		t.Errorf("%q", found)
	}
	records, err := open(name).Get(t.Context(), []string{"firn asks whether this table is there"})
	if err != nil || len(records) != 0 {
		t.Errorf("%v, %v", records, err)
	}
}
