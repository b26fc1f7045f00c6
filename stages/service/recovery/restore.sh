#!/bin/sh
# restore.sh: a firn recovery file. It restores without firn what firn stored. RECOVER.txt explains more.
# It needs a POSIX shell with the usual tools, openssl 1.1.1 or later, python3 or perl, tar (best GNU tar), what
# decompresses the archives (gzip, bzip2, xz or zstd), and for a bucket the aws command.
# Whoever could write to the store can change this script, and it reads the key file: compare its SHA-256 first.
# shellcheck disable=SC2015,SC2030,SC2031,SC2317
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
  --prefix TEXT       the --prefix of the backup
  --path PATH         restore only this path and all below it (a path, no pattern)
  --dry-run           list the archives that would be restored, and fetch none
  --allow-unproven    restore also what has no HMAC of this key file, so that anybody may have made it: without owners,
                      set-id bits, devices and attributes
  --thaw TIER         ask S3 to thaw cold archives: bulk, standard or expedited
  --thaw-days N       how many days a thawed archive can be read (7)
  --cache-path DIR    where an archive lies while it is opened, NOT ENCRYPTED (the target); it needs room for the largest twice
  --region, --profile, --endpoint-url: as for the aws command

After an interruption or a thaw, run the same command again: it continues. TAR=bsdtar in the environment uses another tar.
Exit: 0 everything is restored; 1 nothing could be done; 2 wrong usage; 3 an archive is damaged, unproven, failed or was deleted
(as the newest runs in the catalogue tell), and is named; 4 the remaining archives are cold and must be thawed first; 130 interrupted.
END
}

say() { printf '%s\n' "$*" >&2; }
die() { code=$1; shift; say "restore.sh: $*"; exit "$code"; }
wrong() { say "restore.sh: $*; sh restore.sh --help explains the usage"; exit 2; }
have() { command -v "$1" >/dev/null 2>&1; }

bucket='' store='' keyfile='' target='' prefix='' wanted='' dry='' unproven_too='' tier='' days=7 cache='' endpoint=''
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
	--cache-path) cache=$value ;;
	--region) export AWS_REGION="$value" AWS_DEFAULT_REGION="$value" ;;
	--profile) export AWS_PROFILE="$value" ;;
	--endpoint-url) endpoint=$value ;;
	*) wrong "there is no $name" ;;
	esac
done
[ -n "$bucket$store" ] || wrong 'name the --bucket-name'
[ -n "$keyfile" ] || wrong 'name the --keyfile'
[ -n "$target" ] || wrong 'name a --target'
case $tier in '') ;; bulk) tier=Bulk ;; standard) tier=Standard ;; expedited) tier=Expedited ;; *) wrong "--thaw '$tier': choose bulk, standard or expedited" ;; esac
case $days in '' | 0* | *[!0-9]*) wrong "--thaw-days '$days' is no number" ;; esac
case $bucket in */*) wrong "'$bucket' is no bucket: what follows the slash is the --prefix" ;; esac
while :; do case $prefix in /*) prefix=${prefix#/} ;; */) prefix=${prefix%/} ;; *) break ;; esac; done
[ -z "$prefix" ] || prefix=$prefix/

tar=${TAR:-tar}
for program in awk sed sort find tr od comm cut gzip openssl "$tar"; do have "$program" || die 1 "$program is missing"; done
openssl enc -help 2>&1 | grep -q -e -pbkdf2 || die 1 'this openssl has no -pbkdf2: version 1.1.1 or later is needed'
# The HMAC needs a program that is given the key in a file: in arguments, as openssl takes it, every user could read it.
if have python3 && python3 -c 'import hashlib' 2>/dev/null; then prover=python3
elif have perl && perl -MDigest::SHA -e 1 2>/dev/null; then prover=perl
else die 1 'python3 or perl is needed: openssl alone can not tell who made an archive, and what is not proven is not restored'; fi
[ -n "$store" ] || have aws || die 1 'the aws command is missing; --bucket-name file:///path takes a copy of the bucket'
[ -f "$keyfile" ] && [ -r "$keyfile" ] || die 1 "the key file $keyfile is missing or can't be read"
case $keyfile in /*) ;; *) keyfile=$PWD/$keyfile ;; esac
tar_gnu='' tar_bsd=''
case $("$tar" --version 2>/dev/null </dev/null) in
*'GNU tar'*) tar_gnu=yes ;;
bsdtar*) tar_bsd=yes ;;
*) say "$tar is neither GNU tar nor bsdtar: attributes and some times do not come back as they were saved" ;;
esac
# Names reach aws and bsdtar as UTF-8; everything else takes them as bytes.
utf8=C.UTF-8
case $(locale -a 2>/dev/null | tr '[:upper:]' '[:lower:]') in *c.utf-8* | *c.utf8*) ;; *en_us.utf*) utf8=en_US.UTF-8 ;; esac

# whole DIR: out is its path from the root, without links, a line feed at its end included.
whole() { out=$(cd -P -- "$1" && pwd -P && echo x) || die 1 "the directory $1 can't be entered"; out=${out%?x}; }
made=''
[ -d "$target" ] || made=yes
(umask "$umask_before" && mkdir -p -- "$target") || die 1 "$target can't be made"
whole "$target"; target=${out%/}
[ -z "$store" ] || { whole "$store"; store=${out%/}; }
[ -z "$cache" ] || { whole "$cache"; cache=${out%/}; }
# Everything is extracted into $work/new, to which nobody else has access, and moved from there: it is on the target's disk.
work=$target/.firn-restore.$$ scratch=${cache:-$target}/.firn-restore.$$ made_scratch=''
clear_away() { [ -L "$1" ] || [ ! -d "$1" ] || { [ "$user" = 0 ] || chmod -R u+rwX "$1"; rm -rf "$1"; }; }
for old in "${cache:-$target}"/.firn-restore.* "$target"/.firn-restore.*; do
	kill -0 "${old##*.}" 2>/dev/null || clear_away "$old"
done
finish() { [ -z "${done_file:-}" ] || [ -s "$done_file" ] || rm -f "$done_file"; clear_away "$work"; [ -z "$made_scratch" ] || clear_away "$scratch"; [ -z "$dry$made" ] || rmdir "$target" 2>/dev/null; }
mkdir "$work" || die 1 "$work can't be made"
trap finish EXIT
trap 'say "restore.sh: interrupted; run the same command again to continue"; exit 130' INT TERM HUP
[ -z "$cache" ] || { mkdir "$scratch" && made_scratch=yes; } || die 1 "$scratch can't be made"
cd / || exit 1

# --- Text ----------------------------------------------------------------------------------------------------------
# Keys and names are any bytes, and whoever writes to the store chooses them. They are data of awk, in hexadecimal or
# octal in files, and arguments that begin with a slash, "./" or "--key=". They are never a part of a program.

bytes() { out=''; [ "$1" = - ] || { out=$(printf '%b.' "$1"); out=${out%.}; }; } # out is the bytes of \0OCTAL...
hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
plain() { tr '\000-\010\013-\037\177' '?' <"$scratch/said" | sed 's/^/  /' >&2; } # what a program said

# shellcheck disable=SC2016
awk_lib='
function init(   i) { for (i = 1; i < 256; i++) { chr[i] = sprintf("%c", i); ord[chr[i]] = i; hex[i] = sprintf("%02x", i); num[hex[i]] = i } }
function tohex(s,   out, i, n) { n = length(s); for (i = 1; i <= n; i++) out = out hex[ord[substr(s, i, 1)]]; return out == "" ? "-" : out }
function fromhex(h,   out, i, n) { if (h == "-") return ""; n = length(h); for (i = 1; i < n; i += 2) out = out chr[num[substr(h, i, 2)]]; return out }
function octal(s,   out, i, n) { n = length(s); for (i = 1; i <= n; i++) out = out sprintf("\\0%03o", ord[substr(s, i, 1)]); return out == "" ? "-" : out }
BEGIN { init() }
'
# awk_json reads JSON a line at a time (a string never spans two) and calls value(text) and close_(), which its user defines:
# depth is how deep it is, name the name before it.
# shellcheck disable=SC2016
awk_json=$awk_lib'
function code(s,   i, n) { for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1; return n }
function utf(c) {
	if (c < 128) return chr[c]
	if (c < 2048) return chr[192 + int(c / 64)] chr[128 + c % 64]
	if (c < 65536) return chr[224 + int(c / 4096)] chr[128 + int(c / 64) % 64] chr[128 + c % 64]
	return chr[240 + int(c / 262144)] chr[128 + int(c / 4096) % 64] chr[128 + int(c / 64) % 64] chr[128 + c % 64]
}
function unquote(s,   out, i, e, c) {
	while ((i = index(s, "\\")) > 0) {
		out = out substr(s, 1, i - 1); e = substr(s, i + 1, 1); s = substr(s, i + 2)
		if (e == "u") {
			c = code(s); s = substr(s, 5)
			if (c >= 55296 && c < 56320 && substr(s, 1, 2) == "\\u") { c = 65536 + (c - 55296) * 1024 + code(substr(s, 3)) - 56320; s = substr(s, 7) }
			out = out utf(c)
		} else out = out ((i = index("ntrbf", e)) > 0 ? substr("\n\t\r\b\f", i, 1) : e)
	}
	return out s
}
function parse(s,   c, i, t) {
	for (;;) {
		sub(/^[ \t\r,:]+/, "", s)
		if ((c = substr(s, 1, 1)) == "") return
		if (c == "[" || c == "{") { depth++; n = 0; s = substr(s, 2); continue }
		if (c == "]" || c == "}") { close_(); depth--; s = substr(s, 2); continue }
		if (c == "\"") {
			for (i = 2; (c = substr(s, i, 1)) != "\""; i++) if (c == "") return; else if (c == "\\") i++
			t = unquote(substr(s, 2, i - 2)); s = substr(s, i + 1)
			if (s ~ /^[ \t]*:/) { name = t; continue }
		} else { match(s, /^[^],} \t\r]+/); t = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1); if (t == "null") t = "" }
		value(t)
	}
}
# known checks what a description says of an object: MD5, HMAC, key id, each "-" if it is not one.
function digits(t, n) { t = tolower(t); return length(t) == n && t !~ /[^0-9a-f]/ ? t : "-" }
function known(md5, hmac, id) {
	return digits(md5, 32) " " digits(hmac, 64) " " (length(id) == 67 && id ~ /^1-[0-9a-f]*-[0-9a-f]*$/ && substr(id, 35, 1) == "-" ? id : "-")
}
{ parse($0) }
'

# --- What is stored ------------------------------------------------------------------------------------------------
# A line for each object: key (hex), storage class, place in a directory store (hex).

aws_() {
	[ -z "$endpoint" ] || set -- "--endpoint-url=$endpoint" "$@"
	LC_ALL=$utf8 PYTHONUTF8=1 aws "$@" </dev/null
}

list_bucket() {
	aws_ s3api list-objects-v2 "--bucket=$bucket" "--prefix=$prefix" --output json --query 'Contents[].[StorageClass,Key]' \
		>"$scratch/page" || die 1 "listing s3://$bucket/$prefix failed (what aws says is above)"
	# shellcheck disable=SC2016
	awk "$awk_json"'
	function value(t) { v[++n] = t }
	function close_() { if (depth == 2) print tohex(v[2]), (v[1] ~ /^[A-Z_]+$/ ? v[1] : "STANDARD"), "-" }' <"$scratch/page"
}

list_store() {
	# shellcheck disable=SC2016
	(cd -- "$store" && find . -path ./.firn-store -prune -o -type f \( -name '*.tar.*' -o -name '*.json.gz' \) -exec awk "$awk_lib"'
		BEGIN { for (i = 1; i < ARGC; i++) { h = tohex(substr(ARGV[i], 3)); print h, "STANDARD", h }; exit }' {} +) ||
		die 1 "listing $store failed"
	# A key that can't be a path is stored under its digest, and its description names it.
	for meta in "$store"/.firn-store/odd/.*.firn-meta; do
		name=${meta##*/.} name=${name%.firn-meta}
		case $name in *[!0-9a-f]*) continue ;; esac
		[ -f "$store/.firn-store/odd/$name" ] && [ -f "$meta" ] || continue
		place=$(hex ".firn-store/odd/$name")
		describe "$meta" | cut -d' ' -f1 | sort -u | while read -r key; do printf '%s STANDARD %s\n' "$key" "$place"; done
	done
}

# describe FILE: what a directory store's description says: key (hex), MD5, HMAC, key id.
describe() {
	# shellcheck disable=SC2016
	awk "$awk_json"'
	function value(t) { if (depth == 3 && name == "key") k = tohex(t); if (depth == 4) m[name] = t }
	function close_() { if (depth == 3) { print k, known(m["md5"], m["firn-hmac-sha256"], m["firn-key-id"]); split("", m); k = "-" } }' <"$1"
}

# plan reads the list, or lines with a full key (hex) in addition, and prints what is wanted, directories above first: path
# (hex); what to do; key; path in the target; first name in the tar; directory of what is wanted there; its directory in the
# target; its name; place (these in octal); class; ending; key (hex); key to show.
plan() {
	# shellcheck disable=SC2016
	FIRN_PREFIX=$prefix FIRN_PATH=$wanted awk "$awk_lib"'
	function shown(s,   out, i, n, c) {
		n = length(s)
		for (i = 1; i <= n; i++) {
			c = ord[substr(s, i, 1)]
			out = out (c < 32 || c == 127 || c == 194 && ord[substr(s, i + 1, 1)] < 160 ? sprintf("\\%03o", c) : chr[c])
		}
		return out
	}
	# part undoes the escapes of one part of a key; ".." stays escaped, so that it leads nowhere.
	function part(s,   out, i, h) {
		if (s == "\\x2e\\x2e") return s
		while ((i = index(s, "\\x")) > 0) {
			out = out substr(s, 1, i - 1); h = substr(s, i + 2, 2); s = substr(s, i + 2)
			if (h ~ /^[0-9a-f][0-9a-f]$/) { if (h == "00" || h == "2f") bad = 1; out = out chr[num[h]]; s = substr(s, 3) } else out = out "\\x"
		}
		return out s
	}
	function joined(a, b) { return a (a == "" || b == "" ? "" : "/") b }
	function emit(what) {
		print tohex(path), what, octal(key), octal(joined(dir, last)), octal(first), octal(sub_), octal(dir), octal(last), octal(fromhex($3)), $2, ext, $1, shown(key)
	}
	BEGIN {
		prefix = ENVIRON["FIRN_PREFIX"]; p = ENVIRON["FIRN_PATH"]
		gsub(/\/+/, "/", p); sub(/^\//, "", p); sub(/\/$/, "", p); sub(/^(\.\/)+/, "", p)
		wanted = p == "" || p == "." ? 0 : split(p, want, "/")
	}
	{
		key = fromhex($1); full = NF > 3 ? fromhex($4) : key; path = dir = last = first = sub_ = ""; bad = 0
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

# --- One archive ---------------------------------------------------------------------------------------------------

fail() { failed=$((failed + 1)); hold; say "FAILED: $shown: $1"; }
# hold notes that something is still to come to this place.
hold() { [ "$what" = get ] || hold_all=yes; printf '%s\n' "$opath" >>"$scratch/pending"; }

# look sets what is known of an object: class, thawed, facts (a line for each description: MD5, HMAC, key id).
look() {
	class=STANDARD thawed='' facts='- - -'
	if [ -n "$bucket" ]; then
		aws_ s3api head-object "--bucket=$bucket" "--key=$key" --output json --query '[[StorageClass,Restore,to_string(ContentLength),
			Metadata.md5,Metadata."firn-hmac-sha256",Metadata."firn-key-id"]]' >"$scratch/head" 2>"$scratch/said" || { plain; return 1; }
		# shellcheck disable=SC2016
		awk "$awk_json"'
		function value(t) { v[++n] = t }
		function close_() {
			if (depth != 2) return
			print (v[1] ~ /^[A-Z_]+$/ ? v[1] : "STANDARD"), (v[2] ~ /ongoing-request="true"/ ? "ongoing" : v[2] == "" ? "no" : "yes"), (v[3] ~ /^[0-9]+$/ ? v[3] : "?")
			print known(v[4], v[5], v[6])
		}' <"$scratch/head" >"$scratch/known"
		{ read -r class thawed size && read -r facts; } <"$scratch/known"
		return
	fi
	meta=$store/$place
	meta=${meta%/*}/.${meta##*/}.firn-meta
	[ ! -f "$meta" ] || facts=$(describe "$meta" | FIRN_KEY=$hexkey awk '$1 == ENVIRON["FIRN_KEY"] { print $2, $3, $4 }')
	[ -n "$facts" ] || facts='- - -'
}

# cold: whether the object must be thawed first. It reports the object, and asks for the thaw if --thaw is given.
cold() {
	case $class in GLACIER | DEEP_ARCHIVE) ;; *) return 1 ;; esac
	case $thawed in
	yes) return 1 ;;
	ongoing) say "cold, its thaw is under way: $shown" ;;
	*)
		if [ -z "$tier" ] || [ -n "$dry" ]; then
			say "cold ($class, $size bytes): $shown"
		elif aws_ s3api restore-object "--bucket=$bucket" "--key=$key" \
			--restore-request "Days=$days,GlacierJobParameters={Tier=$tier}" >/dev/null 2>"$scratch/said"; then
			say "cold ($class, $size bytes), its thaw is asked for: $shown"
		elif grep -q RestoreAlreadyInProgress "$scratch/said"; then
			say "cold, its thaw is under way: $shown"
		else
			plain
			fail 'its thaw could not be asked for'
			return 0
		fi
		;;
	esac
	colds=$((colds + 1))
	hold
}

# prove KEY-ID [KEY (hex)] prints the HMAC of $scratch/archive under that key, as in docs/format.md of firn; without a key
# it only tells whose the key id is. Exit 3: another key file's.
# shellcheck disable=SC2016
prove_python='
import hashlib, hmac, struct, sys
keyfile, key_id = sys.argv[1:3]
password = open(keyfile, "rb").read(1023).split(b"\n")[0].split(b"\0")[0]
_, salt, digest = key_id.split("-")
master = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(salt), 20000, 32)
def expand(info): return hmac.new(master, info + b"\1", "sha256").digest()
if expand(b"firn key id v1")[:16].hex() != digest: sys.exit(3)
if len(sys.argv) > 3:
    key = bytes.fromhex(sys.argv[3])
    mac = hmac.new(expand(b"firn archive mac v1"), b"firn archive mac v1\0" + struct.pack(">Q", len(key)) + key, "sha256")
    for block in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): mac.update(block)
    print(mac.hexdigest())
'
# shellcheck disable=SC2016
prove_perl='
use strict; use Digest::SHA qw(sha256 hmac_sha256);
my ($keyfile, $key_id, $key) = @ARGV;
open my $f, "<:raw", $keyfile or die; read $f, my $password, 1023; $password =~ s/[\n\0].*//s;
my (undef, $salt, $digest) = split /-/, $key_id;
my $master = my $u = hmac_sha256(pack("H*", $salt) . pack("N", 1), $password);
for (2 .. 20000) { $u = hmac_sha256($u, $password); $master ^= $u }
sub expand { hmac_sha256("$_[0]\1", $master) }
exit 3 if unpack("H*", substr(expand("firn key id v1"), 0, 16)) ne $digest;
exit 0 unless defined $key;
my $k = expand("firn archive mac v1") . "\0" x 32; $key = pack("H*", $key); binmode STDIN;
my $inner = Digest::SHA->new(256)->add($k ^ "\x36" x 64, "firn archive mac v1\0", pack("N2", 0, length $key), $key)->addfile(*STDIN)->digest;
print unpack("H*", sha256(($k ^ "\x5c" x 64) . $inner)), "\n";
'
prove() {
	if [ $# -gt 1 ]; then exec 6<"$scratch/archive"; else exec 6</dev/null; fi
	if [ "$prover" = python3 ]; then python3 -c "$prove_python" "$keyfile" "$@" <&6 2>/dev/null; else perl -e "$prove_perl" "$keyfile" "$@" <&6 2>/dev/null; fi
}

# bring fetches and decrypts the object, and proves that it is what was saved: $scratch/archive. proven is empty if nobody
# knows who made it, and --allow-unproven takes that.
bring() {
	ours='' others='' proven=''
	while read -r _ hmac id; do
		[ "$hmac" != - ] && [ "$id" != - ] || continue
		[ "$id" = "$known_id" ] || prove "$id"
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
		object=$scratch/object
		aws_ s3 cp --only-show-errors --force-glacier-transfer "s3://$bucket/$key" "$object" >"$scratch/said" 2>&1 ||
			{ plain; fail 'it could not be fetched'; return 1; }
	fi
	openssl enc -d -aes-256-cbc -pbkdf2 -md sha256 -pass "file:$keyfile" -in "$object" -out "$scratch/archive" 2>"$scratch/said" </dev/null ||
		{ plain; fail 'it does not decrypt: it is damaged, or the key file is another one'; return 1; }
	rm -f "$scratch/object"
	if [ -n "$ours" ]; then
		while read -r id hmac && [ -z "$proven" ]; do
			[ -z "$id" ] || [ "$(prove "$id" "$hexkey")" != "$hmac" ] || proven=yes
		done <<-END
			$ours
		END
		[ -n "$proven" ] || fail 'damaged or forged: its HMAC does not fit its key and content; nothing of it is extracted'
		[ -n "$proven" ]
		return
	fi
	sum=$(openssl dgst -md5 -r <"$scratch/archive")
	case $facts in
	*"${sum%% *} "*) ;;
	'- '*) say "no MD5 is known of it, and anybody may have made it: $shown" ;;
	*) fail "damaged: the MD5 is ${sum%% *}, not what was saved; nothing of it is extracted"; return 1 ;;
	esac
}

unpacker() { case $1 in gz) echo gzip ;; bz2) echo bzip2 ;; xz) echo xz ;; zst) echo zstd ;; esac; }

# full_key prints, in hex, the full key of an object with a shortened one: the comment of the first member of the tar
# (pax, POSIX.1-2017), in $scratch/archive.
full_key() {
	# shellcheck disable=SC2016
	"$(unpacker "$ext")" -dc <"$scratch/archive" 2>/dev/null | od -An -v -tx1 -N 65536 | awk "$awk_lib"'
	{ h = h $0 }
	END {
		gsub(/[ \t\r\n]/, "", h)
		if (substr(h, 313, 2) != "78") exit # type x
		for (i = 249; i < 273; i += 2) if ((c = fromhex(substr(h, i, 2))) ~ /^[0-7]$/) bytes = bytes * 8 + c
		for (h = substr(h, 1025, 2 * bytes); h != ""; h = substr(h, 2 * size + 1)) {
			i = index(h, "20"); while (i % 2 == 0) i += index(substr(h, i + 1), "20")
			if ((size = fromhex(substr(h, 1, i - 1)) + 0) < 5) exit
			if (substr(h, i + 2, 16) == "636f6d6d656e743d") { print substr(h, i + 18, 2 * size - i - 19); exit }
		}
	}'
}

# unpack extracts the archive into $work/new, which is made anew. False, after a word, if it is not what its key says.
unpack() {
	clear_away "$work/new"
	mkdir "$work/new" || return 1
	set -- -x -f - -C "$work/new"
	if [ -z "$proven" ]; then
		set -- "$@" -o
		[ -z "$tar_gnu$tar_bsd" ] || set -- "$@" --no-same-permissions
		[ -z "$tar_bsd" ] || set -- "$@" --no-xattrs --no-acls --no-fflags
	else
		set -- "$@" -p
		[ -z "$tar_gnu$tar_bsd" ] || set -- "$@" --numeric-owner --acls --xattrs
		[ -z "$tar_gnu" ] || [ "$user" != 0 ] || set -- "$@" '--xattrs-include=*'
	fi
	[ -z "$tar_gnu" ] || set -- "$@" --warning=no-timestamp
	rm -f "$scratch/fault" && whole_archive=yes
	{ "$(unpacker "$ext")" -dc <"$scratch/archive" || : >"$scratch/fault"; } 2>"$scratch/said" | {
		[ -z "$tar_bsd" ] || export LC_ALL="$utf8"
		[ -n "$proven" ] || umask "$umask_before"
		"$tar" "$@" 2>"$scratch/said.tar"
		code=$?
		cat >/dev/null
		exit "$code"
	} && [ ! -e "$scratch/fault" ] || { cat "$scratch/said.tar" >>"$scratch/said"; plain; whole_archive=''; }
	[ -n "$proven" ] || {
		find "$work/new" \( -type b -o -type c \) -exec rm -f {} +
		find "$work/new" ! -type l \( -perm -4000 -o -perm -2000 \) -exec chmod ug-s {} +
	}
	[ "$first" != . ] || return 0
	for entry in "$work/new"/* "$work/new"/.[!.]* "$work/new"/..?*; do
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		[ "${entry##*/}" = "$first" ] || { fail 'it holds another path than its key names; nothing of it is restored'; return 1; }
	done
}

# --- Into place ----------------------------------------------------------------------------------------------------
# The shell goes to the place part by part, and looks where it is: then nobody who may write there can lead it elsewhere
# by a link. mv then renames into the directory where it is. A directory that is made on the way has mode 1700 until its own
# archive, which may still be cold, takes its place.

# enter OCTAL [make] goes there from the current directory, whose path is $here. Exit 1: there is no such directory. 2: a link.
enter() {
	rest=$1 slash='\0057' way=''
	[ "$rest" != - ] || return 0
	while [ -n "$rest" ]; do
		bytes "${rest%%"$slash"*}"
		way=$way${way:+$slash}${rest%%"$slash"*}
		case $rest in *"$slash"*) rest=${rest#*"$slash"} ;; *) rest='' ;; esac
		[ ! -L "./$out" ] || return 2
		if [ ! -d "./$out" ]; then
			[ $# -gt 1 ] || return 1
			keep make make_dir "$out" || return 1
		fi
		here=$here/$out
		cd -P "./$out" 2>/dev/null || return 1
		[ "$PWD" = "$here" ] || return 2
		[ $# -lt 2 ] || ! container . || printf '%s\n' "$way" >>"$scratch/containers"
	done
}
make_dir() { mkdir "./$1" && chmod 1700 "./$1"; }
container() { [ -d "$1" ] && [ -k "$1" ] && [ ! -L "$1" ] && [ -n "$(find "$1" -prune -type d \( -perm 1700 -o -perm 3700 \))" ]; }
is_there() { [ -e "$1" ] || [ -L "$1" ]; }

# keep NAME COMMAND...: runs it in the current directory, whose time and mode stay.
keep() {
	touch -r . "$scratch/time.$1"
	if [ -w . ]; then locked=''; else locked=yes; chmod u+w .; fi
	(shift; "$@")
	code=$?
	[ -z "$locked" ] || chmod u-w .
	touch -r "$scratch/time.$1" . 2>/dev/null
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
	if ! container "./$1" || [ -L "$from/$1" ] || [ ! -d "$from/$1" ]; then
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

# place puts what was extracted in its place. Exit 1: it failed. 2: a link is in the way. 4: it is not in the archive. 5: it is there.
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
	is_there "./$name" && ! container "./$name"
)
is_done() { grep -qxF -e "$opath" "$done_file"; }
was_there() {
	if is_done; then skipped=$((skipped + 1)); else fail 'something else is in its place in the target, and stays there: name another --target'; fi
}

# restore does one line of the plan.
restore() {
	bytes "$okey"; key=$out
	bytes "$oplace"; place=$out
	bytes "$oname"; name=$out
	bytes "$ofirst"; first=$out
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
		bytes "$(printf '%s\n' "${full:--}" | awk "$awk_lib"'{ print octal(fromhex($1)) }')"
		sum=$(printf '%s' "$out" | openssl dgst -sha256 -r)
		case $sum in "${tail%%.*}"*) ;; *) fail 'the full key in it is not the one that was shortened'; return ;; esac
		printf '%s STANDARD - %s\n' "$hexkey" "$full" | plan >"$scratch/one"
		[ -s "$scratch/one" ] || return 0
		IFS=' ' read -r _ what _ opath ofirst osub odir oname _ <"$scratch/one"
		[ "$what" = get ] || { fail 'no path can be read from its full key'; return; }
		bytes "$oname"; name=$out
		bytes "$ofirst"; first=$out
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
	printf '%s\n' "$opath" >>"$done_file"
	say "restored $shown"
}

# --- What is gone --------------------------------------------------------------------------------------------------
# The catalogue says what the newest run of each backup path had stored. Only runs with the HMAC of this key file are
# believed, and only the newest are read: one a night may have left thousands.

# of_catalogue NAME prints an object of the catalogue. False if it is not proven.
of_catalogue() {
	key=$prefix.firn/$1 what=get opath=- shown=$1
	place=$key hexkey=$(hex "$key") unproven_too=''
	(look && bring) >/dev/null 2>&1 && gzip -dc <"$scratch/archive"
}

# catalogued prints the keys, in hex, that the newest complete run of each backup path lists.
catalogued() {
	: >"$scratch/paths"
	FIRN_DIR=${prefix}.firn/runs/ awk "$awk_lib"'
		{ key = fromhex($1); dir = ENVIRON["FIRN_DIR"]; name = substr(key, length(dir) + 1) }
		index(key, dir) == 1 && name ~ /^[0-9A-Za-z.-]+\.json\.gz$/ { print name }' "$scratch/list" | sort -r | sed 10q >"$scratch/runs"
	while read -r run <&4; do
		of_catalogue "runs/$run" >"$scratch/json" || { echo "$run" >>"$scratch/unread"; continue; }
		# shellcheck disable=SC2016
		awk "$awk_json"'
		function value(t) {
			if (depth == 1 && name == "path") path = tohex(t)
			if (depth == 1 && name == "complete") complete = t
			if (depth == 2 && name == "manifest") { sub(/.*\//, "", t); if (t ~ /^[0-9A-Za-z.-]+$/) volume[++volumes] = t }
		}
		function close_() {}
		END { if (complete == "true") { print path; for (i = 1; i <= volumes; i++) print volume[i] } }' <"$scratch/json" >"$scratch/run"
		read -r path <"$scratch/run" || continue
		while read -r newer <&5; do
			case $path in "$newer" | "$newer"2f*) continue 2 ;; esac
			case $newer in 2f) continue 2 ;; esac
		done 5<"$scratch/paths"
		printf '%s\n' "$path" >>"$scratch/paths"
		sed 1d "$scratch/run" >"$scratch/volumes"
		while read -r volume <&5; do
			of_catalogue "manifests/$volume" >"$scratch/json" || { echo "$volume" >>"$scratch/unread"; continue; }
			# shellcheck disable=SC2016
			awk "$awk_json"'
			function value(t) { if (depth == 1 && name == "key") key = tohex(t); if (depth == 1 && name == "md5") md5 = t }
			function close_() { if (depth == 1) { if (key != "" && md5 != "") print key; key = md5 = "" } }' <"$scratch/json"
		done 5<"$scratch/volumes"
	done 4<"$scratch/runs"
}

gone() {
	catalogued | sort -u >"$scratch/catalogued"
	cut -d' ' -f1 "$scratch/list" | sort -u | comm -13 - "$scratch/catalogued" | sed 's/$/ STANDARD -/' | plan >"$scratch/gone"
	while IFS=' ' read -r _ what _ opath _ _ _ _ _ _ _ _ shown <&3; do
		fail 'it is gone: the catalogue lists it, and it is not stored here any more (RECOVER.txt, 4: an older version may be)'
	done 3<"$scratch/gone"
	[ ! -s "$scratch/unread" ] || say "the catalogue can't be read whole, or is not proven: not every archive that was deleted is named"
}

# --- All of it -----------------------------------------------------------------------------------------------------

restored=0 skipped=0 failed=0 unproven=0 colds=0 known_id='' hold_all='' size='?'
# What an interrupted run restored from this source, until everything is.
done_file=$target/.firn-restored.$(printf '%s\n' "$bucket" "$endpoint" "$store" "$prefix" "$wanted" | cksum | tr -cd 0-9)
[ ! -L "$done_file" ] && : >>"$done_file" || die 1 "$done_file can't be written"
: >"$scratch/pending" && : >"$scratch/containers" && : >"$scratch/unread"
if [ -n "$bucket" ]; then list_bucket; else list_store; fi >"$scratch/list" || exit 1
plan <"$scratch/list" >"$scratch/plan"
while IFS=' ' read -r _ what okey opath ofirst osub odir oname oplace class ext hexkey shown <&3; do
	restore
	rm -f "$scratch/object" "$scratch/archive"
done 3<"$scratch/plan"
gone

[ "$((restored + skipped + failed + colds))" -gt 0 ] ||
	die 1 "nothing below ${bucket:+s3://}$bucket$store/$prefix is an archive${wanted:+ that holds $wanted}"
# Directories that were made on the way, and that no archive is still to take the place of, get the mode that mkdir gives.
mode=$(printf '%o' "$((0777 & ~umask_before))")
sort -u "$scratch/containers" >"$scratch/made"
sort -u "$scratch/pending" | comm -23 "$scratch/made" - | while [ -z "$hold_all" ] && read -r opath; do
	(cd -P "${target:-/}" && here=$target && enter "$opath" && container . && chmod "$mode" . && chmod -t .)
done
[ -n "$dry" ] || say "archives restored: $restored, there already: $skipped, cold: $colds, failed: $failed"
[ "$unproven" -eq 0 ] || say "nobody knows who made $unproven of them: without owners, set-id bits, devices and attributes"
[ "$failed" -eq 0 ] || exit 3
if [ "$colds" -gt 0 ]; then
	[ -n "$tier" ] || say 'ask for the thaw with the same command and --thaw bulk, standard or expedited'
	say 'run the same command again when they have thawed'
	exit 4
fi
[ -n "$dry" ] || rm -f "$done_file"
exit 0
