package metrics

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/service"
)

func TestWhatCallsCostIsSpreadOverReasonsAndAddsUp(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	d.agent("2001", "t-2001", "available").agent("2002", "t-2002", "available").agent("2003", "t-idle", "available")
	d.arrives().reason("permis").queues("accueil").connects("2001").talks("2001", 2*time.Minute, time.Minute)
	d.arrives().reason("titre").queues("accueil").connects("2001").talks("2001", 6*time.Minute, 0)
	d.arrives().reason("titre").queues("accueil").connects("2002").talks("2002", 5*time.Minute, 0)
	d.arrives().reason("titre").queues("accueil").waits(time.Minute).abandons()
	d.at("2026-03-10 10:00:00.000")
	for _, a := range []string{"2001", "2002", "2003"} {
		d.agent(a, "", "signed_out")
	}
	d.cell(Whole, "")
	prices := service.Costs{Hour: 30, Teams: map[string]float64{"t-2002": 36}, MinuteIn: 0.01, SMS: 0.05, FullTime: 35}
	day := d.start.Truncate(24 * time.Hour).Add(-time.Hour)
	of := map[string]string{"permis": "FT", "titre": "DGEF"}
	c, err := d.figures().Costs(t.Context(), day, day.Add(24*time.Hour), prices, func(r string) string { return of[r] })
	if err != nil {
		t.Fatal(err)
	}
	if c.Whole.Agents != 96_000_000 || c.Unassigned != 30_000_000 || c.Whole.Answered != 3 {
		t.Errorf("an hour of three agents is %d, of which %d of nobody's (%d answered)", c.Whole.Agents, c.Unassigned, c.Whole.Answered)
	}
	// 2001 spent 3 of 9 minutes on "permis"; 2002 all on "titre".
	want := []Cost{
		{Name: "titre", Answered: 2, Agents: 20_000_000 + 36_000_000, Telephony: 120_000},
		{Name: "permis", Answered: 1, Agents: 10_000_000, Telephony: 20_000},
	}
	for i, w := range want {
		if i >= len(c.ByReason) || c.ByReason[i] != w {
			t.Errorf("by reason: %+v, want %+v", c.ByReason, want)
			break
		}
	}
	if len(c.ByDirectorate) != 2 || c.ByDirectorate[0].Name != "DGEF" || c.ByDirectorate[0].Total() != want[0].Total() {
		t.Errorf("by directorate: %+v", c.ByDirectorate)
	}
	sum := c.Unassigned
	for _, r := range c.ByReason {
		sum += r.Total()
	}
	if sum != c.Whole.Total() {
		t.Errorf("the parts are %d and the whole is %d", sum, c.Whole.Total())
	}
	// three hours are 0.6 of the five that a full-time agent works on a day of seven
	if !c.Known || c.FullTime < 0.599 || c.FullTime > 0.601 || c.PerFullTime < 4.99 || c.PerFullTime > 5.01 {
		t.Errorf("%.3f full-time agents answered %.2f each", c.FullTime, c.PerFullTime)
	}
}

func TestAnAmountIsPartedWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := Micro(rapid.Int64Range(0, 1e13).Draw(t, "amount"))
		shares := rapid.SliceOfN(rapid.Int64Range(1, 1e10), 1, 40).Draw(t, "shares")
		sum := Micro(0)
		for _, p := range split(amount, shares) {
			if p < 0 {
				t.Fatalf("a part is %d", p)
			}
			sum += p
		}
		if sum != amount {
			t.Fatalf("%d is parted into %d", amount, sum)
		}
	})
}

func TestDaysAtTargetAreOpenDaysThatMetTheGoal(t *testing.T) {
	d := on(t, "2026-03-09 09:00")
	served := func(answered, left int) {
		for range answered {
			d.arrives().reason("permis").queues("accueil").connects("2001").talks("2001", time.Minute, 0)
		}
		for range left {
			d.arrives().reason("permis").queues("accueil").waits(2 * time.Minute).abandons()
		}
	}
	served(17, 3) // 85 %: just met
	d.at("2026-03-10 09:00:00.000")
	served(16, 4)
	d.at("2026-03-11 09:00:00.000")
	served(23, 2) // 92 %
	d.at("2026-03-12 09:00:00.000")
	d.arrives("open", false).ends("closed", "outside_hours") // no open day
	d.cell(Whole, "")
	q := Query{From: d.start.Add(-9 * time.Hour), To: d.start.Add(4 * 24 * time.Hour).Add(-9 * time.Hour)}
	goals := service.Goals{Answered: 0.85, Excellent: 0.92}
	list, err := d.figures().DaysAtGoal(t.Context(), q, goals, nil)
	if err != nil || len(list) != 1 || list[0] != (Days{Open: 3, Answered: 2, Excellent: 1}) {
		t.Errorf("the days at target are %+v (%v)", list, err)
	}
	q.By = ByQueue
	list, err = d.figures().DaysAtGoal(t.Context(), q, goals, func(string) float64 { return 0.82 })
	if err != nil || len(list) != 2 || list[1] != (Days{Value: "accueil", Open: 3, Answered: 2, Excellent: 1, InTimeOpen: 3, InTime: 2}) {
		t.Errorf("by queue the days at target are %+v (%v)", list, err)
	}
}

func TestTheDailyAuditFindsWhatManagersMustKnow(t *testing.T) {
	d := on(t, "2026-01-05 09:00")
	today := d.start.AddDate(0, 0, 57).Add(-9 * time.Hour)
	for i := range 56 { // two times four weeks: more is answered in the second, and more call again
		d.at(d.start.AddDate(0, 0, i).Format("2006-01-02") + " 09:00:00.000")
		second := i >= 28
		for n := range 10 {
			c := d.arrives().reason("autre").queues("accueil")
			c.tell(c.id, call.EventAnnounced, "low_s", 10, "high_s", 20, "estimate_s", 15)
			c.after(time.Minute)
			if n < 4 && !second {
				c.abandons()
				continue
			}
			c.connects("2001").talks("2001", time.Minute, 0)
			if n < 4 {
				d.after(time.Hour)
				d.arrives("caller", fmt.Sprintf("person-%d", d.n)).reason("autre").queues("accueil").connects("2001").talks("2001", time.Minute, 0)
			}
		}
	}
	d.at(today.Add(time.Hour).Format("2006-01-02") + " 09:00:00.000").arrives()
	d.cell(Whole, "")
	got, err := d.figures().Daily(t.Context(), today, service.Indicators{Other: 0.15, AnnouncedAbove: 0.10})
	if err != nil {
		t.Fatal(err)
	}
	found := map[AlarmKind]int{}
	for _, a := range got.Alarms {
		found[a.Kind]++
		if a.Kind == AnnouncedAlarm && a.Queue != "accueil" {
			t.Errorf("the wait of queue %q is audited", a.Queue)
		}
	}
	if found[ViciousCircleAlarm] != 2 || found[OtherReasonAlarm] != 1 || found[AnnouncedAlarm] != 1 {
		t.Errorf("the audit finds %v", found)
	}
	if len(got.Announced) != 1 || got.Announced[0].Queue != "accueil" || got.Announced[0].Above.Share != 1 || got.Announced[0].Bias < 44 || got.Announced[0].Bias > 46 {
		t.Errorf("the announced waits are audited as %+v", got.Announced)
	}
}
