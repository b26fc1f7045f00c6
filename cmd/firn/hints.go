package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/monitor"
	"firn/cmd/firn/page"
	"firn/cmd/firn/ui"
	"firn/stages/backup"
	"firn/stages/browse"
	"firn/stages/format/encryption"
	"firn/stages/format/prices"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/fsys"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/service/state"
	"firn/stages/stage/extract"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/dynamodb"
	"firn/stages/store/s3"
	"firn/stages/verify"
)

// eventHint says what the user can do about what an event reports, "" if nothing is known of it.
func eventHint(e report.Event) string {
	switch e.Problem {
	case report.ProblemOtherKey:
		return "if that is not what you want, stop and name the other key file as --keyfile"
	case report.ProblemOtherKeyRuns:
		return "name the newer key file as --keyfile to see it"
	case report.ProblemLostRuns:
		return "'firn verify' says why; 'firn catalogue rebuild' takes their place"
	case report.ProblemClock:
		return "check the clock of this host; --at goes by the times that are shown"
	case report.ProblemGone:
		return "if you did not delete them, check what did, or whether the disk of the store is mounted"
	case report.ProblemNotRecorded:
		return "if no run was killed, check who may write to the store"
	case report.ProblemMD5Alone:
		return "--rekey stores them again, with an HMAC"
	case report.ProblemNoList:
		return "find and diff cannot look into it; raise --spool-limit, or use a larger --depth"
	case report.ProblemRunGone, report.ProblemRunReplaced:
		return "check what deletes or replaces objects below .firn/, and bring it back if the bucket keeps versions; if this is another store at the same place, such as a disk that takes turns with others, give it a --cache-path of its own"
	case report.ProblemFork:
		return "give each host a --prefix of its own, or let them run one after the other; if one host alone saves this path, check who may write to the store"
	case report.ProblemUnexpected:
		return "check what deletes objects below .firn/, and bring the run back if the bucket keeps versions"
	case report.ProblemOtherOrigin:
		return "to keep them in a store without versions, stop and use another --prefix"
	case report.ProblemIdlePattern:
		return "patterns are relative to --backup-path, or absolute paths below it"
	case report.ProblemRecovery:
		return "'firn version --recovery' prints the SHA-256 of the files that this firn stores"
	case report.ProblemDeeperPrefix:
		return "use --prefix " + strings.TrimSuffix(e.Key, "/") + " for them"
	case report.ProblemNoCatalogue:
		return "'firn catalogue rebuild' makes one"
	case report.ProblemRunFaults:
		return "'firn list " + e.Run + " --long' names them"
	case report.ProblemPartial:
		return fmt.Sprintf("firn restore --run %s --path %s brings it back", e.Run, ui.Word(e.Path))
	case report.ProblemShortKey:
		return "once it is thawed, 'firn catalogue rebuild --read-data' finds the path"
	case report.ProblemPutBack:
		return "to have that older state, name the older run as --run"
	case report.ProblemNoWorker:
		return "start 'firn worker' on other hosts, with the queue and the key file of this run"
	case report.ProblemUnfinishedRun:
		return "the next backup shows it, and so does 'firn verify --read-data' once it can be read"
	}
	if e.Kind == report.OutageLasts && e.Outage.First {
		tries := "until it is"
		if o := e.Outage; !o.Until.IsZero() {
			tries = "for " + ui.Duration(o.Until.Sub(o.Since))
		}
		return fmt.Sprintf("check the address and the network; firn tries %s (--retry-for), and ^C ends it", tries)
	}
	if e.Kind == report.Unproven {
		return "'firn restore --allow-unproven' takes it, without owners, set-id bits, devices and capabilities"
	}
	if e.Kind == report.Catalogue {
		return "'firn catalogue rebuild' makes the catalogue again without it"
	}
	if e.Err == nil {
		return ""
	}
	return hint(e.Err)
}

// hint says what the user can do about an error: which flag or which command helps. It is "" for an
// error of which nothing is known. Errors from below cmd name no flag and no command.
func hint(err error) string {
	for _, h := range hints {
		if text := h(err); text != "" {
			return text
		}
	}
	return ""
}

// is gives text for an error that is target, and one of causes if there are any.
func is(target error, text string, causes ...error) func(error) string {
	return func(err error) string {
		if errors.Is(err, target) && isOneOf(err, causes) {
			return text
		}
		return ""
	}
}

// as gives text for an error of a type, with one of causes if there are any.
func as[E error](text func(E) string, causes ...error) func(error) string {
	return func(err error) string {
		if e, ok := errors.AsType[E](err); ok && isOneOf(e, causes) {
			return text(e)
		}
		return ""
	}
}

func always[E error](text string) func(E) string { return func(E) string { return text } }

var full = []error{syscall.ENOSPC, syscall.EDQUOT}

// hints are asked in their order: the more specific error first.
var hints = []func(error) string{
	as(always[*cacheError]("wait for it to end, or give this one a --cache-path of its own"), state.ErrLocked),
	as(always[*fsys.NotPrivateError]("name a --cache-path that belongs to this user, and that no other user may write to (chmod go-w)")),
	as(always[*cacheError]("it may have been put there by somebody else: remove it, or name another --cache-path"), syscall.ELOOP),
	as(always[*cacheError]("let this user write there, or name another --cache-path"), fs.ErrPermission, syscall.EROFS),
	as(always[*cacheError]("name a directory as --cache-path"), syscall.ENOTDIR),
	as(always[*cacheError]("free some space, or name another --cache-path"), full...),
	as(always[*cacheError]("name another --cache-path")),
	as(always[*spool.WriteError]("free some space, name another --cache-path, or lower --spool-limit"), full...),
	is(spool.ErrDamaged, "check that disk, or name another --cache-path"),

	as(always[*prices.MissingError]("'firn plan --prices FILE' takes others, in the format of 'firn plan --print-prices'")),

	as(always[*monitor.FileError]("make that directory, or name another --metrics-file"), fs.ErrNotExist),
	as(always[*monitor.FileError]("let this user write there, or name another --metrics-file"), fs.ErrPermission, syscall.EROFS),
	as(always[*monitor.AddressError]("another run of firn may use it: name another --metrics-address"), syscall.EADDRINUSE),
	as(always[*monitor.AddressError]("name an address of this machine as --metrics-address")),
	as(always[*monitor.PingError]("check --ping-url, and whether this machine reaches that host")),

	is(page.ErrForeign, "remove that file, or name another --report"),
	is(page.ErrNoFile, "name another --report"),
	as(always[*page.FileError]("make that directory, or name another --report"), fs.ErrNotExist),
	as(always[*page.FileError]("free some space, or name another --report"), full...),
	as(always[*page.FileError]("let this user write there, or name another --report"), fs.ErrPermission, syscall.EROFS),

	as(secretHint),
	is(hosts.ErrLed, "wait for it to end, or give this run a --queue-name of its own"),
	is(hosts.ErrNobody, "start the coordinator, or check --queue and --queue-name"),
	as(queueHint),
	as(clientHint),
	as(always[*unseenError]("mount it, or start the worker on a host that sees it")),

	is(errTree, "check --backup-path for a typo, or mount the disk that it is on", fs.ErrNotExist),
	is(errTree, "run firn as a user who may read it", fs.ErrPermission),
	as(always[*backup.KeptError]("let firn read those entries; --replace-partial stores what could be read in its place, and what it holds of them is gone")),
	is(backup.ErrChanging, "raise --spool-limit, use a larger --depth, or save it while nothing writes to it"),

	as(always[*backup.OtherKeyError]("name that key file as --keyfile; or --rekey stores everything again under this one; or give this tree a --prefix of its own")),
	is(encryption.ErrOtherKey, "name the key file it was made with as --keyfile"),
	is(encryption.ErrWeakPassphrase, "use a new key file for new archives; those made with this one still open with --allow-weak-keyfile"),
	as(func(e *job.KeyfileError) string {
		if !e.Archives {
			return "name a --keyfile that can be made"
		}
		return "name the key file they were made with as --keyfile; firn makes a new one only for a store, or a --prefix, that holds no archive"
	}),
	as(always[*backup.EmptyStoreError]("mount its disk, or check --bucket-name and what deleted them; --new-store stores everything again")),

	as(always[*awsconf.OutageError]("run the same command again for what is missing; --retry-for waits longer")),
	as(func(e *s3.RegionError) string { return strings.TrimSpace("use --region " + e.Region) }),
	is(s3.ErrStorageClass, "use --storage-class with one that it does (STANDARD)"),
	is(s3.ErrNoACLs, "leave out --acl"),
	is(store.ErrNoLock, "leave out --lock-days, or use a bucket with Object Lock"),
	is(dynamodb.ErrNoRegion, "use --region, AWS_REGION or the profile"),
	is(dynamodb.ErrNoTable, "check --region"),
	as(func(e *awsconf.SSOError) string {
		return strings.TrimSuffix("run aws sso login --profile "+e.Profile, " --profile ")
	}),
	is(store.ErrChanged, "another run stores there: run the same command again when it has ended"),
	is(store.ErrTooLarge, "a larger --depth makes smaller archives"),
	is(store.ErrPartMemory, "raise --memory-limit, or use a larger --depth"),

	is(errUnreadable, "'firn catalogue rebuild' makes the catalogue again from what the store holds"),
	is(errNoCatalogue, "'firn catalogue rebuild' makes one, and so does the next backup; or check --prefix"),
	is(errEmptyStore, "check --bucket-name and --prefix for a typo"),
	is(ledger.ErrNoRun, "'firn list' shows the runs"),
	as(always[*ledger.ExpectError]("bring the run back if the bucket keeps versions; without --expect-run, what is there is restored")),
	is(browse.ErrNoList, "'firn catalogue rebuild --read-data' makes one, once it can be read"),
	is(verify.ErrNoCatalogue, "leave out --quick, or 'firn catalogue rebuild' makes one"),
	as(always[*job.NoArchivesError]("check --bucket-name and --prefix for a typo")),
	as(always[*restore.NotFileError]("'firn restore' with that --path brings it back")),
	is(job.ErrNoMatch, "'firn find' searches for what there is, 'firn list latest' shows it"),

	as(func(e *restore.GoneError) string {
		if e.Version == "" {
			return "'firn verify' looks for another version"
		}
		return "another run may have a version that still exists: 'firn find' shows them"
	}),
	as(always[*restore.MoreError]("name the older run as --run to restore it too; 'firn list' shows the runs")),
	as(always[ledger.MisplacedError]("the next backup, or 'firn catalogue rebuild', lists them again")),
	as(always[*restore.ManifestError]("another --run may be readable, or 'firn catalogue rebuild' makes the catalogue again")),
	as(always[*restore.LostRunError]("bring that run back if the bucket keeps versions; 'firn catalogue rebuild' takes what the store holds for the newest state, be it older or not")),
	as(always[*restore.StrayError]("the next backup lists it")),
	is(restore.ErrNoPath, "'firn catalogue rebuild' makes one"),
	as(always[*restore.TierError]("use --thaw standard or bulk, or leave them out with --path")),
	as(always[*restore.CostError]("use a slower tier, fewer --thaw-days or a narrower --path, or raise --max-cost")),
	is(extract.ErrExists, "--overwrite if-older or always replaces it"),
	is(extract.ErrNotEmpty, "remove that directory if it is not needed"),
	as(func(e *extract.LimitError) string {
		return "if the archive is to be trusted, --max-" + e.What + " raises it"
	}),
	as(func(e *extract.LinkError) string { return fmt.Sprintf("restore %q too", e.Target) }),
	as(always[*extract.TargetError]("make room and run the same command again: it goes on where it stopped"), full...),
	as(always[*extract.TargetError]("mount the target for writing, or name another one"), syscall.EROFS),
	as(always[*extract.TargetError]("look for faults of the disk in the system's log, then run the same command again"), syscall.EIO),
	is(syscall.EMFILE, "raise the limit on open files (ulimit -n), or restore fewer archives at once"),
	is(syscall.ENFILE, "raise the limit on open files of the system, or restore fewer archives at once"),
}

// withHelp adds to an error of the command line where the flags are explained.
func withHelp(err error, cmd *cobra.Command) error {
	if !errors.Is(err, flags.ErrMissing) {
		return err
	}
	return fmt.Errorf("%w; '%s --help' explains them", err, pathOf(cmd))
}

// pathOf is the command whose help lists the flags of cmd.
func pathOf(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "firn backup"
	}
	return cmd.CommandPath()
}

var (
	errNoCatalogue = errors.New("there is no catalogue")
	errEmptyStore  = errors.New("there is nothing")
	errTree        = errors.New("unreadable tree") // marks the error of a backup path that cannot be read
	errUnreadable  = errors.New("unreadable")      // marks the first fault of a catalogue without a readable run
)

// A cacheError says that the cache path cannot be used.
type cacheError struct {
	path string
	err  error
}

func (e *cacheError) Unwrap() error { return e.err }

func (e *cacheError) Error() string {
	switch {
	case errors.Is(e.err, state.ErrLocked):
		return fmt.Sprintf("the cache path %s is in use by another run of firn", e.path)
	case errors.Is(e.err, syscall.ENOTDIR):
		return fmt.Sprintf("the cache path %s is a file, or lies below one", e.path)
	case errors.Is(e.err, syscall.ELOOP):
		return fmt.Sprintf("the cache path %s holds a symbolic link in place of a file: %v", e.path, e.err)
	case errors.Is(e.err, fs.ErrPermission), errors.Is(e.err, syscall.EROFS):
		return fmt.Sprintf("the cache path %s can't be written: %v", e.path, e.err)
	case errors.Is(e.err, syscall.ENOSPC), errors.Is(e.err, syscall.EDQUOT):
		return fmt.Sprintf("the disk of the cache path %s is full: %v", e.path, e.err)
	}
	return fmt.Sprintf("the cache path %s can't be used: %v", e.path, e.err)
}

func isOneOf(err error, causes []error) bool {
	return len(causes) == 0 || slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) })
}
