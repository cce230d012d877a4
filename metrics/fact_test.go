package metrics

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/metrics/metricstest"
)

// plainly is what encoding/json reads.
func plainly(raw string) (data, error) {
	var d data
	err := json.Unmarshal([]byte(raw), &d)
	return d, err
}

func wantRead(t testing.TB, raw string) {
	t.Helper()
	want, wrong := plainly(raw)
	got, err := FactOf(7, call.Event{At: time.UnixMilli(1), Call: "c", Kind: call.EventEnded, Data: json.RawMessage(raw)})
	if (err != nil) != (wrong != nil) {
		t.Fatalf("%s: %v, and encoding/json says %v", raw, err, wrong)
	}
	if err == nil && got.data != want {
		t.Fatalf("%s is read as\n%+v\nand encoding/json reads\n%+v", raw, got.data, want)
	}
}

func TestFactsAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for _, raw := range []string{
		`{}`, ` { } `, `{"to":"+33199003939","open":true,"wait_ms":12}`, "{\n\t\"to\" : \"a\" ,\r\n \"late\" : false }",
		`{"to":"é"}`, `{"to":"a\"b"}`, `{"to":"\u00e9"}`, `{"to":null,"open":null}`, `{"TO":"big"}`, `{"To":"big","to":"small"}`, `{"to":"a","to":"b"}`,
		`{"wait_ms":-5}`, `{"wait_ms":1.0}`, `{"wait_ms":1e3}`, `{"wait_ms":0}`, `{"wait_ms":00}`, `{"wait_ms":01}`, `{"wait_ms":-}`, `{"wait_ms":-0}`, `{"wait_ms":`,
		`{"wait_ms":999999999999999999}`, `{"wait_ms":9223372036854775807}`, `{"wait_ms":9223372036854775808}`, `{"wait_ms":"12"}`, `{"to":12}`, `{"open":"yes"}`, `{"open":tru}`,
		`{"other":{"to":"x"},"to":"y"}`, `{"other":[1,2]}`, `{"other":1.5,"to":"y"}`, `{"other":true,"to":"y"}`, `{"other":"x","to":"y"}`,
		`{"to":"a",}`, `{"to":"a"`, `{"to" "a"}`, `{"to":}`, `{,}`, `{"to":"a"}x`, `[]`, `null`, `"text"`, ``, `{`, `{"`, `{"to`, `{"to":"a`,
		"{\"to\":\"a\x01b\"}", "{\"to\":\"\xff\"}", `{"malformed":"{\"to\":1"}`, `{"attempt":3,"promise":"p","contact":"c"}`, `{"resolved":true,"score":5,"of":5}`,
	} {
		wantRead(t, raw)
	}
}

func TestFactsOfAYearAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for e := range (metricstest.Year{Seed: 3, Contacts: 400, Days: 20}).Events() {
		wantRead(t, string(e.Data))
	}
}

// Objects of all fields, of others, and of damaged ones.
func TestRandomFactsAreReadAsEncodingJSONReadsThem(t *testing.T) {
	names := []string{"other", "Other", "é"}
	for f := range reflect.TypeFor[data]().Fields() {
		names = append(names, f.Tag.Get("json"))
	}
	values := []string{`""`, `"a"`, `"plus long que vingt lettres, donc pas retenu"`, `"\n"`, `"é"`, `0`, `-17`, `123456789012345678`, `1.5`, `true`, `false`, `null`, `{}`, `[]`, `tru`, `01`}
	rapid.Check(t, func(t *rapid.T) {
		raw := "{"
		for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
			if i > 0 {
				raw += ","
			}
			raw += `"` + rapid.SampledFrom(names).Draw(t, "name") + `":` + rapid.SampledFrom(values).Draw(t, "value")
		}
		raw += "}"
		if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
			at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
			raw = raw[:at] + raw[at+1:]
		}
		want, wrong := plainly(raw)
		got, err := FactOf(7, call.Event{At: time.UnixMilli(1), Kind: call.EventEnded, Data: json.RawMessage(raw)})
		if (err != nil) != (wrong != nil) || err == nil && got.data != want {
			t.Fatalf("%s is read as\n%+v (%v)\nand encoding/json reads\n%+v (%v)", raw, got.data, err, want, wrong)
		}
	})
}

func BenchmarkFactOf(b *testing.B) {
	var events []call.Event
	for e := range (metricstest.Year{Seed: 3, Contacts: 1000, Days: 5}).Events() {
		events = append(events, e)
	}
	var r factReader
	var f Fact
	b.ReportAllocs()
	for i := range b.N {
		if err := r.read(&f, 1, events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
	}
}
