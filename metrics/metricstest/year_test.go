package metricstest

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"decroche/call"
)

func TestAYearIsToldInOrderAndTheSameSeedTellsItAgain(t *testing.T) {
	y := Year{Seed: 7, Contacts: 3000}
	again := slices.Collect(y.Events())
	last, n := time.Time{}, 0
	for e := range y.Events() {
		if e.At.Before(last) {
			t.Fatalf("%s of call %s at %s comes after %s", e.Kind, e.Call, e.At, last)
		}
		if a := again[n]; !e.At.Equal(a.At) || e.Call != a.Call || e.Kind != a.Kind || string(e.Data) != string(a.Data) {
			t.Fatalf("event %d is not the same again", n)
		}
		if !json.Valid(e.Data) {
			t.Fatalf("%s is no JSON: %s", e.Kind, e.Data)
		}
		last = e.At
		n++
	}
	if other := slices.Collect(Year{Seed: 8, Contacts: 3000}.Events()); string(other[5].Data) == string(again[5].Data) && len(other) == len(again) {
		t.Error("another seed tells the same year")
	}
}

// The shares of the outcomes are what benches and properties stand on.
func TestAYearHasEveryOutcomeInItsShare(t *testing.T) {
	const contacts = 20_000
	ended, kinds := map[call.Outcome]int{}, map[call.EventKind]int{}
	events := 0
	for e := range (Year{Seed: 1, Contacts: contacts}).Events() {
		events++
		kinds[e.Kind]++
		if e.Kind == call.EventEnded {
			var end call.End
			if err := json.Unmarshal(e.Data, &end); err != nil {
				t.Fatal(err)
			}
			ended[end.Outcome]++
		}
	}
	for outcome, want := range map[call.Outcome]float64{
		call.Answered: 0.65, call.Abandoned: 0.14, call.LeftIVR: 0.055, call.SelfServed: 0.08, call.CalledBack: 0.04,
		call.Closed: 0.06, call.Dissuaded: 0.01, call.Failed: 0.005,
	} {
		if got := float64(ended[outcome]) / contacts; math.Abs(got-want) > 0.03 || got == 0 {
			t.Errorf("%s: a share of %.3f, want about %.3f", outcome, got, want)
		}
	}
	for _, k := range []call.EventKind{
		call.EventHold, call.EventConsulted, call.EventTransferred, call.EventWrapped, call.EventResolved, call.EventCalling, call.EventDialled,
		call.EventOfferRefused, call.EventPromiseMoved, call.EventPromiseEnded, call.EventSurveyAnswer, call.EventSMS, call.EventAgentState,
	} {
		if kinds[k] == 0 {
			t.Errorf("no fact of kind %s", k)
		}
	}
	if per := float64(events) / contacts; per < 10 || per > 18 {
		t.Errorf("%.1f events per contact, want 10 to 18 with the agents' states", per)
	}
}

func BenchmarkYear(b *testing.B) {
	n := 0
	for range b.N {
		for range (Year{Seed: 1, Contacts: 20_000}).Events() {
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
