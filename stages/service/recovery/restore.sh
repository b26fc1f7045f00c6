#!/bin/sh
# restore.sh: a firn recovery file. It restores without firn what firn stored. RECOVER.txt explains more.
# It needs a POSIX shell with the usual tools, openssl 1.1.1 or later, python3 or perl, tar (best GNU tar), what
# decompresses the archives (gzip, bzip2, xz or zstd), and for a bucket the aws command.
# Whoever could write to the store can change this script, and it reads the key file: compare its SHA-256 first.
# shellcheck disable=SC2015,SC2016,SC2030,SC2031,SC2317
set -u
umask_before=$(umask) user=$(id -u)
umask 077
export LC_ALL=C AWS_PAGER=''
unset CDPATH
tab=$(printf '\t')
nl='
'
IFS=" $tab$nl"

usage() {
	cat <<'END'
usage: sh restore.sh --bucket-name BUCKET --keyfile FILE --target DIR [options]

  --bucket-name NAME  the bucket, or file:///path for a directory store or a copy of a bucket, which need no aws
  --keyfile FILE      the key file that the archives were made with
  --target DIR        restore below this directory, at the paths that were saved; nothing that is there is replaced
                      (an archive lies in it, not encrypted, while it is opened: it needs room for the largest twice)
  --prefix TEXT       the --prefix of the backup
  --path PATH         restore only this path and all below it (a path, no pattern)
  --dry-run           list the archives that would be restored, and fetch none
  --allow-unproven    restore also what has no HMAC of this key file, so that anybody may have made it: without owners,
                      set-id bits, devices and attributes
  --thaw TIER         ask S3 to thaw cold archives: bulk, standard or expedited
  --thaw-days N       how many days a thawed archive can be read (7)
  --region, --profile, --endpoint-url: as for the aws command

After an interruption or a thaw, run the same command again: it continues. TAR=bsdtar in the environment uses another tar.
Exit: 0 everything is restored; 1 nothing could be done; 2 wrong usage; 3 an archive is damaged, unproven, failed or was deleted
(as the newest runs in the catalogue tell), and is named; 4 the remaining archives are cold and must be thawed first; 130 interrupted.
END
}

say() { printf '%s\n' "$*" >&2; }
die() { code=$1; shift; say "restore.sh: $*"; exit "$code"; }
wrong() { die 2 "$*; sh restore.sh --help explains the usage"; }
have() { command -v "$1" >/dev/null 2>&1; }

bucket='' store='' keyfile='' target='' prefix='' wanted='' dry='' unproven_too='' tier='' days=7 endpoint=''
while [ $# -gt 0 ]; do
	case $1 in
	--help | -h) usage; exit 0 ;;
	--dry-run) dry=yes; shift; continue ;;
	--allow-unproven) unproven_too=yes; shift; continue ;;
	--*=*) name=${1%%=*} value=${1#*=}; shift ;;
	--*) name=$1; [ $# -gt 1 ] || wrong "$1 needs a value"; value=$2; shift 2 ;;
	*) wrong "'$1' is not understood" ;;
	esac
	[ -n "$value" ] || [ "$name" = --prefix ] || wrong "$name needs a value"
	case $name in
	--bucket-name) case $value in file://*) store=${value#file://} ;; *) bucket=${value#s3://} ;; esac ;;
	--keyfile) keyfile=$value ;;
	--target) target=$value ;;
	--prefix) prefix=$value ;;
	--path) wanted=$value ;;
	--thaw) tier=$value ;;
	--thaw-days) days=$value ;;
	--region) export AWS_REGION="$value" AWS_DEFAULT_REGION="$value" ;;
	--profile) export AWS_PROFILE="$value" ;;
	--endpoint-url) endpoint=$value ;;
	*) wrong "there is no $name" ;;
	esac
done
[ -n "$bucket$store" ] && [ -n "$keyfile" ] && [ -n "$target" ] || wrong 'name the --bucket-name, the --keyfile and a --target'
case $tier in '') ;; bulk) tier=Bulk ;; standard) tier=Standard ;; expedited) tier=Expedited ;; *) wrong "--thaw '$tier': choose bulk, standard or expedited" ;; esac
case $days in 0* | *[!0-9]*) wrong "--thaw-days '$days' is no number" ;; esac
case $bucket in */*) wrong "'$bucket' is no bucket: what follows the slash is the --prefix" ;; esac
while :; do case $prefix in /*) prefix=${prefix#/} ;; */) prefix=${prefix%/} ;; *) break ;; esac; done
prefix=$prefix${prefix:+/}

# --- What is needed ------------------------------------------------------------------------------------------------

tar=${TAR:-tar}
for program in awk sort find tr od comm gzip openssl "$tar"; do have "$program" || die 1 "$program is missing"; done
[ -n "$store" ] || have aws || die 1 'the aws command is missing; --bucket-name file:///path takes a copy of the bucket'
openssl enc -help 2>&1 | grep -q -e -pbkdf2 || die 1 'this openssl has no -pbkdf2: version 1.1.1 or later is needed'
# The HMAC needs a program that reads the key from a file: in arguments, as openssl takes it, every user could read it.
if have python3 && python3 -c 'import hashlib' 2>/dev/null; then prover=python3
elif have perl && perl -MDigest::SHA -e 1 2>/dev/null; then prover=perl
else die 1 'python3 or perl is needed (perl with Digest::SHA): openssl alone can not tell who made an archive'; fi
case $("$tar" --version 2>/dev/null </dev/null) in
*'GNU tar'*) tar_kind=gnu ;;
bsdtar*) tar_kind=bsd ;;
*) tar_kind=other; say "$tar is neither GNU tar nor bsdtar: attributes and some times do not come back as they were saved" ;;
esac
# Names reach aws and bsdtar as UTF-8; everything else takes them as bytes.
utf8=C.UTF-8
case $(locale -a 2>/dev/null | tr '[:upper:]' '[:lower:]') in *c.utf-8* | *c.utf8*) ;; *en_us.utf*) utf8=en_US.UTF-8 ;; esac

# whole DIR: out is its path from the root, without links. A line feed at its end stays.
whole() { out=$(cd -P -- "$1" && pwd -P && echo x) || die 1 "the directory $1 can't be entered"; out=${out%?x}; }
[ -f "$keyfile" ] && [ -r "$keyfile" ] || die 1 "the key file $keyfile is missing or can't be read"
case $keyfile in /*) ;; *) keyfile=$PWD/$keyfile ;; esac
[ -z "$store" ] || { whole "$store"; store=${out%/}; }
made=''
[ -d "$target" ] || made=yes
(umask "$umask_before" && mkdir -p -- "$target") || die 1 "$target can't be made"
whole "$target"; target=${out%/}
# Who may rename a directory above can lead everything elsewhere.
above=$target
while [ -n "$above" ]; do
	[ -z "$(find "$above" -prune \( ! -user "$user" ! -user 0 -o -perm -0002 ! -perm -1000 \))" ] ||
		say "other users may change $above, and so lead elsewhere what is restored: choose another target if you do not trust them"
	above=${above%/*}
done

# All work is done in $work, to which nobody else has access: what is fetched, and in "new" what tar extracts, which is
# moved from there. "done" names what an interrupted run of the same command restored.
work=$target/.firn-restore.$(printf '%s\n' "$bucket" "$endpoint" "$store" "$prefix" "$wanted" | cksum | tr -cd 0-9)
clear_away() { [ -L "$1" ] || [ ! -d "$1" ] || { [ "$user" = 0 ] || chmod -R u+rwX "$1"; rm -rf "$1"; }; }
tidy() {
	clear_away "$work/new"; clear_away "$work/old"
	for entry in "$work"/*; do [ "$entry" = "$work/done" ] || rm -f "$entry"; done
}
finish() {
	tidy
	[ -s "$work/done" ] || clear_away "$work"
	[ -z "$dry$made" ] || rmdir "$target" 2>/dev/null
}
mkdir "$work" 2>/dev/null || (cd -P "$work" && [ "$PWD" = "$work" ] && [ -n "$(find . -prune -user "$user" \( -perm 700 -o -perm 2700 \))" ]) ||
	die 1 "$work can't be made, or is not a directory of yours with mode 0700"
[ ! -s "$work/pid" ] || { read -r pid <"$work/pid" && ! kill -0 "$pid"; } 2>/dev/null || die 1 "the same command is running (process $pid)"
tidy
echo $$ >"$work/pid" && : >>"$work/done" || die 1 "$work can't be written"
trap finish EXIT
trap 'say "restore.sh: interrupted; run the same command again to continue"; exit 130' INT TERM HUP
cd / || exit 1

# --- Text ----------------------------------------------------------------------------------------------------------
# Keys and names are any bytes, and whoever writes to the store chooses them. In files and in awk's output they are octal,
# "\0141\0142", or "-" if empty; elsewhere arguments that begin with a slash, "./" or "--key=". They are never a part of
# a program.

bytes() { out=''; [ "$1" = - ] || { out=$(printf '%b.' "$1"); out=${out%.}; }; } # out is the bytes of OCTAL
plain() { tr '\000-\010\013-\037\177' '?' <"$work/said" | sed 's/^/  /' >&2; } # what a program said

awk_lib='
BEGIN { for (i = 0; i < 256; i++) { c = sprintf("%c", i); oct[c] = sprintf("\\0%03o", i); chr[sprintf("%03o", i)] = chr[sprintf("%02x", i)] = c; ord[c] = i } }
function octal(s,   out, i, n) { n = length(s); for (i = 1; i <= n; i++) out = out oct[substr(s, i, 1)]; return out == "" ? "-" : out }
function raw(o,   out, i, n) { if (o == "-") return ""; n = length(o); for (i = 3; i < n; i += 5) out = out chr[substr(o, i, 3)]; return out }
# field returns the string of this name in a line of JSON as firn writes it, which has no blanks and is in UTF-8.
function field(s, name,   out, i, c) {
	name = "\"" name "\":\""
	if ((i = index(s, name)) == 0) return ""
	for (i += length(name); (c = substr(s, i, 1)) != "\"" && c != ""; i++) {
		if (c != "\\") { out = out c; continue }
		c = substr(s, ++i, 1)
		if (c != "u") { out = out (index("ntrbf", c) ? substr("\n\t\r\b\f", index("ntrbf", c), 1) : c); continue }
		c = tolower(substr(s, i + 1, 4)); i += 4
		out = out (c ~ /^00/ ? chr[substr(c, 3)] : c == "2028" ? "\342\200\250" : c == "2029" ? "\342\200\251" : "?")
	}
	return out
}
# known checks what a description says of an object: MD5, HMAC, key id, each "-" if it is not one.
function digits(t, n) { t = tolower(t); return length(t) == n && t !~ /[^0-9a-f]/ ? t : "-" }
function known(md5, hmac, id) {
	return digits(md5, 32) " " digits(hmac, 64) " " (length(id) == 67 && id ~ /^1-[0-9a-f]*-[0-9a-f]*$/ && substr(id, 35, 1) == "-" ? id : "-")
}
'

# --- What is stored ------------------------------------------------------------------------------------------------
# A line for each object: key (octal), storage class, and its place in a directory store (octal), or when it was stored.

aws_() {
	[ -z "$endpoint" ] || set -- "--endpoint-url=$endpoint" "$@"
	LC_ALL=$utf8 PYTHONUTF8=1 aws "$@" </dev/null
}

list_bucket() {
	aws_ s3api list-objects-v2 "--bucket=$bucket" "--prefix=$prefix" --encoding-type url --output text --query 'Contents[].[StorageClass,LastModified,Key]' \
		>"$work/page" || die 1 "listing s3://$bucket/$prefix failed (what aws says is above)"
	awk "$awk_lib"'NF == 3 {
		gsub(/\+/, " ", $3); key = ""
		while ((i = index($3, "%")) > 0) { key = key substr($3, 1, i - 1) chr[tolower(substr($3, i + 1, 2))]; $3 = substr($3, i + 3) }
		gsub(/[^0-9]/, "", $2)
		print octal(key $3), ($1 ~ /^[A-Z_]+$/ ? $1 : "STANDARD"), ($2 == "" ? "-" : $2) }' FS="$tab" "$work/page"
}

list_store() {
	(cd -- "$store" && find . -path ./.firn-store -prune -o -type f \( -name '*.tar.*' -o -name '*.json.gz' \) -exec awk "$awk_lib"'
		BEGIN { for (i = 1; i < ARGC; i++) { o = octal(substr(ARGV[i], 3)); print o, "STANDARD", o }; exit }' {} +) ||
		die 1 "listing $store failed"
	# A key that can't be a path is stored under its digest, and its description names it.
	for meta in "$store"/.firn-store/odd/.*.firn-meta; do
		name=${meta##*/.} name=${name%.firn-meta}
		case $name in *[!0-9a-f]*) continue ;; esac
		[ ! -f "$store/.firn-store/odd/$name" ] || describe "$meta" |
			awk "$awk_lib"'{ print $1, "STANDARD", octal(".firn-store/odd/" name) }' "name=$name" -
	done | sort -u
}

# describe FILE: what a directory store says of its objects, in lines: key (octal), MD5, HMAC, key id.
describe() {
	[ ! -f "$1" ] || awk "$awk_lib"'{
		n = split($0, object, /"key":"/)
		for (i = 2; i <= n; i++) print octal(field("\"key\":\"" object[i], "key")),
			known(field(object[i], "md5"), field(object[i], "firn-hmac-sha256"), field(object[i], "firn-key-id")) }' <"$1"
}

# plan reads that list, or lines with a full key (octal) in addition, and prints what is wanted, directories above first: its
# path; what to do; key; path in the target; first name in the tar; directory of what is wanted there; its directory in the
# target; its name; place (all octal); class; ending; key to show.
plan() {
	FIRN_PREFIX=$prefix FIRN_PATH=$wanted awk "$awk_lib"'
	function shown(s,   out, i, n, c) {
		n = length(s)
		for (i = 1; i <= n; i++) {
			c = substr(s, i, 1)
			out = out (c < " " || c == "\177" || c == "\302" && ord[substr(s, i + 1, 1)] < 160 ? "\\" substr(oct[c], 3) : c)
		}
		return out
	}
	# part undoes the escapes of one part of a key; ".." stays escaped, so that it leads nowhere.
	function part(s,   out, i, h) {
		if (s == "\\x2e\\x2e") return s
		while ((i = index(s, "\\x")) > 0) {
			out = out substr(s, 1, i - 1); h = substr(s, i + 2, 2); s = substr(s, i + 2)
			if (h ~ /^[0-9a-f][0-9a-f]$/) { if (h == "00" || h == "2f") bad = 1; out = out chr[h]; s = substr(s, 3) } else out = out "\\x"
		}
		return out s
	}
	function joined(a, b) { return a (a == "" || b == "" ? "" : "/") b }
	function emit(what) {
		print octal(path), what, $1, octal(joined(dir, last)), octal(first), octal(sub_), octal(dir), octal(last), $3, $2, ext, shown(key)
	}
	BEGIN {
		prefix = ENVIRON["FIRN_PREFIX"]; p = ENVIRON["FIRN_PATH"]
		gsub(/\/+/, "/", p); sub(/^\//, "", p); sub(/\/$/, "", p); sub(/^(\.\/)+/, "", p)
		wanted = p == "" || p == "." ? 0 : split(p, want, "/")
	}
	{
		key = raw($1); full = NF > 3 ? raw($4) : key; path = dir = last = first = sub_ = ""; bad = 0
		if (index(key, prefix) != 1 && prefix != "" || !match(full, /\.tar\.(gz|bz2|xz|zst)$/)) next
		ext = substr(full, RSTART + 5); rest = substr(full, length(prefix) + 1, RSTART - 1 - length(prefix))
		h = length(rest) - 33
		if (NF == 3 && h > 0 && substr(rest, h, 2) == "\\~" && substr(rest, h + 2) !~ /[^0-9a-f]/) { path = "\377"; emit("short"); next }
		n = split(rest, a, "/")
		if (n == 1 && (a[1] == "\\x2f" || a[1] == "\\x2e")) n = 0
		for (i = 1; i <= n; i++) {
			if (a[i] == "" || a[i] == "." || a[i] == "..") bad = 1
			last = part(a[i]); if (last == "." || last == "..") bad = 1
			if (i < n || a[i] == "\\x2e\\x2e") dir = joined(dir, last)
			path = joined(path, last); a[i] = last
		}
		if (bad || rest == "" || index(full, prefix) != 1 && prefix != "") { emit("odd"); next }
		if (n == 0 || last == "\\x2e\\x2e") last = "."
		first = last
		for (i = 1; i <= n && i <= wanted; i++) if (a[i] != want[i]) next
		if (n < wanted) { # it lies in this archive, if it does
			if (last != ".") { dir = joined(dir, last); sub_ = last }
			for (i = n + 1; i < wanted; i++) { dir = joined(dir, want[i]); sub_ = joined(sub_, want[i]) }
			last = want[wanted]
		}
		emit("get")
	}' | sort
}

# newest drops, of archives of one path that differ in their endings, all but the one that was stored last.
newest() {
	was=''
	while IFS= read -r now || { now='' && [ -n "$was" ]; }; do
		path=${now%% *}
		case "$was$nl$now" in
		"$path get "*"$nl$path get "*)
			IFS=' ' read -r _ _ _ _ _ _ _ _ place _ _ shown <<-END
				$was
			END
			IFS=' ' read -r _ _ _ _ _ _ _ _ place_now _ _ shown_now <<-END
				$now
			END
			first=$(printf '%s\n' "$place" "$place_now" | sort | sed q)
			if [ -n "$store" ]; then
				bytes "$place" && file=$store/$out && bytes "$place_now"
				[ -z "$(find "$file" -prune -newer "$store/$out")" ] && first=$place || first=$place_now
			fi
			[ "$first" != "$place" ] && shown=$shown_now || was=$now
			say "another archive of its path, with another ending, was stored later: $shown"
			continue
			;;
		esac
		[ -z "$was" ] || printf '%s\n' "$was"
		was=$now
	done
}

# --- Is it cold, and who made it? ----------------------------------------------------------------------------------

fail() { failed=$((failed + 1)); hold; say "FAILED: $shown: $1"; }
# hold notes that something is still to come to this place.
hold() { [ "$what" = get ] || hold_all=yes; printf '%s\n' "$opath" >>"$work/pending"; }

# look sets what is known of an object: class, thawed, size, and facts (in lines: MD5, HMAC, key id). With a FILE it also
# fetches the object of a bucket.
look() {
	thawed=None
	if [ -n "$bucket" ]; then
		[ $# -eq 0 ] && set -- head-object || set -- get-object "$1"
		aws_ s3api "$@" "--bucket=$bucket" "--key=$key" --output text --query '[StorageClass,Restore,to_string(ContentLength),
			Metadata.md5,Metadata."firn-hmac-sha256",Metadata."firn-key-id"]' >"$work/head" 2>"$work/said" || { plain; return 1; }
		IFS=$tab read -r class thawed size _ <"$work/head"
		facts=$(awk "$awk_lib"'{ print known($4, $5, $6) }' FS="$tab" "$work/head")
	else
		meta=$store/$place
		facts=$(describe "${meta%/*}/.${meta##*/}.firn-meta" | sed 's/[^ ]* //')
	fi
	[ -n "$facts" ] || facts='- - -'
}

# cold: whether the object must be thawed first. It reports the object, and asks for the thaw if --thaw is given.
cold() {
	case $class in GLACIER | DEEP_ARCHIVE) ;; *) return 1 ;; esac
	case $thawed in None | *'ongoing-request="true"'*) ;; *) return 1 ;; esac
	if [ "$thawed" != None ]; then
		say "cold, its thaw is under way: $shown"
	elif [ -z "$tier" ] || [ -n "$dry" ]; then
		say "cold ($class, $size bytes): $shown"
	elif aws_ s3api restore-object "--bucket=$bucket" "--key=$key" \
		--restore-request "Days=$days,GlacierJobParameters={Tier=$tier}" >/dev/null 2>"$work/said"; then
		say "cold ($class, $size bytes), its thaw is asked for: $shown"
	elif grep -q RestoreAlreadyInProgress "$work/said"; then
		say "cold, its thaw is under way: $shown"
	else
		plain
		fail 'its thaw could not be asked for'
		return 0
	fi
	colds=$((colds + 1))
	hold
}

# prove KEY-ID KEY prints the HMAC of its input under that key, as docs/format.md of firn has it; without a key it only tells
# whose the key id is. Exit 3: another key file's.
prove() {
	if [ "$prover" = python3 ]; then
		python3 -I -c '
import hashlib, hmac, os, struct, sys
keyfile, key_id = sys.argv[1:3]
password = open(keyfile, "rb").read(1023).split(b"\n")[0].split(b"\0")[0]
_, salt, digest = key_id.split("-")
master = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(salt), 20000, 32)
def expand(info): return hmac.new(master, info + b"\1", "sha256").digest()
if expand(b"firn key id v1")[:16].hex() != digest: sys.exit(3)
if len(sys.argv) > 3:
    key = os.fsencode(sys.argv[3])
    mac = hmac.new(expand(b"firn archive mac v1"), b"firn archive mac v1\0" + struct.pack(">Q", len(key)) + key, "sha256")
    for block in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): mac.update(block)
    print(mac.hexdigest())
' "$keyfile" "$@" 2>/dev/null
	else
		perl -e '
use strict; use Digest::SHA qw(sha256 hmac_sha256);
my ($keyfile, $key_id, $key) = @ARGV;
open my $f, "<:raw", $keyfile or die; read $f, my $password, 1023; $password =~ s/[\n\0].*//s;
my (undef, $salt, $digest) = split /-/, $key_id;
my $master = my $u = hmac_sha256(pack("H*", $salt) . pack("N", 1), $password);
for (2 .. 20000) { $u = hmac_sha256($u, $password); $master ^= $u }
sub expand { hmac_sha256("$_[0]\1", $master) }
exit 3 if unpack("H*", substr(expand("firn key id v1"), 0, 16)) ne $digest;
exit 0 unless defined $key;
my $k = expand("firn archive mac v1") . "\0" x 32; binmode STDIN;
my $inner = Digest::SHA->new(256)->add($k ^ "\x36" x 64, "firn archive mac v1\0", pack("N2", 0, length $key), $key)->addfile(*STDIN)->digest;
print unpack("H*", sha256(($k ^ "\x5c" x 64) . $inner)), "\n";
' "$keyfile" "$@" 2>/dev/null
	fi
}

# bring fetches and decrypts the object, and proves that it is what was saved: $work/archive. proven is empty if nobody knows
# who made it, and --allow-unproven takes that.
bring() {
	ours='' others='' proven=''
	while read -r _ hmac id; do
		[ "$hmac" != - ] && [ "$id" != - ] || continue
		[ "$id" = "$known_id" ] || prove "$id" </dev/null
		case $? in
		0) known_id=$id ours="$ours$id $hmac$nl" ;;
		3) others=yes ;;
		*) fail "$prover could not compute its key id"; return 1 ;;
		esac
	done <<-END
		$facts
	END
	if [ -z "$ours" ]; then
		[ -z "$others" ] || { fail "it was made with another key file than $keyfile: name the right one"; return 1; }
		[ -n "$unproven_too" ] || { fail 'unproven: it has no HMAC of this key file, so anybody may have made it; --allow-unproven takes it'; return 1; }
	fi
	object=$store/$place
	if [ -n "$bucket" ]; then
		object=$work/object
		[ -f "$object" ] || aws_ s3 cp --only-show-errors --force-glacier-transfer "s3://$bucket/$key" "$object" >"$work/said" 2>&1 ||
			{ plain; fail 'it could not be fetched'; return 1; }
	fi
	openssl enc -d -aes-256-cbc -pbkdf2 -md sha256 -pass "file:$keyfile" -in "$object" -out "$work/archive" 2>"$work/said" </dev/null ||
		{ plain; fail 'it does not decrypt: it is damaged, or the key file is another one'; return 1; }
	rm -f "$work/object"
	if [ -n "$ours" ]; then
		while read -r id hmac && [ -z "$proven" ]; do
			[ -z "$id" ] || [ "$(prove "$id" "$key" <"$work/archive")" != "$hmac" ] || proven=yes
		done <<-END
			$ours
		END
		[ -n "$proven" ] || { fail 'damaged or forged: its HMAC does not fit its key and content; nothing of it is extracted'; return 1; }
		return
	fi
	sum=$(openssl dgst -md5 -r <"$work/archive")
	case $facts in
	*"${sum%% *} "*) ;;
	'- '*) say "no MD5 is known of it, and anybody may have made it: $shown" ;;
	*) fail "damaged: the MD5 is ${sum%% *}, not what was saved; nothing of it is extracted"; return 1 ;;
	esac
}

# --- Extract it ----------------------------------------------------------------------------------------------------

unpacker() { case $1 in gz) echo gzip ;; bz2) echo bzip2 ;; xz) echo xz ;; zst) echo zstd ;; esac; }

# full_key prints, in octal, the full key of an object with a shortened one: the comment in the pax header that $work/archive
# begins with (POSIX.1-2017). Each record there is its length, a blank, name=value and a line feed.
full_key() {
	"$(unpacker "$ext")" -dc <"$work/archive" 2>/dev/null | od -An -v -to1 -N 65536 | awk "$awk_lib"'
	{ for (i = 1; i <= NF; i++) h = h "\\0" $i }
	END {
		for (h = substr(h, 5 * 512 + 1); (i = index(h, oct[" "])) > 1; h = substr(h, 5 * size + 1)) {
			if ((size = raw(substr(h, 1, i - 1)) + 0) < 5) exit
			if (substr(h, i + 5, 40) == octal("comment=")) { print substr(h, i + 45, 5 * size - i - 49); exit }
		}
	}'
}

# unpack extracts the archive into $work/new, which is made anew. False, after a word, if it is not what its key says.
unpack() {
	clear_away "$work/new"
	mkdir "$work/new" || return 1
	case $tar_kind${proven:+, proven} in
	gnu,*) set -- -p --numeric-owner --acls --xattrs; [ "$user" != 0 ] || set -- "$@" '--xattrs-include=*' ;;
	bsd,*) set -- -p --numeric-owner --acls --xattrs ;;
	other,*) set -- -p ;;
	gnu) set -- -o --no-same-permissions ;;
	bsd) set -- -o --no-same-permissions --no-xattrs --no-acls --no-fflags ;;
	other) set -- -o ;;
	esac
	rm -f "$work/fault" && whole_archive=yes
	{ "$(unpacker "$ext")" -dc <"$work/archive" || : >"$work/fault"; } 2>"$work/said" | {
		[ "$tar_kind" != bsd ] || export LC_ALL="$utf8"
		[ -n "$proven" ] || umask "$umask_before"
		"$tar" -x -f - -C "$work/new" "$@" 2>"$work/said.tar"
		code=$?
		cat >/dev/null
		exit "$code"
	} && [ ! -e "$work/fault" ] || { cat "$work/said.tar" >>"$work/said"; plain; whole_archive=''; }
	[ -n "$proven" ] || {
		find "$work/new" \( -type b -o -type c \) -exec rm -f {} +
		find "$work/new" ! -type l \( -perm -4000 -o -perm -2000 \) -exec chmod ug-s {} +
	}
	[ "$first" != . ] || return 0
	for entry in "$work/new"/* "$work/new"/.[!.]* "$work/new"/..?*; do
		! is_there "$entry" || [ "${entry##*/}" = "$first" ] || { fail 'it holds another path than its key names; nothing of it is restored'; return 1; }
	done
}

# --- Into place ----------------------------------------------------------------------------------------------------
# The shell goes to the place part by part, and looks where it is: then nobody who may write there can lead it elsewhere
# by a link. mv then renames into the directory where it is. A directory that is made on the way has mode 1700 until its own
# archive, which may still be cold, takes its place.

is_there() { [ -e "$1" ] || [ -L "$1" ]; }
made_on_the_way() { [ -d "$1" ] && [ ! -L "$1" ] && [ -k "$1" ] && [ -n "$(find "$1" -prune -type d \( -perm 1700 -o -perm 3700 \))" ]; }
make_dir() { mkdir "./$1" && chmod 1700 "./$1"; }

# enter OCTAL [make] goes there from the current directory, whose path is $here. Exit 1: there is no such directory. 2: a link.
enter() {
	rest=${1#-} slash='\0057' way=''
	while [ -n "$rest" ]; do
		bytes "${rest%%"$slash"*}"
		way=$way${way:+$slash}${rest%%"$slash"*}
		case $rest in *"$slash"*) rest=${rest#*"$slash"} ;; *) rest='' ;; esac
		[ ! -L "./$out" ] || return 2
		if [ ! -d "./$out" ]; then
			[ $# -gt 1 ] && keep make make_dir "$out" || return 1
		fi
		here=$here/$out
		cd -P "./$out" 2>/dev/null || return 1
		[ "$PWD" = "$here" ] || return 2
		[ $# -lt 2 ] || ! made_on_the_way . || printf '%s\n' "$way" >>"$work/made"
	done
}

# keep NAME COMMAND...: runs it in the current directory, whose time and mode stay.
keep() {
	touch -r . "$work/time.$1"
	if [ -w . ]; then locked=''; else locked=yes; chmod u+w .; fi
	(shift; "$@")
	code=$?
	[ -z "$locked" ] || chmod u-w .
	touch -r "$work/time.$1" . 2>/dev/null
	return "$code"
}

# move PATH moves it into the current directory. Who is not root may move a directory only if it may write to it.
move() {
	if [ ! -L "$1" ] && [ -d "$1" ] && [ ! -w "$1" ]; then
		chmod u+w "$1" && mv -f "$1" . && chmod u-w "./${1##*/}"
	else
		mv -f "$1" .
	fi
}

# put NAME moves $from/NAME into the current directory. What is there stays, but for a directory that was made on the way:
# what lies in it is taken over.
put() {
	if ! made_on_the_way "./$1" || [ -L "$from/$1" ] || [ ! -d "$from/$1" ]; then
		! is_there "./$1" || return 5
		move "$from/$1"
		return
	fi
	clear_away "$work/old"
	mkdir "$work/old" && mv -f "./$1" "$work/old/" && [ ! -L "$work/old/$1" ] && cd "$from/$1" && keep over take_over "$work/old/$1" &&
		cd -P "$here" && [ "$PWD" = "$here" ] && move "$from/$1"
}
take_over() {
	for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		! is_there "$entry" || is_there "./${entry##*/}" || move "$entry" || return 1
	done
}

# place_it puts what was extracted in its place. Exit 1: it failed. 2: a link is in the way. 4: it is not in the archive. 5: it is there.
place_it() (
	cd -P "$work/new" && here=$work/new && enter "$osub" || exit 4
	from=$here
	[ "$name" = . ] || is_there "./$name" || exit 4
	[ -n "$whole_archive" ] || [ "$name" = . ] || { [ ! -L "./$name" ] && [ -d "./$name" ] && chmod 1700 "./$name"; } || exit 1
	cd -P "${target:-/}" && here=$target
	enter "$odir" make || exit $?
	[ "$name" = . ] || { keep put put "$name"; exit $?; }
	for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
		! is_there "$entry" || keep put put "${entry##*/}" || exit $?
	done
)

# there: whether something is in the place already. Exit 2: a link is above it.
there() (
	[ "$name" != . ] || { is_done; exit; }
	cd -P "${target:-/}" && here=$target && enter "$odir" || exit $?
	is_there "./$name" && ! made_on_the_way "./$name"
)
is_done() { grep -qxF -e "$opath" "$work/done"; }
was_there() {
	if is_done; then skipped=$((skipped + 1)); else fail 'something else is in its place in the target, and stays there: name another --target'; fi
}

# --- One archive, from the store to its place ----------------------------------------------------------------------

# names sets the bytes of what the plan says in octal.
names() {
	bytes "$okey"; key=$out
	bytes "$oplace"; place=$out
	bytes "$oname"; name=$out
	bytes "$ofirst"; first=$out
}

restore() {
	names
	[ "$what" != odd ] || { fail 'no path can be read from this key'; return; }
	if [ -n "$dry" ]; then
		case $class in GLACIER | DEEP_ARCHIVE) look && cold && return ;; esac
		printf 'would restore %s\n' "$shown"
		restored=$((restored + 1))
		return
	fi
	have "$(unpacker "$ext")" || { fail "$(unpacker "$ext") is missing"; return; }
	if [ "$what" = get ]; then
		there
		case $? in
		0) was_there; return ;;
		2) fail 'a symbolic link is in its way in the target'; return ;;
		esac
	fi
	look || { fail 'what is known of it could not be asked for'; return; }
	! cold && bring || return
	if [ "$what" = short ]; then
		full=$(full_key) tail=${key##*"\\~"}
		bytes "${full:--}"
		sum=$(printf '%s' "$out" | openssl dgst -sha256 -r)
		case $sum in "${tail%%.*}"*) ;; *) fail 'the full key in it is not the one that was shortened'; return ;; esac
		printf '%s STANDARD %s %s\n' "$okey" "$oplace" "$full" | plan >"$work/one"
		[ -s "$work/one" ] || return 0
		IFS=' ' read -r _ what _ opath ofirst osub odir oname _ <"$work/one"
		[ "$what" = get ] || { fail 'no path can be read from its full key'; return; }
		names
	fi
	unpack || return
	place_it
	case $? in
	0) [ -n "$whole_archive" ] || { fail 'not all of it could be extracted (what tar says is above)'; return; } ;;
	2) fail 'a symbolic link is in its way in the target'; return ;;
	4) [ -n "$whole_archive" ] || fail 'not all of it could be extracted (what tar says is above)'; return ;;
	5) was_there; return ;;
	*) fail 'it could not be put into its place'; return ;;
	esac
	restored=$((restored + 1))
	[ -n "$proven" ] || unproven=$((unproven + 1))
	printf '%s\n' "$opath" >>"$work/done"
	say "restored $shown"
}

# --- What is gone --------------------------------------------------------------------------------------------------
# The catalogue says what the newest run of each backup path had stored. Only runs with the HMAC of this key file are
# believed, and only the ten newest are read: one a night may have left thousands.

# of_catalogue NAME prints an object of the catalogue. False, and noted, if it is not proven.
of_catalogue() {
	key=$prefix.firn/$1 place=$prefix.firn/$1 what=get opath=- shown=$1 unproven_too=''
	rm -f "$work/object"
	(look "$work/object" && bring) >/dev/null 2>&1 && gzip -dc <"$work/archive" || { echo "$1" >>"$work/unread"; return 1; }
}

# catalogued prints the keys, in octal, that the newest complete run of each backup path lists.
catalogued() {
	FIRN_DIR=${prefix}.firn/ awk "$awk_lib"'{ key = raw($1); dir = ENVIRON["FIRN_DIR"]; name = substr(key, length(dir) + 1) }
		index(key, dir) == 1 && name ~ /^runs\/[0-9A-Za-z.-]+\.json\.gz$/ { print name }' "$work/list" | sort -r | sed 10q >"$work/runs"
	while read -r run <&4; do
		of_catalogue "$run" >"$work/run" || continue
		path=$(awk "$awk_lib"'/"complete":true/ { print octal(field($0, "path")); exit }' "$work/run")
		case $path in '') continue ;; '\0057') path='' ;; *) path=\\0057$path ;; esac
		while read -r newer <&5; do case "$path\\0057" in "$newer\\0057"*) continue 2 ;; esac; done 5<"$work/paths"
		printf '%s\n' "$path" >>"$work/paths"
		awk '/"manifest":\[/ { sub(/.*"manifest":\[/, ""); sub(/\].*/, ""); n = split($0, key, "\""); for (i = 2; i < n; i += 2) { sub(/.*\//, "", key[i]); print key[i] } }' "$work/run" >"$work/volumes"
		while read -r volume <&5; do
			of_catalogue "manifests/$volume" >"$work/lines" && awk "$awk_lib"'/"key":"/ && /"md5":"/ { print octal(field($0, "key")) }' "$work/lines"
		done 5<"$work/volumes"
	done 4<"$work/runs"
}

gone() {
	catalogued | sort -u >"$work/catalogued"
	awk '{ print $1 }' "$work/list" | sort -u | comm -13 - "$work/catalogued" | sed 's/$/ STANDARD -/' | plan >"$work/gone"
	while IFS=' ' read -r _ what _ opath _ _ _ _ _ _ _ shown <&3; do
		fail 'it is gone: the catalogue lists it, and it is not stored here any more (RECOVER.txt, 4: an older version may be)'
	done 3<"$work/gone"
	[ ! -s "$work/unread" ] || say "the catalogue can't be read whole, or is not proven: not every archive that was deleted is named"
}

# --- All of it -----------------------------------------------------------------------------------------------------

restored=0 skipped=0 failed=0 unproven=0 colds=0 known_id='' hold_all='' size='?'
for list in pending made unread paths; do : >"$work/$list" || exit 1; done
if [ -n "$bucket" ]; then list_bucket; else list_store; fi >"$work/list" || exit 1
plan <"$work/list" | newest >"$work/plan"
while IFS=' ' read -r _ what okey opath ofirst osub odir oname oplace class ext shown <&3; do
	restore
	rm -f "$work/object" "$work/archive"
done 3<"$work/plan"
gone

[ "$((restored + skipped + failed + colds))" -gt 0 ] ||
	die 1 "nothing below ${bucket:+s3://}$bucket$store/$prefix is an archive${wanted:+ that holds $wanted}"
# Directories that were made on the way, and that no archive is still to take the place of, get the mode that mkdir gives.
mode=$(printf '%o' "$((0777 & ~umask_before))")
sort -u "$work/pending" >"$work/still"
sort -u "$work/made" | comm -23 - "$work/still" | while [ -z "$hold_all" ] && read -r opath; do
	(cd -P "${target:-/}" && here=$target && enter "$opath" && made_on_the_way . && chmod "$mode" . && chmod -t .)
done
[ -n "$dry" ] || say "archives restored: $restored, there already: $skipped, cold: $colds, failed: $failed"
[ "$unproven" -eq 0 ] || say "nobody knows who made $unproven of them: without owners, set-id bits, devices and attributes"
[ "$failed" -eq 0 ] || exit 3
if [ "$colds" -gt 0 ]; then
	[ -n "$tier" ] || say 'ask for the thaw with the same command and --thaw bulk, standard or expedited'
	say 'run the same command again when they have thawed'
	exit 4
fi
[ -n "$dry" ] || rm -f "$work/done"
exit 0
