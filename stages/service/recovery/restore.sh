#!/bin/sh
# restore.sh: a firn recovery file. It restores without firn what firn stored. RECOVER.txt explains more.
# It needs a POSIX shell with the usual tools (awk, sed, sort, find ...), openssl 1.1.1 or later, tar (best GNU tar), what
# decompresses the archives (gzip, bzip2, xz or zstd), and for a bucket the aws command. With python3 it also verifies
# the HMAC of the archives, which shows who made them.
set -u
umask_before=$(umask)
umask 077
export LC_ALL=C AWS_PAGER='' PYTHONUTF8=1
unset CDPATH
IFS=$(printf ' \t\n.')
IFS=${IFS%.}

usage() {
	cat <<'END'
usage: sh restore.sh --bucket BUCKET --keyfile FILE --target DIR [--prefix PREFIX] [options]
       sh restore.sh --store DIR     --keyfile FILE --target DIR [--prefix PREFIX] [options]

  --bucket BUCKET     the bucket (or s3://BUCKET); the AWS settings are those of the aws command
  --store DIR         a directory store, or a local copy of a bucket: aws is not needed
  --keyfile FILE      the key file that the archives were made with
  --target DIR        restore below this directory, at the paths that were saved; it is made if it is missing
  --prefix PREFIX     the --prefix of the backup, as it is in the keys
  --path PATTERN      restore only this path and all below it; * ? [a-z] match inside one part of the path,
                      [*] matches a star, and a backslash is a plain character
  --dry-run           list the archives that would be restored, and fetch none
  --thaw TIER         ask S3 to thaw cold archives: Bulk, Standard or Expedited
  --days N            how many days a thawed archive can be read (7)
  --work DIR          directory for archives while they are opened, NOT ENCRYPTED (TARGET/.firn-restore); it needs room
                      for the largest archive twice, and keeps what an interrupted run has done
  --endpoint-url URL  a server that speaks S3, if it is not AWS

After an interruption or a thaw, run the same command again: it continues. TAR=bsdtar in the environment uses another tar.
Exit: 0 everything is restored; 1 nothing could be done; 2 wrong usage; 3 an archive is damaged, failed or was deleted (as the
newest runs in the catalogue tell), and is listed; 4 the remaining archives are cold and must be thawed first; 130 interrupted.
END
}

say() { printf '%s\n' "$*" >&2; }
die() { code=$1; shift; say "restore.sh: $*"; exit "$code"; }
wrong() { say "restore.sh: $*"; say 'restore.sh: sh restore.sh --help explains the usage'; exit 2; }

bucket='' store='' keyfile='' target='' prefix='' pattern='' endpoint='' dry='' tier='' days=7 work='' tar=${TAR:-tar}
while [ $# -gt 0 ]; do
	case $1 in
	--help | -h) usage; exit 0 ;;
	--dry-run) dry=yes; shift; continue ;;
	--*=*) name=${1%%=*} value=${1#*=}; shift ;;
	--*) name=$1; [ $# -gt 1 ] || wrong "$1 needs a value"; value=$2; shift 2 ;;
	*) wrong "'$1' is not understood" ;;
	esac
	[ -n "$value" ] || [ "$name" = --prefix ] || wrong "$name needs a value"
	case $name in
	--bucket) bucket=${value#s3://} bucket=${bucket%/} ;;
	--store) store=${value#file://} ;;
	--keyfile) keyfile=$value ;;
	--target) target=$value ;;
	--prefix) prefix=$value ;;
	--path) pattern=$value ;;
	--thaw) tier=$value ;;
	--days) days=$value ;;
	--work) work=$value ;;
	--endpoint-url) endpoint=$value ;;
	*) wrong "there is no $name" ;;
	esac
done
[ -n "$bucket$store" ] || wrong 'name the --bucket, or a directory as --store'
[ -z "$bucket" ] || [ -z "$store" ] || wrong 'name either --bucket or --store'
[ -n "$target" ] || wrong 'name a --target'
[ -n "$keyfile" ] || [ -n "$dry" ] || wrong 'name the --keyfile'
case $tier in '' | Bulk | Standard | Expedited) ;; *) wrong "--thaw is Bulk, Standard or Expedited, not '$tier'" ;; esac
case $days in '' | 0* | *[!0-9]*) wrong "--days is a number, not '$days'" ;; esac
case $bucket in */*) wrong "'$bucket' is no bucket: what follows the slash is the --prefix" ;; esac
while :; do
	case $prefix in /*) prefix=${prefix#/} ;; */) prefix=${prefix%/} ;; *) break ;; esac
done
[ -z "$prefix" ] || prefix=$prefix/

have() { command -v "$1" >/dev/null 2>&1; }
for program in awk sed sort find wc tr od; do have "$program" || die 1 "$program is missing"; done
if [ -n "$keyfile" ]; then
	[ -f "$keyfile" ] || die 1 "there is no key file $keyfile"
	[ -r "$keyfile" ] || die 1 "the key file $keyfile can't be read"
	case $keyfile in /*) ;; *) keyfile=$PWD/$keyfile ;; esac
fi
if [ -z "$dry" ]; then
	have openssl || die 1 'openssl is missing'
	openssl enc -help 2>&1 | grep -q -e -pbkdf2 || die 1 "this openssl has no -pbkdf2: version 1.1.1 or later is needed"
	have "$tar" || die 1 "$tar is missing"
fi
[ -n "$store" ] || have aws || die 1 'the aws command is missing; --store DIR takes a copy of the bucket instead'
[ -z "$store" ] || [ -d "$store" ] || die 1 "there is no directory $store"

# Names reach aws and bsdtar as UTF-8; everything else takes them as bytes.
utf8=C.UTF-8
case $(locale -a 2>/dev/null | tr '[:upper:]' '[:lower:]') in
*c.utf-8* | *c.utf8*) ;;
*en_us.utf-8* | *en_us.utf8*) utf8=en_US.UTF-8 ;;
esac

made=''
[ -d "$target" ] || made=yes
(umask "$umask_before" && mkdir -p -- "$target") || die 1 "$target can't be made"
# whole NAME DIR: sets NAME to the directory's path from the root, a line feed at its end included.
whole() {
	# shellcheck disable=SC2034
	whole_path=$(cd -- "$2" && pwd -P && echo x) || die 1 "$2 can't be entered"
	eval "$1=\${whole_path%?x}"
}
whole target "$target"
[ -z "$store" ] || whole store "$store"
[ -n "$work" ] || work=${target%/}/.firn-restore
mkdir -p -- "$work" || die 1 "$work can't be made"
whole work "$work"
for old in "$work"/run.*; do
	[ ! -d "$old" ] || kill -0 "${old##*.}" 2>/dev/null || rm -rf -- "$old"
done
scratch=$work/run.$$
mkdir -- "$scratch" || die 1 "$scratch can't be made"
done_file=''
# shellcheck disable=SC2317
finish() { # by the trap
	rm -rf -- "$scratch"
	[ -z "$done_file" ] || [ -s "$done_file" ] || rm -f -- "$done_file"
	rmdir -- "$work" 2>/dev/null
	[ -z "$dry" ] || [ -z "$made" ] || rmdir -- "$target" 2>/dev/null
}
trap finish EXIT
trap 'say "restore.sh: interrupted; run the same command again to continue"; exit 130' INT TERM HUP

# --- Text ----------------------------------------------------------------------------------------------------------
# Keys are any bytes. They are kept in hexadecimal, which keeps their order, and passed to printf in octal.

# shellcheck disable=SC2016
awk_bytes='
function init(   i) { for (i = 1; i < 256; i++) { chr[i] = sprintf("%c", i); ord[chr[i]] = i; hex[i] = sprintf("%02x", i); num[hex[i]] = i } }
function tohex(s,   out, i, n) { n = length(s); for (i = 1; i <= n; i++) out = out hex[ord[substr(s, i, 1)]]; return out }
function fromhex(h,   out, i, n) { n = length(h); for (i = 1; i < n; i += 2) out = out chr[num[substr(h, i, 2)]]; return out }
function octal(s,   out, i, n) { n = length(s); for (i = 1; i <= n; i++) out = out sprintf("\\0%03o", ord[substr(s, i, 1)]); return out == "" ? "-" : out }
'
# awk_json reads JSON a line at a time (a string never spans two) and calls value(name, text, isString) and close_().
# shellcheck disable=SC2016
awk_json=$awk_bytes'
function code(s,   i, n) { for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1; return n }
function utf(c) {
	if (c < 128) return chr[c]
	if (c < 2048) return chr[192 + int(c / 64)] chr[128 + c % 64]
	if (c < 65536) return chr[224 + int(c / 4096)] chr[128 + int(c / 64) % 64] chr[128 + c % 64]
	return chr[240 + int(c / 262144)] chr[128 + int(c / 4096) % 64] chr[128 + int(c / 64) % 64] chr[128 + c % 64]
}
function plain(s,   out, i, e, c, low) {
	while ((i = index(s, "\\")) > 0) {
		out = out substr(s, 1, i - 1); e = substr(s, i + 1, 1); s = substr(s, i + 2)
		if (e == "u") {
			c = code(s); s = substr(s, 5)
			if (c >= 55296 && c < 56320 && substr(s, 1, 2) == "\\u") {
				low = code(substr(s, 3)); c = 65536 + (c - 55296) * 1024 + low - 56320; s = substr(s, 7)
			}
			out = out utf(c)
		} else if (e == "n") out = out "\n"
		else if (e == "t") out = out "\t"
		else if (e == "r") out = out "\r"
		else if (e == "b") out = out chr[8]
		else if (e == "f") out = out chr[12]
		else out = out e
	}
	return out s
}
function string_end(s,   i, c) { for (i = 2; (c = substr(s, i, 1)) != ""; i++) { if (c == "\\") i++; else if (c == "\"") return i }; return 0 }
function parse(s,   c, i, t) {
	for (;;) {
		sub(/^[ \t\r,:]+/, "", s)
		if ((c = substr(s, 1, 1)) == "") return
		if (c == "[" || c == "{") { depth++; n = 0; s = substr(s, 2); continue }
		if (c == "]" || c == "}") { close_(); depth--; s = substr(s, 2); continue }
		if (c == "\"") {
			if ((i = string_end(s)) == 0) return
			t = plain(substr(s, 2, i - 2)); s = substr(s, i + 1)
			if (s ~ /^[ \t]*:/) { name = t; continue }
			value(t); continue
		}
		match(s, /^[^],} \t\r]+/); t = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1)
		value(t == "null" ? "" : t)
	}
}
BEGIN { init() }
{ parse($0) }
'

text() { # text NAME OCTAL: sets NAME to the bytes
	if [ "$2" = - ]; then
		eval "$1=''"
	else
		# shellcheck disable=SC2034
		text_value=$(printf '%b.' "$2")
		eval "$1=\${text_value%.}"
	fi
}

# --- What is stored ------------------------------------------------------------------------------------------------
# A line for each object: key (hex), bytes, storage class, ETag, place (hex; below --store).

aws_() {
	if [ -n "$endpoint" ]; then
		LC_ALL=$utf8 aws --endpoint-url "$endpoint" "$@"
	else
		LC_ALL=$utf8 aws "$@"
	fi </dev/null
}

list_bucket() {
	token=''
	export FIRN_NEXT="$scratch/next"
	while :; do
		set -- s3api list-objects-v2 --bucket "$bucket" "--prefix=$prefix" --max-items 20000 --output json \
			--query '[NextToken,Contents[].[Size,StorageClass,ETag,Key]]'
		[ -z "$token" ] || set -- "$@" "--starting-token=$token"
		aws_ "$@" >"$scratch/page" || die 1 "listing s3://$bucket/$prefix failed (what aws says is above)"
		# shellcheck disable=SC2016
		awk "$awk_json"'
		function value(t) { if (depth == 1 && t != "") print t >ENVIRON["FIRN_NEXT"]; if (depth == 3) v[++n] = t }
		function close_(   class, tag) {
			if (depth != 3) return
			class = v[2] ~ /^[A-Z_]+$/ ? v[2] : "STANDARD"; tag = v[3]; gsub(/[^0-9A-Za-z-]/, "", tag)
			print tohex(v[4]), v[1], class, (tag == "" ? "-" : tag), "-"
		}' "$scratch/page" || die 1 'reading the list failed'
		[ -s "$scratch/next" ] || break
		token=$(cat "$scratch/next")
		rm -f -- "$scratch/next"
	done
}

list_store() {
	# shellcheck disable=SC2016
	(cd -- "$store" && find . -path ./.firn-store -prune -o -type f -name '*.tar.*' -exec awk "$awk_bytes"'
		BEGIN { init(); for (i = 1; i < ARGC; i++) { h = tohex(substr(ARGV[i], 3)); print h, "-", "STANDARD", "-", h } }' {} +) ||
		die 1 "listing $store failed"
	[ -d "$store/.firn-store/odd" ] || return 0
	# A key that can't be a path is stored under a digest, and its description has the key.
	for meta in "$store"/.firn-store/odd/.*.firn-meta; do
		[ -f "$meta" ] || continue
		odd=${meta##*/.} odd=${odd%.firn-meta}
		[ ! -f "$store/.firn-store/odd/$odd" ] || describe "$meta" - | sed "s|^\([0-9a-f]*\) .*|\1 - STANDARD - $odd|" | sort -u
	done | awk "$awk_bytes"'BEGIN { init() } { print $1, $2, $3, $4, tohex(".firn-store/odd/" $5) }'
}

# describe FILE BYTES: what a directory store's description says of objects of that many bytes (- is any):
# key (hex), md5, hmac, key id.
describe() {
	# shellcheck disable=SC2016
	awk "$awk_json"'
	function field(t) { return t ~ /^[!-~]+$/ ? t : "None" }
	function value(t) {
		if (depth == 3 && name == "key") k = tohex(t)
		if (depth == 3 && name == "size") size = t
		if (depth == 4) m[name] = t
	}
	function close_() {
		if (depth != 3) return
		if (want == "-" || want == size) print k, field(m["md5"]), field(m["firn-hmac-sha256"]), field(m["firn-key-id"])
		split("", m); k = size = ""
	}' want="$2" "$1"
}

# --- What of it is wanted ------------------------------------------------------------------------------------------
# plan sorts the list by full keys, inner ones first, so that the times and modes of a directory are set after what is in
# it. Done archives are left out, unless something below them is still to come. Fields, in octal but for the first three:
# what to do (get; shell is a directory of which parts lie in other archives), ending, ETag, key, directory to unpack in, first
# member, member pattern (- is all), place, bytes, class, hex key, shown.
# shellcheck disable=SC2016
awk_plan=$awk_bytes'
function shown(s,   out, i, n, c, c2) {
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = ord[substr(s, i, 1)]; c2 = ord[substr(s, i + 1, 1)]
		out = out (c < 32 || c == 127 || c == 194 && c2 < 160 ? sprintf("\\%03o", c) : chr[c])
	}
	return out
}
function glob(p,   out, i, c, j) {
	for (i = 1; (c = substr(p, i, 1)) != ""; i++) {
		if (c == "*") out = out ".*"
		else if (c == "?") out = out "."
		else if (c == "[" && (j = index(substr(p, i + 2), "]")) > 0) {
			c = substr(p, i + 1, j); gsub(/\\/, "\\\\", c); if (c ~ /^!/) c = "^" substr(c, 2)
			out = out "[" c "]"; i += j + 1
		} else if (c ~ /[a-zA-Z0-9_ -]/ || ord[c] > 127) out = out c
		else out = out (c == "\\" ? "\\\\" : c == "^" ? "\\^" : c == "/" ? "\\/" : "[" c "]")
	}
	return "^" out "$"
}
function literal(s,   out, i, c) { for (i = 1; (c = substr(s, i, 1)) != ""; i++) out = out (index("*?[]\\", c) ? "\\" c : c); return out }
function twice(s,   out, i) { while ((i = index(s, "\\")) > 0) { out = out substr(s, 1, i) "\\"; s = substr(s, i + 1) }; return out s }
# part undoes the escapes of one part of a key; ".." stays escaped, so that it leads nowhere.
function part(s,   out, i, h) {
	if (s == "\\x2e\\x2e") return s
	while ((i = index(s, "\\x")) > 0) {
		out = out substr(s, 1, i - 1); h = substr(s, i + 2, 2); s = substr(s, i + 2)
		if (h ~ /^[0-9a-f][0-9a-f]$/) { if (h == "00" || h == "2f") bad = 1; out = out chr[num[h]]; s = substr(s, 3) } else out = out "\\x"
	}
	return out s
}
# rise notes every directory above a path.
function rise(up, set) {
	while (match(up, /\/[^\/]*$/)) { up = substr(up, 1, RSTART - 1); if (up in set) break; set[up] = 1 }
	set[""] = 1
}
function refuse() { print "odd - - - - - - - - - " $1, shown(key) }
BEGIN {
	init(); prefix = ENVIRON["FIRN_PREFIX"]; p = ENVIRON["FIRN_PATH"]
	gsub(/\/+/, "/", p); sub(/^\//, "", p); sub(/\/$/, "", p); sub(/^(\.\/)+/, "", p)
	wanted = p == "" || p == "." ? 0 : split(p, want, "/")
	for (i = 1; i <= wanted; i++) expr[i] = glob(want[i])
}
FILENAME == ENVIRON["FIRN_DONE"] { done[$1] = $2; next }
{
	key = fromhex($1); full = fromhex($6)
	if (substr(key, 1, length(prefix)) != prefix || !match(full, /\.tar\.(gz|bz2|xz|zst)$/)) next
	ext = substr(full, RSTART + 5); rest = substr(full, length(prefix) + 1, RSTART - 1 - length(prefix))
	if (rest == "" || substr(full, 1, length(prefix)) != prefix) { refuse(); next }
	n = split(rest, a, "/"); bad = 0; dir = path = last = ""
	for (i = 1; i <= n; i++) {
		if (a[i] == "" || a[i] == "." || a[i] == "..") bad = 1
		if (n == 1 && (a[i] == "\\x2f" || a[i] == "\\x2e")) { n = 0; break }
		last = part(a[i]); if (last == "." || last == "..") bad = 1
		if (i < n || a[i] == "\\x2e\\x2e") dir = dir (dir == "" ? "" : "/") last
		path = path (i > 1 ? "/" : "") last; a[i] = last
	}
	if (bad) { refuse(); next }
	start = n == 0 || a[n] == "\\x2e\\x2e" ? "." : literal(last)
	member = ""
	for (i = 1; i <= n && i <= wanted; i++) if (a[i] !~ expr[i]) next
	if (n < wanted) for (member = start; i <= wanted; i++) member = member "/" twice(want[i])
	what = path in above ? "shell" : "get"
	if (member == "" && $4 != "-" && done[$1] == $4 && !(path in pending)) { what = "done"; rise(path, above) }
	else { rise(path, above); rise(path, pending) }
	print what, ext, $4, octal(key), octal(dir), octal(start == "." ? "." : last), octal(member), octal(fromhex($5 == "-" ? "" : $5)), $2, $3, $1, shown(key)
}'

# --- One archive ---------------------------------------------------------------------------------------------------

# look KEY PLACE sets what is known of an object: class, thawed, size, md5, hmac, keyid; in a directory also facts,
# the contents of each description of that size. False if the object can't be looked at.
look() {
	class=STANDARD thawed=None md5=None hmac=None keyid=None facts=''
	if [ -z "$store" ]; then
		aws_ s3api head-object --bucket "$bucket" "--key=$1" --output text --query '[StorageClass,Restore,ContentLength,
			Metadata.md5,Metadata."firn-hmac-sha256",Metadata."firn-key-id"]' >"$scratch/head" || return 1
		IFS='	' read -r class thawed size md5 hmac keyid <"$scratch/head"
		return
	fi
	size=$(wc -c <"$store/$2") && size=$((size)) || return 1
	name=${2##*/} folder=${2%"${2##*/}"}
	[ -f "$store/$folder.$name.firn-meta" ] || return 0
	facts=$(describe "$store/$folder.$name.firn-meta" "$size") || return 1
	# While an object is replaced there can be two descriptions of one size: the MD5 decides.
	IFS=' ' read -r _ md5 hmac keyid <<-END
		${facts:-- None None None}
	END
}

# cold: whether the object must be thawed first. It reports the object, and asks for the thaw if --thaw is given.
cold() {
	case $class in GLACIER | DEEP_ARCHIVE) ;; *) return 1 ;; esac
	case $thawed in
	*'ongoing-request="false"'*) return 1 ;;
	*'ongoing-request="true"'*) say "cold, its thaw is under way: $shown" ;;
	*)
		if [ -z "$tier" ] || [ -n "$dry" ]; then
			say "cold ($class, $size bytes): $shown"
		elif aws_ s3api restore-object --bucket "$bucket" "--key=$key" \
			--restore-request "Days=$days,GlacierJobParameters={Tier=$tier}" >/dev/null 2>"$scratch/said"; then
			say "cold ($class, $size bytes), its thaw is asked for: $shown"
		elif grep -q RestoreAlreadyInProgress "$scratch/said"; then
			say "cold, its thaw is under way: $shown"
		else
			sed 's/^/  /' "$scratch/said" >&2
			fail 'its thaw could not be asked for'
			return 0
		fi
		;;
	esac
	cold_count=$((cold_count + 1)) cold_bytes=$((cold_bytes + size))
}

fail() { failed=$((failed + 1)); say "FAILED: $shown: $1"; }

# Key id and HMAC as in docs/format.md of firn. Exit 3: the archive was made with another key file.
prove_py='
import hashlib, hmac, os, struct, sys
keyfile, key_id, key = sys.argv[1:4]
password = open(keyfile, "rb").read(1023).split(b"\n")[0].split(b"\0")[0]
version, salt, digest = key_id.split("-")
if version != "1": sys.exit(4)
master = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(salt), 20000, 32)
def expand(info): return hmac.new(master, info + b"\1", "sha256").digest()
if expand(b"firn key id v1")[:16].hex() != digest: sys.exit(3)
if len(sys.argv) > 4:
    key = os.fsencode(key)
    mac = hmac.new(expand(b"firn archive mac v1"), b"firn archive mac v1\0" + struct.pack(">Q", len(key)) + key, "sha256")
    with open(sys.argv[4], "rb") as f:
        while True:
            block = f.read(1 << 20)
            if not block: break
            mac.update(block)
    print(mac.hexdigest())
'
prove() { python3 -c "$prove_py" "$keyfile" "$@" 2>/dev/null </dev/null; }
provable() { [ "$keyid" != None ] && have python3; }

# right_key: whether the key file is that of the record, as far as this is known before the archive is fetched.
right_key() {
	provable && [ "$keyid" != "$known_id" ] || return 0
	prove "$keyid" "$key"
	case $? in
	0) known_id=$keyid ;;
	3) fail "it was made with another key file than $keyfile: name the right one"; return 1 ;;
	4) keyid=None ;; # a later firn's, of which only the MD5 can be checked
	*) fail 'the key id in its record can not be read'; return 1 ;;
	esac
}

md5_of() {
	if have md5sum; then md5sum <"$1"; else openssl dgst -md5 -r <"$1"; fi | sed 's/[^0-9a-f].*//;q'
}

# open_archive fetches and decrypts the object, and verifies that it is what was saved: $scratch/archive.
open_archive() {
	object=$scratch/object
	if [ -n "$store" ]; then
		object=$store/$place
	elif ! aws_ s3 cp --only-show-errors --force-glacier-transfer "s3://$bucket/$key" "$object" >&2; then
		fail 'it could not be fetched (what aws says is above)'
		return 1
	fi
	if ! openssl enc -d -aes-256-cbc -pbkdf2 -md sha256 -pass "file:$keyfile" -in "$object" -out "$scratch/archive" \
		2>"$scratch/said" </dev/null; then
		undecrypted=$((undecrypted + 1))
		sed 's/^/  /' "$scratch/said" >&2
		fail 'it does not decrypt: it is damaged, or the key file is another one'
		return 1
	fi
	rm -f -- "$scratch/object"
	sum=$(md5_of "$scratch/archive")
	if [ "$md5" = None ]; then
		unknown=$((unknown + 1))
	elif [ "$md5" != "$sum" ]; then
		while IFS=' ' read -r _ md5 hmac keyid && [ "$md5" != "$sum" ]; do :; done <<-END
			$facts
		END
		[ "$md5" = "$sum" ] || { fail "damaged: the MD5 is $sum, not what was saved; nothing of it is extracted"; return 1; }
	fi
	if provable; then
		if [ "$(prove "$keyid" "$key" "$scratch/archive")" != "$hmac" ]; then
			fail 'damaged or forged: its HMAC does not fit its key and content; nothing of it is extracted'
			return 1
		fi
	else
		unproven=$((unproven + 1))
	fi
}

unpacker() {
	case $1 in gz) echo gzip ;; bz2) echo bzip2 ;; xz) echo xz ;; zst) echo zstd ;; esac
}

# comment_of prints, in hex, the comment of the first member of the tar in hex that it reads (pax, POSIX.1-2017).
# shellcheck disable=SC2016
awk_comment=$awk_bytes'
BEGIN { init() }
{ h = h $0 }
END {
	gsub(/[ \t\r\n]/, "", h)
	if (substr(h, 313, 2) != "78") exit # type x
	size = substr(h, 249, 24); for (i = 1; i <= 24; i += 2) if ((c = chr[num[substr(size, i, 2)]]) ~ /[0-7]/) bytes = bytes * 8 + c
	for (h = substr(h, 1025, 2 * bytes); h != ""; h = substr(h, 2 * length_ + 1)) {
		i = index(h, "20"); while (i % 2 == 0) i += index(substr(h, i + 1), "20")
		if ((length_ = fromhex(substr(h, 1, i - 1)) + 0) < 5) exit
		if (substr(h, i + 2, 16) == "636f6d6d656e743d") { print substr(h, i + 18, 2 * length_ - i - 19); exit }
	}
}'

# full_key sets full to the full key of a listed object, in hex: an archive with a shortened key contains the full one.
# False, after a report, if it can't be read.
full_key() {
	full=$hexkey
	case $hexkey in *5c7e*2e746172*) [ -z "$dry" ] || return 0 ;; *) return 0 ;; esac
	names=$(printf '%s %s\n' "$hexkey" "$place" | awk "$awk_bytes"'BEGIN { init() }
		{ print octal(fromhex($1)), octal(fromhex($2 == "-" ? "" : $2)) }')
	text key "${names% *}" && text place "${names#* }"
	digest=${key##*"\\~"} shown=$(printf '%s' "$key" | tr '\000-\037\177' '?')
	case $digest in
	*[!0-9a-f]*.tar.gz | *[!0-9a-f]*.tar.bz2 | *[!0-9a-f]*.tar.xz | *[!0-9a-f]*.tar.zst) return 0 ;;
	*.tar.gz | *.tar.bz2 | *.tar.xz | *.tar.zst) ;;
	*) return 0 ;;
	esac
	full=$([ ! -f "$full_file" ] || sed -n "s/^$hexkey $etag //p" "$full_file" | sed q)
	[ -z "$full" ] || return 0
	look "$key" "$place" || { fail 'what is known of it could not be asked for'; return 1; }
	! cold && right_key && open_archive || return 1
	full=$("$(unpacker "${key##*.}")" -dc <"$scratch/archive" 2>/dev/null | od -An -v -tx1 -N 65536 | awk "$awk_comment")
	sum=$(printf '%b' "$(printf '%s' "$full" | awk "$awk_bytes"'BEGIN { init() } { printf "%s", octal(fromhex($0)) }')" | openssl dgst -sha256 -r)
	case $sum in "${digest%%.*}"*) ;; *) fail 'the full key in it is not the one that was shortened'; return 1 ;; esac
	[ "$etag" = - ] || printf '%s %s %s\n' "$hexkey" "$etag" "$full" >>"$full_file"
}

tar_gnu='' tar_bsd=''
case $("$tar" --version 2>/dev/null </dev/null) in *'GNU tar'*) tar_gnu=yes ;; bsdtar*) tar_bsd=yes ;; esac

[ -n "$tar_gnu$dry" ] || say "$tar is not GNU tar: some attributes, odd names and times may not come back as they were saved"

# run_tar ARCHIVE ENDING ARGUMENT...: tar over the decompressed archive.
run_tar() {
	packed=$1 with=$(unpacker "$2")
	shift 2
	rm -f -- "$scratch/fault"
	{ "$with" -dc <"$packed" || echo "$with failed" >"$scratch/fault"; } | {
		if [ -n "$tar_bsd" ]; then LC_ALL=$utf8 "$tar" "$@"; else "$tar" "$@"; fi
		code=$?
		cat >/dev/null
		exit "$code"
	} && [ ! -e "$scratch/fault" ]
}

# into DIR makes DIR below the target, following no link, and sets at to it.
into() {
	at=$target rest=$1
	while [ -n "$rest" ]; do
		at=${at%/}/${rest%%/*}
		[ ! -L "$at" ] || { fail "a directory above it is a symbolic link in the target: $at"; return 1; }
		case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
		[ -d "$at" ] || (umask "$umask_before" && mkdir -- "$at") || { fail "$at can't be made"; return 1; }
		[ -w "$at" ] && [ -x "$at" ] || chmod u+rwx -- "$at" || { fail "$at can't be written to"; return 1; }
	done
}

# yield_ lets the owner write to existing directories whose modes the archive sets. Root needs no permission.
yield_() {
	[ "$(id -u)" -ne 0 ] && [ -d "$at/$base" ] && [ ! -L "$at/$base" ] || return 0
	if [ "$what" = shell ]; then
		chmod u+rwx -- "$at/$base"
	else
		find "$at/$base" -type d ! -perm -700 -exec chmod u+rwx {} \;
	fi
}

# extract extracts the archive, or what matches the pattern. It is no fault if nothing matches.
extract() {
	set -- -f -
	[ -z "$tar_gnu" ] || set -- "$@" --wildcards --no-wildcards-match-slash --no-unquote
	if [ -n "$member" ] && ! run_tar "$scratch/archive" "$ext" -t "$@" -- "$member" >/dev/null 2>&1; then
		absent=$((absent + 1))
		return 1
	fi
	into "$dir" || return 1
	yield_
	set -- -x -p "$@" -C "$at"
	[ -z "$tar_gnu" ] || set -- "$@" --numeric-owner --acls --xattrs --warning=no-timestamp
	[ -z "$tar_bsd" ] || set -- "$@" --numeric-owner --acls --xattrs
	[ -z "$tar_gnu" ] || [ "$(id -u)" -ne 0 ] || set -- "$@" '--xattrs-include=*'
	[ -z "$member" ] || set -- "$@" -- "$member"
	if ! (umask "$umask_before" && run_tar "$scratch/archive" "$ext" "$@") >&2; then
		fail 'not all of it could be extracted (what tar says is above)'
		return 1
	fi
}

# --- What is gone --------------------------------------------------------------------------------------------------
# The catalogue says what the newest run of each backup path had stored. Only the newest runs are read: one a night may
# have left thousands.

newest_runs() {
	if [ -n "$store" ]; then
		for name in "$store/$prefix".firn/runs/*.json.gz; do [ ! -f "$name" ] || printf '%s\n' "${name##*/}"; done
	else
		awk "$awk_bytes"'BEGIN { init(); dir = ENVIRON["FIRN_PREFIX"] ".firn/runs/" }
			{ key = fromhex($1) } index(key, dir) == 1 { print substr(key, length(dir) + 1) }' "$scratch/list"
	fi | sort -r | sed 10q
}

# of_catalogue NAME prints an object of the catalogue that is what was stored. False if there is none.
of_catalogue() {
	key=$prefix.firn/$1 place=$prefix.firn/$1 shown=$1
	(look "$key" "$place" && right_key && open_archive) >/dev/null 2>&1 && gzip -dc <"$scratch/archive"
}

# catalogued prints the keys, in hex, that the newest complete run of each backup path lists.
catalogued() {
	: >"$scratch/paths"
	newest_runs >"$scratch/runs"
	while IFS= read -r name <&4; do
		of_catalogue "runs/$name" >"$scratch/json" || { echo "$name" >>"$scratch/unread"; continue; }
		# shellcheck disable=SC2016
		awk "$awk_json"'
		function value(t) {
			if (depth == 1 && name == "path") path = tohex(t)
			if (depth == 1 && name == "complete") complete = t
			if (depth == 2 && name == "manifest") { sub(/.*\//, "", t); volume[++volumes] = t }
		}
		function close_() {}
		END { if (complete == "true") { print path; for (i = 1; i <= volumes; i++) print volume[i] } }' "$scratch/json" >"$scratch/run"
		IFS= read -r path <"$scratch/run" || continue
		while IFS= read -r newer <&5; do
			case $newer in 2f) continue 2 ;; esac
			case $path in "$newer" | "$newer"2f*) continue 2 ;; esac
		done 5<"$scratch/paths"
		echo "$path" >>"$scratch/paths"
		sed 1d "$scratch/run" >"$scratch/volumes"
		while IFS= read -r volume <&5; do
			of_catalogue "manifests/$volume" >"$scratch/json" || { echo "$volume" >>"$scratch/unread"; continue; }
			# shellcheck disable=SC2016
			awk "$awk_json"'
			function value(t) { if (depth == 1 && name == "key") key = tohex(t); if (depth == 1 && name == "md5") md5 = t }
			function close_() { if (depth == 1) { if (key != "" && md5 != "") print key; key = md5 = "" } }' "$scratch/json"
		done 5<"$scratch/volumes"
	done 4<"$scratch/runs"
}

# gone reports the archives that are wanted and catalogued, and not stored any more.
gone() {
	catalogued >"$scratch/catalogued"
	FIRN_LIST="$scratch/list" awk 'FILENAME == ENVIRON["FIRN_LIST"] { have[$1]; next }
		!($1 in have) && !seen[$1]++ { print $1, "-", "STANDARD", "-", "-", $1 }' "$scratch/list" "$scratch/catalogued" |
		sort -r | awk "$awk_plan" - >"$scratch/gone" || die 1 'comparing with the catalogue failed'
	while IFS=' ' read -r _ _ _ _ _ _ _ _ _ _ _ shown <&3; do
		fail 'it is gone: the catalogue lists it, and it is not stored here any more (RECOVER.txt, 4: an older version may be)'
	done 3<"$scratch/gone"
	[ ! -s "$scratch/unread" ] || say "the catalogue can't be read whole: not every archive that was deleted is named"
}

# --- All of it -----------------------------------------------------------------------------------------------------

key='' dir='' base='' member='' place=''
restored=0 skipped=0 failed=0 absent=0 undecrypted=0 unknown=0 unproven=0 cold_count=0 cold_bytes=0 known_id=''
# A file lists what was completely restored from this source with this pattern and target, until everything is.
run=$(printf '%s\n' "$target" "$bucket" "$endpoint" "$prefix" "$pattern" | cksum | tr -c '0-9\n' -)
done_file=$work/done.$run full_file=$work/full.$run
export FIRN_PREFIX="$prefix" FIRN_PATH="$pattern" FIRN_DONE="$done_file"
: >>"$done_file" || die 1 "$done_file can't be written"

if [ -n "$store" ]; then list_store; else list_bucket; fi >"$scratch/list"
while IFS=' ' read -r hexkey size class etag place <&3; do
	plain_place=$place
	! full_key || printf '%s %s %s %s %s %s\n' "$hexkey" "$size" "$class" "$etag" "$plain_place" "$full"
done 3<"$scratch/list" >"$scratch/full"
sort -r -k6,6 "$scratch/full" | awk "$awk_plan" "$done_file" - >"$scratch/plan" || die 1 'making the plan failed'

if [ -z "$dry" ]; then
	cut -d' ' -f2 "$scratch/plan" | sort -u >"$scratch/endings"
	while read -r ext; do
		with=$(unpacker "$ext")
		[ -z "$with" ] || have "$with" || die 1 "archives that end in .$ext need $with, which is missing"
	done <"$scratch/endings"
fi

# restore: one line of the plan.
restore() {
	case $what in
	done) skipped=$((skipped + 1)); return ;;
	odd) fail 'no path can be read from this key'; return ;;
	esac
	text key "$okey" && text dir "$odir" && text base "$obase" && text member "$omember" && text place "$oplace"
	if [ -n "$dry" ]; then
		case $class in GLACIER | DEEP_ARCHIVE) look "$key" "$place" && cold && return ;; esac
		[ "$size" != - ] || size=$(wc -c <"$store/$place")
		printf 'would restore %s (%s bytes)\n' "$shown" "$((size))"
		restored=$((restored + 1))
		return
	fi
	look "$key" "$place" || { fail 'what is known of it could not be asked for (what aws says is above)'; return; }
	! cold && right_key && open_archive && extract || return
	restored=$((restored + 1))
	[ -n "$member" ] || [ "$etag" = - ] || printf '%s %s\n' "$hexkey" "$etag" >>"$done_file"
	say "restored $shown"
}

while IFS=' ' read -r what ext etag okey odir obase omember oplace size class hexkey shown <&3; do
	restore
	rm -f -- "$scratch/object" "$scratch/archive"
done 3<"$scratch/plan"
[ -z "$keyfile" ] || ! have openssl || ! have gzip || gone
rm -f -- "$scratch/archive"

if [ "$((restored + skipped + failed + cold_count))" -eq 0 ]; then
	die 1 "nothing below ${bucket:+s3://}$bucket$store/$prefix ${pattern:+matches $pattern, or }is an archive"
fi
if [ -z "$dry" ]; then
	say "archives restored: $restored, restored before: $skipped, cold: $cold_count ($cold_bytes bytes), failed: $failed"
	[ "$unknown" -eq 0 ] || say "no MD5 is known of $unknown of them: they were only decrypted and unpacked"
	[ "$unproven" -eq 0 ] || say "who made them could not be proven of $unproven (python3 is missing, or no HMAC is known)"
	[ "$undecrypted" -eq 0 ] || [ "$restored" -gt 0 ] || say "no archive could be decrypted: $keyfile is probably the wrong key file"
fi
[ "$failed" -eq 0 ] || exit 3
if [ "$cold_count" -gt 0 ]; then
	[ -n "$tier" ] || say 'ask for the thaw with the same command and --thaw Bulk, Standard or Expedited'
	say 'run the same command again when they have thawed'
	exit 4
fi
[ -n "$dry" ] || rm -f -- "$done_file" "$full_file"
exit 0
