package encryption

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const (
	goldenPass = "a golden passphrase of 34 bytes..."
	goldenID   = "1-000102030405060708090a0b0c0d0e0f-78d4cf3721cff86ffc8c4a307d467d48"
	goldenMAC  = "633d394a95631ebc0d52d1732cb4a8785509c82a9eb0ecccadebb28e245a09cb"
)

var goldenSalt = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func newKeys(t testing.TB, pass string, salt []byte) *Keys {
	t.Helper()
	k, err := NewKeys(NewPassphrase([]byte(pass)), salt)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func macOf(k *Keys, objectKey, archive string) string {
	m := k.MAC(objectKey)
	_, _ = io.WriteString(m, archive)
	return hex.EncodeToString(m.Sum(nil))
}

func TestKeysGolden(t *testing.T) {
	k := newKeys(t, goldenPass, goldenSalt)
	if k.ID() != goldenID {
		t.Errorf("key id %s, want %s", k.ID(), goldenID)
	}
	if got := macOf(k, "home/me.tar.bz2", "the archive"); got != goldenMAC {
		t.Errorf("MAC %s, want %s", got, goldenMAC)
	}
	if !bytes.Equal(k.Salt(), goldenSalt) {
		t.Errorf("salt %x", k.Salt())
	}
}

// TestKeysAsDocumented makes a key id and a MAC with openssl alone, from the formulas in the
// package comment.
func TestKeysAsDocumented(t *testing.T) {
	r := seeded(t, 4)
	run := func(stdin []byte, args ...string) string {
		t.Helper()
		c := exec.Command("openssl", args...)
		c.Stdin = bytes.NewReader(stdin)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("openssl %q: %v", args, err)
		}
		return strings.ToLower(strings.TrimSpace(strings.ReplaceAll(string(out), ":", "")))
	}
	expand := func(master, info string, size int) string {
		return run(nil, "kdf", "-keylen", fmt.Sprint(size), "-kdfopt", "digest:SHA256", "-kdfopt", "mode:EXPAND_ONLY",
			"-kdfopt", "hexkey:"+master, "-kdfopt", "info:"+info, "HKDF")
	}
	for _, size := range []int{1, 16, 64, 65, 1023} { // openssl kdf takes no empty hexpass
		pass, salt, archive := randomBytes(r, size), randomBytes(r, KeySaltSize), randomBytes(r, 1000)
		objectKey := "home/me/ünïcode.tar.bz2"
		k := newKeys(t, string(pass), salt)
		master := run(nil, "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "iter:20000",
			"-kdfopt", "hexpass:"+hex.EncodeToString(pass), "-kdfopt", "hexsalt:"+hex.EncodeToString(salt), "PBKDF2")
		if want := "1-" + hex.EncodeToString(salt) + "-" + expand(master, "firn key id v1", 16); k.ID() != want {
			t.Errorf("passphrase of %d bytes: key id %s, by openssl %s", size, k.ID(), want)
		}
		message := append([]byte("firn archive mac v1\x00"), binary.BigEndian.AppendUint64(nil, uint64(len(objectKey)))...)
		message = append(append(message, objectKey...), archive...)
		want := run(message, "mac", "-digest", "SHA256", "-macopt", "hexkey:"+expand(master, "firn archive mac v1", 32), "HMAC")
		if got := macOf(k, objectKey, string(archive)); got != want {
			t.Errorf("passphrase of %d bytes: MAC %s, by openssl %s", size, got, want)
		}
	}
}

func TestNewKeysSalt(t *testing.T) {
	a, b := newKeys(t, goldenPass, nil), newKeys(t, goldenPass, nil)
	if len(a.Salt()) != KeySaltSize || bytes.Equal(a.Salt(), b.Salt()) || a.ID() == b.ID() {
		t.Errorf("two fresh salts: %x, %x", a.Salt(), b.Salt())
	}
	if again := newKeys(t, goldenPass, a.Salt()); again.ID() != a.ID() {
		t.Error("the same salt gives another key id")
	}
	a.Salt()[0]++
	if again := newKeys(t, goldenPass, a.Salt()); again.ID() != a.ID() {
		t.Error("Salt gives its own bytes away")
	}
	for _, size := range []int{1, 8, 15, 17, 32} {
		if _, err := NewKeys(NewPassphrase([]byte(goldenPass)), make([]byte, size)); err == nil {
			t.Errorf("a salt of %d bytes is taken", size)
		}
	}
}

func TestMine(t *testing.T) {
	k := newKeys(t, goldenPass, nil)
	mine, other := newKeys(t, goldenPass, nil), newKeys(t, goldenPass+"!", nil)
	sameSalt := newKeys(t, goldenPass+"!", k.Salt())
	for i, c := range []struct {
		id   string
		mine bool
	}{{k.ID(), true}, {mine.ID(), true}, {other.ID(), false}, {sameSalt.ID(), false}, {mine.ID(), true}, {other.ID(), false}} {
		if got, err := k.Mine(c.id); err != nil || got != c.mine {
			t.Errorf("%d: Mine(%s) = %t, %v", i, c.id, got, err)
		}
		f, err := k.ForID(c.id)
		if c.mine != (err == nil) || !c.mine && !errors.Is(err, ErrOtherKey) {
			t.Errorf("%d: ForID(%s): %v", i, c.id, err)
		}
		if err == nil && f.ID() != c.id {
			t.Errorf("%d: ForID(%s) has the key id %s", i, c.id, f.ID())
		}
	}
	f, err := k.ForID(mine.ID())
	if err != nil {
		t.Fatal(err)
	}
	if macOf(f, "key", "x") != macOf(mine, "key", "x") || macOf(f, "key", "x") == macOf(k, "key", "x") {
		t.Error("ForID's MAC is not the one made under that id")
	}
	if ok, err := f.Mine(k.ID()); !ok || err != nil {
		t.Errorf("the way back: %t, %v", ok, err)
	}
}

func TestMineConcurrently(t *testing.T) {
	k := newKeys(t, goldenPass, nil)
	ids := map[string]bool{newKeys(t, goldenPass, nil).ID(): true, newKeys(t, "another passphrase", nil).ID(): false, k.ID(): true}
	var wg sync.WaitGroup
	for range 8 {
		for id, want := range ids {
			wg.Go(func() {
				if got, err := k.Mine(id); err != nil || got != want {
					t.Errorf("Mine(%s) = %t, %v", id, got, err)
				}
			})
		}
	}
	wg.Wait()
	if n := len(k.ring[0].bySalt); n != 2 {
		t.Errorf("%d other salts were derived, want 2", n)
	}
}

// TestMineIsBounded: records with ever new salts must not fill the memory.
func TestMineIsBounded(t *testing.T) {
	k := newKeys(t, goldenPass, nil)
	for i := range maxOtherSalts {
		k.ring[0].bySalt[[KeySaltSize]byte{byte(i), byte(i >> 8)}] = func() (*derived, error) { return k.d, nil }
	}
	for range 3 {
		if _, err := k.Mine(newKeys(t, goldenPass, nil).ID()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(k.ring[0].bySalt); n != maxOtherSalts {
		t.Errorf("%d other salts are kept, want %d", n, maxOtherSalts)
	}
}

func TestBadKeyID(t *testing.T) {
	k := newKeys(t, goldenPass, goldenSalt)
	id := k.ID()
	for _, bad := range []string{
		"", "-", "--", "1", "1-", "1--", "0" + id[1:], "2" + id[1:], "1" + id, " " + id, id + " ", id + "\n", id + "-", id + "-00",
		id[:66], id + "0", id + "00", strings.ToUpper(id), strings.Replace(id, "a", "g", 1), strings.Replace(id, "0f-", "-0f", 1),
		id[2:], strings.ReplaceAll(id, "-", ""), strings.Repeat("1-", 1000), "1-é", id[:10] + "\x00" + id[11:],
	} {
		if ok, err := k.Mine(bad); ok || !errors.Is(err, ErrBadKeyID) {
			t.Errorf("Mine(%q) = %t, %v", bad, ok, err)
		}
		if f, err := k.ForID(bad); f != nil || !errors.Is(err, ErrBadKeyID) {
			t.Errorf("ForID(%q): %v", bad, err)
		}
	}
	if _, err := k.Mine("2" + id[1:]); !strings.Contains(err.Error(), "newer firn") {
		t.Errorf("a key id of a version to come: %v", err)
	}
}

func TestMAC(t *testing.T) {
	k := newKeys(t, goldenPass, goldenSalt)
	seen := map[string]string{}
	for _, c := range [][2]string{{"a", ""}, {"", "a"}, {"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"", ""}, {"b", ""}} {
		got := macOf(k, c[0], c[1])
		if was, ok := seen[got]; ok {
			t.Errorf("%q and %q have one MAC", c, was)
		}
		seen[got] = c[0] + "|" + c[1]
	}
	m := k.MAC("key")
	_, _ = io.WriteString(m, "rubbish")
	m.Reset()
	_, _ = io.WriteString(m, "arc")
	_ = m.Sum(nil)
	_, _ = io.WriteString(m, "hive")
	if got := hex.EncodeToString(m.Sum(nil)); got != macOf(k, "key", "archive") || m.Size() != 32 {
		t.Errorf("after Reset and in pieces: %s", got)
	}
}

// TestNothingSecretIsPrinted prints everything that holds a secret in every way there is.
func TestNothingSecretIsPrinted(t *testing.T) {
	const pass = "hunter2hunter2hunter2"
	p := NewPassphrase([]byte(pass))
	k := newKeys(t, pass, nil)
	e, err := NewEncrypter(p, strings.NewReader("some plaintext"))
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := io.ReadAll(e)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecrypter(p, bytes.NewReader(cipher))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	type wrapped struct {
		p *Passphrase
		k *Keys
		P Passphrase
		v Passphrase
		K Keys
		w Keys
		e *Encrypter
		d *Decrypter
	}
	w := wrapped{p: p, k: k, P: *p, v: *p, K: *k, w: *k, e: e, d: d}
	salt := e.Salt()
	archiveKey, err := p.derive(salt[:], archiveIterations, keySize)
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, b := range [][]byte{[]byte(pass), k.d.mac(), archiveKey} {
		secrets = append(secrets, string(b), hex.EncodeToString(b), strings.Trim(fmt.Sprint(b), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"))
	}
	for _, v := range []any{p, *p, k, *k, k.MAC(pass), e, d, w, &w, []any{p, k}, []*Passphrase{p}, map[string]*Keys{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			assertHides(t, verb, fmt.Sprintf(verb, v), secrets)
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		assertHides(t, "slog", out.String(), secrets)
	}
	for _, s := range []fmt.Stringer{p, k, e, d} {
		if s.String() != hiddenText || s.(fmt.GoStringer).GoString() != hiddenText {
			t.Errorf("%T is shown as %s", s, s)
		}
	}
}

func assertHides(t *testing.T, how, shown string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(shown), strings.ToLower(s)) {
			t.Errorf("%s shows a secret: %.200s", how, shown)
		}
	}
}

func BenchmarkNewKeys(b *testing.B) {
	p := NewPassphrase([]byte(goldenPass))
	for b.Loop() {
		if _, err := NewKeys(p, goldenSalt); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKeysOfSeveralPassphrases finds the keys of each passphrase, and makes nothing with the others.
func TestKeysOfSeveralPassphrases(t *testing.T) {
	text := []string{"the passphrase of today", "the passphrase of last year", "nobody's passphrase"}
	var pass []*Passphrase
	var alone []*Keys
	for _, s := range text {
		p := NewPassphrase([]byte(s))
		k, err := NewKeys(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		pass, alone = append(pass, p), append(alone, k)
	}
	ring, err := NewKeys(pass[0], alone[0].Salt(), pass[1])
	if err != nil {
		t.Fatal(err)
	}
	if ring.ID() != alone[0].ID() || ring.Passphrase() != pass[0] {
		t.Error("the first passphrase is not the one that things are made with")
	}
	same, err := NewKeys(pass[1], alone[0].Salt()) // the salt of another passphrase's keys
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*Keys{alone[0], alone[1], same} {
		found, err := ring.ForID(want.ID())
		if err != nil {
			t.Fatalf("keys %d: %v", i, err)
		}
		sum := func(k *Keys) string { m := k.MAC("key"); m.Write([]byte("archive")); return string(m.Sum(nil)) }
		if found.ID() != want.ID() || found.Passphrase() != want.Passphrase() || sum(found) != sum(want) {
			t.Errorf("keys %d are not those of their passphrase", i)
		}
		if again, err := found.ForID(alone[0].ID()); err != nil || again.Passphrase() != pass[0] {
			t.Errorf("keys %d do not find those of the first passphrase: %v", i, err)
		}
	}
	if _, err := ring.ForID(alone[2].ID()); !errors.Is(err, ErrOtherKey) {
		t.Errorf("the keys of a passphrase that was not given: %v", err)
	}
}
