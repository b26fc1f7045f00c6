package s3

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/stages/store"
)

func TestClocks(t *testing.T) {
	for ahead, want := range map[time.Duration]store.Level{
		0: store.Fine, -time.Second: store.Fine, 20 * time.Second: store.Fine,
		time.Minute: store.Note, -4 * time.Minute: store.Note,
		10 * time.Minute: store.Wrong, -time.Hour: store.Wrong,
	} {
		f := clock(ahead)
		if f.Level != want {
			t.Errorf("%v ahead: %+v", ahead, f)
		}
		if way := strings.Contains(f.Text, "behind"); f.Level != store.Fine && way != (ahead > 0) {
			t.Errorf("%v ahead: %q", ahead, f.Text)
		}
	}
}

func TestLifecycleRules(t *testing.T) {
	days := func(n int32) *types.LifecycleExpiration { return &types.LifecycleExpiration{Days: &n} }
	below := func(prefix string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: &prefix} }
	tagged := &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("a"), Value: aws.String("b")}}
	to := func(c types.TransitionStorageClass) []types.Transition { return []types.Transition{{StorageClass: c}} }
	abort := func(n int32) *types.AbortIncompleteMultipartUpload {
		return &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &n}
	}
	for name, test := range map[string]struct {
		rule types.LifecycleRule
		want string // levels of what is found
	}{
		"all archives expire": {types.LifecycleRule{Expiration: days(30)}, "wrong"},
		"on a date":           {types.LifecycleRule{Expiration: &types.LifecycleExpiration{Date: aws.Time(time.Unix(2e9, 0))}}, "wrong"},
		"of the prefix":       {types.LifecycleRule{Expiration: days(30), Filter: below("home/")}, "wrong"},
		"below the prefix":    {types.LifecycleRule{Expiration: days(30), Filter: below("home/me/")}, "wrong"},
		//lint:ignore SA1019 rules that were made before there were filters have it
		"an old rule's prefix":          {types.LifecycleRule{Expiration: days(30), Prefix: aws.String("other/")}, ""},
		"beside the prefix":             {types.LifecycleRule{Expiration: days(30), Filter: below("logs/")}, ""},
		"of tags":                       {types.LifecycleRule{Expiration: days(30), Filter: tagged}, ""},
		"delete markers alone":          {types.LifecycleRule{Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}}, ""},
		"older versions":                {types.LifecycleRule{NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(90)}}, "note"},
		"the catalogue gets cold":       {types.LifecycleRule{Transitions: to(types.TransitionStorageClassDeepArchive)}, "wrong"},
		"it gets cheaper, and not cold": {types.LifecycleRule{Transitions: to(types.TransitionStorageClassStandardIa)}, ""},
		"archives alone get cold":       {types.LifecycleRule{Transitions: to(types.TransitionStorageClassGlacier), Filter: below("home/srv/")}, ""},
		"uploads, soon":                 {types.LifecycleRule{AbortIncompleteMultipartUpload: abort(1)}, "note"},
		"uploads":                       {types.LifecycleRule{AbortIncompleteMultipartUpload: abort(30)}, ""},
	} {
		s := &Store{bucket: "b", prefix: "home/"}
		for _, status := range []types.ExpirationStatus{types.ExpirationStatusEnabled, types.ExpirationStatusDisabled} {
			test.rule.Status = status
			found, _ := s.judgeAll([]types.LifecycleRule{test.rule})
			var levels []string
			for _, f := range found {
				levels = append(levels, f.Level.String())
			}
			want := test.want
			if status == types.ExpirationStatusDisabled {
				want = ""
			}
			if got := strings.Join(levels, " "); got != want {
				t.Errorf("%s, %s: %q, not %q: %v", name, status, got, want, found)
			}
		}
	}
}
