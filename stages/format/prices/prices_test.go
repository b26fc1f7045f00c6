package prices_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"firn/stages/format/prices"
)

const (
	gib = 1 << 30
	tib = 1 << 40
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// The figures of the price list, and what is billed besides the bytes.
func TestMonth(t *testing.T) {
	for _, tt := range []struct {
		class          string
		bytes, objects int64
		want           float64
	}{
		{"GLACIER", 1000 * gib, 0, 3.6},
		{"GLACIER", 0, 1_000_000, 1e6 * (32768*0.0036 + 8192*0.023) / gib},
		{"GLACIER", 10240, 1, 10240*0.0036/gib + (32768*0.0036+8192*0.023)/gib},
		{"DEEP_ARCHIVE", 1000 * gib, 1000, 0.99 + 1000*(32768*0.00099+8192*0.023)/gib},
		{"GLACIER_IR", 1000, 1, 131072 * 0.004 / gib}, // 128 KB at least
		{"STANDARD", 100 * tib, 5, 51200*0.023 + 51200*0.022},
		{"INTELLIGENT_TIERING", 0, 4000, 0.01},
	} {
		got, ok := prices.Month(tt.class, tt.bytes, tt.objects)
		if !ok {
			t.Errorf("%s has no price", tt.class)
		}
		near(t, tt.class, got, tt.want)
	}
	if _, ok := prices.Month("SNOW", 1, 1); ok {
		t.Error("SNOW has a price")
	}
}

func TestTransferOut(t *testing.T) {
	out := prices.Default().Out
	near(t, "the first 100 GB", out.Of(100*gib), 0)
	near(t, "20 TB", out.Of(20*tib), (10240-100)*0.09+10240*0.085)
	near(t, "200 TB", out.Of(200*tib), (10240-100)*0.09+40960*0.085+102400*0.07+51200*0.05)
}

// A small table reads; each fault in it is one line that names it.
func TestRead(t *testing.T) {
	const good = `{"region":"moon","date":"2030","classes":{"STANDARD":{"storage_gb_month":1}},"transfer_out_gb":2,"list_1000":3,"table":{}}`
	table, err := prices.Read(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "a single number", table.Out.Of(3*gib), 6)
	_, err = table.Class("GLACIER")
	if missing := (*prices.MissingError)(nil); !errors.As(err, &missing) || err.Error() != "it has no prices of class GLACIER, only of STANDARD" {
		t.Errorf("a class that is missing: %v", err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`{"region"`, `{region`, "invalid character"},
		{`"region":"moon"`, `"region":""`, "region or the date"},
		{`"STANDARD":{`, `"GLACIER":{`, "no prices of class STANDARD"},
		{`"storage_gb_month":1`, `"put_1000":1`, "lacks storage_gb_month"},
		{`"storage_gb_month":1`, `"storage_gb_month":-1`, "negative"},
		{`"storage_gb_month":1`, `"storage_gb_month":1,"put_1000":-1`, "class STANDARD: a number is negative"},
		{`"storage_gb_month":1`, `"storage_gb_month":1,"put":1`, `unknown field "put"`},
		{`"storage_gb_month":1`, `"storage_gb_month":[{"to_gb":5,"dollars":1}]`, "the last band has none"},
		{`"storage_gb_month":1`, `"storage_gb_month":[{"to_gb":5,"dollars":1},{"to_gb":4,"dollars":1},{"dollars":1}]`, "has to rise"},
		{`"transfer_out_gb":2`, `"list_1000":2`, "lacks transfer_out_gb"},
		{`"table":{}}`, `"table":{}}{}`, "something follows"},
		{`"table":{}}`, `"table":{}}` + strings.Repeat(" ", 1<<20), "larger than"},
		{`"storage_gb_month":1`, `"storage_gb_month":null`, "lacks storage_gb_month"},
		{`"storage_gb_month":1`, `"storage_gb_month":1e300`, "too large"},
		{`"region":"moon"`, `"region":"\u001b[2J"`, "can't be printed"},
		{`"list_1000":3`, `"list_1000":1e300`, "too large"},
		{`"storage_gb_month":1`, `"storage_gb_month":1,"min_days":9000000000000000000`, "too large"},
		{`"table":{}`, `"table":{},"thaw":{"GLACIER":{"Bulk":{"gb":-1}}}`, "thaw GLACIER Bulk"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if _, err := prices.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s instead of %s: %v, want %q", c.new, c.old, err, c.want)
		}
	}
}
