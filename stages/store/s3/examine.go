package s3

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/stages/store"
	"firn/stages/store/awsconf"
)

var _ store.Examiner = (*Store)(nil)

// Differences between the clocks. AWS refuses requests that are more than 15 minutes off.
const (
	odd    = 30 * time.Second
	skewed = 5 * time.Minute
)

// Examine asks for the credentials, the region, the bucket's clock and its settings. What this user has
// no right to ask for is told, and is no fault: a backup does not need it.
func (s *Store) Examine(ctx context.Context, say func(store.Finding)) bool {
	text, fixed, err := s.access.Credentials(ctx)
	switch {
	case err != nil:
		say(store.Finding{What: "credentials", Level: store.Wrong, Err: err})
		return false
	case fixed:
		say(store.Finding{What: "credentials", Level: store.Note, Text: text + ", with a session token that nothing renews: a run that takes longer than it ends with an error"})
	default:
		say(store.Finding{What: "credentials", Text: text})
	}
	region := s.region
	if s.access.Endpoint != "" {
		region += ", at " + s.access.Endpoint
	}
	say(store.Finding{What: "region", Text: region})
	page, err := s.first(ctx)
	if err == nil {
		err = s.checkPage(page)
	} else {
		err = s.fault(ctx, listing, s.URL(), err)
	}
	if err != nil {
		say(store.Finding{What: "bucket", Level: store.Wrong, Err: err})
		return false
	}
	say(store.Finding{What: "bucket", Text: s.URL() + " exists and may be listed"})
	if at, ok := awsmiddleware.GetResponseAt(page.ResultMetadata); ok {
		say(clock(serverTime(page.ResultMetadata).Sub(at)))
	}
	say(s.versioning(ctx))
	for _, f := range s.lifecycle(ctx) {
		say(f)
	}
	say(s.objectLock(ctx))
	say(s.ownership(ctx))
	return true
}

// clock judges by how much the server's clock, of whole seconds, is ahead.
func clock(ahead time.Duration) store.Finding {
	f := store.Finding{What: "clock", Text: "agrees with the server's"}
	off := ahead.Abs().Round(time.Second)
	if off < odd {
		return f
	}
	f.Level = store.Note
	if off >= skewed {
		f.Level = store.Wrong
	}
	way := "behind"
	if ahead < 0 {
		way = "ahead of"
	}
	f.Text = fmt.Sprintf("this machine's is %s %s the server's: set it (timedatectl set-ntp true)", off, way)
	return f
}

func (s *Store) versioning(ctx context.Context) store.Finding {
	keeps, err := s.KeepsVersions(ctx)
	f := store.Finding{What: "versioning", Text: "on: what a later run replaces is kept as an older version"}
	switch {
	case err != nil:
		f = unknown("versioning", err)
	case !keeps:
		f.Level = store.Note
		f.Text = "off: what a later run replaces is gone, so only the newest state can be restored; turn it on for the bucket to keep older ones"
	}
	return f
}

// unknown is a setting that could not be asked for.
func unknown(what string, err error) store.Finding {
	return store.Finding{What: what, Level: store.Note, Text: "not known", Err: err}
}

// lifecycle looks for rules that delete archives, or make what must be read at once cold.
func (s *Store) lifecycle(ctx context.Context) []store.Finding {
	const what = "lifecycle"
	out, err := s.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket})
	if awsconf.Code(err) == "NoSuchLifecycleConfiguration" {
		return []store.Finding{{What: what, Text: "the bucket has no rules"}}
	}
	if err != nil {
		return []store.Finding{unknown(what, s.fault(ctx, request{doing: "asking for the lifecycle rules of", action: "s3:GetLifecycleConfiguration"}, s.URL(), err))}
	}
	found, touching := s.judgeAll(out.Rules)
	if len(found) == 0 {
		found = []store.Finding{{What: what, Text: fmt.Sprintf("rules of the bucket that concern archives: %d; none deletes them", touching)}}
	}
	return found
}

// judgeAll returns what is bad about rules, and how many concern archives.
func (s *Store) judgeAll(rules []types.LifecycleRule) (found []store.Finding, touching int) {
	for _, r := range rules {
		prefix, untagged := rulePrefix(r)
		if r.Status == types.ExpirationStatusEnabled && untagged && overlap(prefix, s.prefix) {
			touching++
			found = append(found, s.judge(r, prefix)...)
		}
	}
	return found, touching
}

// rulePrefix is the prefix of a rule, and whether it concerns objects without tags, as firn's are.
func rulePrefix(r types.LifecycleRule) (prefix string, untagged bool) {
	//lint:ignore SA1019 rules that were made before there were filters have it
	prefix = aws.ToString(r.Prefix)
	f := r.Filter
	switch {
	case f == nil:
		return prefix, true
	case f.And != nil:
		return aws.ToString(f.And.Prefix), len(f.And.Tags) == 0
	}
	return aws.ToString(f.Prefix), f.Tag == nil
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// shortAbort is the number of days from which on a rule leaves uploads to the next run.
const shortAbort = 7

func (s *Store) judge(r types.LifecycleRule, prefix string) (found []store.Finding) {
	add := func(l store.Level, format string, a ...any) {
		found = append(found, store.Finding{What: "lifecycle", Level: l, Text: fmt.Sprintf("the rule %q ", aws.ToString(r.ID)) + fmt.Sprintf(format, a...)})
	}
	if e := r.Expiration; e != nil && (aws.ToInt32(e.Days) > 0 || e.Date != nil) {
		when := fmt.Sprintf("after %d days", aws.ToInt32(e.Days))
		if e.Date != nil {
			when = "from " + e.Date.UTC().Format(time.DateOnly)
		}
		add(store.Wrong, "deletes archives %s, needed or not: disable it, or give it another prefix", when)
	}
	if e := r.NoncurrentVersionExpiration; e != nil && aws.ToInt32(e.NoncurrentDays) > 0 {
		add(store.Note, "deletes what was replaced after %d days: older runs can't be restored whole after that", aws.ToInt32(e.NoncurrentDays))
	}
	catalogue := s.prefix + ".firn/"
	for _, t := range r.Transitions {
		if store.IsCold(string(t.StorageClass)) && overlap(prefix, catalogue) {
			add(store.Wrong, "moves the catalogue to %s, where it can't be read at once: disable it; archives can be stored in that class from the start", t.StorageClass)
		}
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil && aws.ToInt32(a.DaysAfterInitiation) < shortAbort {
		add(store.Note, "aborts unfinished uploads after %d days: a run that is started again later sends them from the beginning", aws.ToInt32(a.DaysAfterInitiation))
	}
	return found
}

func (s *Store) objectLock(ctx context.Context) store.Finding {
	f := store.Finding{What: "object lock", Text: "off"}
	out, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.bucket})
	on := false
	switch {
	case err == nil:
		on = out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled
	case !noLock(err):
		return unknown(f.What, s.fault(ctx, request{doing: "asking for the Object Lock of", action: "s3:GetBucketObjectLockConfiguration"}, s.URL(), err))
	}
	switch {
	case !on && s.lock.For > 0:
		f.Level, f.Text, f.Err = store.Wrong, "", fmt.Errorf("%w: the bucket has no Object Lock", store.ErrNoLock)
	case on && s.lock.For > 0:
		f.Text = fmt.Sprintf("on; a run locks what it stores for %d days, in mode %s", int(s.lock.For.Hours()/24), strings.ToLower(s.lock.Mode))
	case on:
		f.Text = "on"
		if r := out.ObjectLockConfiguration.Rule; r != nil && r.DefaultRetention != nil {
			f.Text += fmt.Sprintf("; the bucket locks what is stored, in mode %s", strings.ToLower(string(r.DefaultRetention.Mode)))
		}
	}
	return f
}

func (s *Store) ownership(ctx context.Context) store.Finding {
	f := store.Finding{What: "ACLs", Text: "disabled, and none is sent"}
	out, err := s.client.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &s.bucket})
	enforced := false
	switch {
	case err == nil && out.OwnershipControls != nil:
		for _, r := range out.OwnershipControls.Rules {
			enforced = enforced || r.ObjectOwnership == types.ObjectOwnershipBucketOwnerEnforced
		}
	case awsconf.Code(err) != "OwnershipControlsNotFoundError":
		return unknown(f.What, s.fault(ctx, request{doing: "asking for the owner of objects in", action: "s3:GetBucketOwnershipControls"}, s.URL(), err))
	}
	switch {
	case enforced && s.acl != "":
		f.Level, f.Text, f.Err = store.Wrong, "", ErrNoACLs
	case s.acl != "":
		f.Text = fmt.Sprintf("enabled, and %q is sent with each object", s.acl)
	case !enforced:
		f.Text = "enabled, and none is sent"
	}
	return f
}
