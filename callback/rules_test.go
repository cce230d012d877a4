package callback

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/service"
)

const (
	mobile   = call.Number("+33639980012")
	landline = call.Number("+33199001234")
	noumea   = call.Number("+687751234")
)

var paris = location("Europe/Paris")

// prefecture is open Monday to Friday, 8:30–12:30 and 13:30–17:00 in Paris.
func prefecture() *service.Definition {
	d := &service.Definition{
		ID: "prefecture", Location: paris, Holidays: "metropole", Languages: []call.Lang{"fr", "en"},
		Name:    service.Text{"fr": {Say: "Préfecture du Val-d'Arzon"}, "en": {Say: "Val-d'Arzon Prefecture"}},
		Present: "+33199003940", Numbers: []service.Number{{Number: "+33199003939"}},
		Access: service.Access{Number: "+33199003941"},
		Queues: map[string]*service.Queue{
			"accueil": {ID: "accueil", DefaultAHT: 5 * time.Minute},
			"titres":  {ID: "titres", DefaultAHT: 10 * time.Minute},
		},
		Callback: service.Callback{On: true, Place: true, Slots: true, Horizon: 15, Share: 25, Attempts: 3, PerDay: 3},
	}
	for day := time.Monday; day <= time.Friday; day++ {
		d.Hours.Week[day] = []service.Range{{From: 510, To: 750}, {From: 810, To: 1020}}
	}
	return d
}

// local reads "2026-11-23 10:00" as a time of Paris: a Monday.
func local(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, paris)
	if err != nil {
		panic(err)
	}
	return t
}

func TestOnlyNumbersOfPeopleAreCalledBackEachInItsTimeZone(t *testing.T) {
	def := prefecture()
	for n, want := range map[call.Number]string{
		"": "withheld", "112": "emergency", "17": "emergency", "116117": "emergency", "3939": "short", "1013": "short", "118218": "short",
		"+33800123456": "premium", "+33806123456": "premium", "+33820123456": "premium", "+33899123456": "premium", "+262810123456": "premium",
		"+337001234567890": "premium", "+689361": "invalid",
		"+33199003939": "ours", "+33199003940": "ours", "+33199003941": "ours",
		"+442079460000": "foreign", "+12025550123": "foreign", "+331990012": "invalid", "+33012345678": "invalid", "+6871": "invalid",
		"+33199001234": "Europe/Paris", "+33912345678": "Europe/Paris", "+33639980012": "Europe/Paris", "+33712345678": "Europe/Paris",
		"+262262990039": "Indian/Reunion", "+262692123456": "Indian/Reunion", "+262709212345": "Indian/Reunion",
		"+262269601234": "Indian/Mayotte", "+262639012345": "Indian/Mayotte", "+262709352345": "Indian/Mayotte", "+262268912345": "Indian/Mayotte",
		"+590690001234": "America/Guadeloupe", "+594694201234": "America/Cayenne", "+596696201234": "America/Martinique",
		"+508411234": "America/Miquelon", "+508708123456": "America/Miquelon",
		"+687751234": "Pacific/Noumea", "+68940123456": "Pacific/Tahiti", "+68987123456": "Pacific/Tahiti", "+681821234": "Pacific/Wallis",
	} {
		zone, refused := Callable(n, def)
		got := fmt.Sprint(zone)
		if refused != nil {
			got = string(refused.Why)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", n, got, want)
		}
	}
}

func TestAForeignCountryIsCalledInItsDayOnceTheServiceListsItsPrefix(t *testing.T) {
	def := prefecture()
	def.Callback.Numbers = []string{"+33", "+32", "+1", "+7", "+44"}
	for n, want := range map[call.Number]string{
		"+32470123456": "Europe/Brussels", "+12025550123": "America/New_York", "+79161234567": "Europe/Moscow",
		"+262262990039": "foreign", "+442079460000": "Europe/London", "+449098790000": "premium", "+18005550123": "premium",
	} {
		zone, refused := Callable(n, def)
		got := fmt.Sprint(zone)
		if refused != nil {
			got = string(refused.Why)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", n, got, want)
		}
	}
}

func TestMessagesGoToMobilesOnly(t *testing.T) {
	for n, want := range map[call.Number]bool{
		mobile: true, landline: false, "+33912345678": false, "+337001234567890": false, "+262692123456": true, "+262262990039": false,
		"+508551234": true, "+508411234": false, noumea: true, "+687261234": false, "+68987123456": true, "+68940123456": false,
		"+681821234": true, "": false, "3939": false,
	} {
		if Mobile(n) != want {
			t.Errorf("%s is a mobile: %v", n, !want)
		}
	}
}

// zones are of places whose clocks change differently, or not at all; two are half an hour off.
var zones = []string{
	"Europe/Paris", "America/Miquelon", "Pacific/Noumea", "Pacific/Tahiti", "Indian/Reunion", "America/Cayenne", "Pacific/Wallis",
	"Pacific/Marquesas", "America/St_Johns",
}

// aService is a random definition over a few weeks; its days lie around the changes of clocks, some of them.
func aService(t *rapid.T) (def *service.Definition, zone *time.Location, from time.Time) {
	def = prefecture()
	def.Location = location(rapid.SampledFrom(zones).Draw(t, "service's zone"))
	def.Hours, def.Callback.Hours = aWeek(t, "hours"), aWeek(t, "citizens' hours")
	zone = location(rapid.SampledFrom(zones).Draw(t, "citizen's zone"))
	starts := []string{"2026-03-27 00:00", "2026-10-22 00:00", "2026-12-22 00:00", "2026-05-10 00:00", "2027-03-12 00:00"}
	from = local(rapid.SampledFrom(starts).Draw(t, "start")).Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minutes")) * time.Minute)
	for range rapid.IntRange(0, 2).Draw(t, "closures") {
		start := from.Add(time.Duration(rapid.IntRange(-600, 6000).Draw(t, "closed in")) * time.Minute).Truncate(time.Minute)
		def.Closures = append(def.Closures, service.Closure{From: start, Until: start.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "closed for")) * time.Minute)})
	}
	return def, zone, from
}

func aWeek(t *rapid.T, label string) (h service.Hours) {
	for day := range h.Week {
		switch rapid.IntRange(0, 3).Draw(t, label) {
		case 0: // closed
		case 1:
			h.Week[day] = []service.Range{{From: 0, To: 1440}}
		default:
			edges := rapid.SliceOfNDistinct(rapid.IntRange(0, 96), 4, 4, rapid.ID[int]).Draw(t, label)
			slices.Sort(edges)
			h.Week[day] = []service.Range{{From: edges[0] * 15, To: edges[1] * 15}, {From: edges[2] * 15, To: edges[3] * 15}}
			if rapid.Bool().Draw(t, "odd minutes") {
				h.Week[day][0].To--
			}
		}
	}
	return h
}

func TestNextCallableIsTheFirstMinuteAtWhichBothSidesAreThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		def, zone, from := aService(t)
		got, ok := NextCallable(def, zone, from)
		if ok && !CallableAt(def, zone, got) {
			t.Fatalf("%s is not callable", got)
		}
		if ok && got.Before(from) {
			t.Fatalf("%s is before %s", got, from)
		}
		for at := from; at.Before(from.Add(4 * 24 * time.Hour)); at = at.Add(time.Minute) {
			callable := onTheWall(def.Hours, def, at) && onTheWall(citizenDay(def, zone).Hours, &service.Definition{Location: zone, Holidays: "none"}, at)
			if callable != (ok && at.Equal(got)) && (!ok || at.Before(got)) {
				t.Fatalf("%s is callable, and the next moment is %s, %v", at, got, ok)
			}
			if callable {
				return
			}
		}
		if ok && got.Before(from.Add(4*24*time.Hour)) {
			t.Fatalf("%s is not callable by the minute", got)
		}
	})
}

// onTheWall reads the clock, the calendar and the closures, with nothing of the code under test.
func onTheWall(h service.Hours, d *service.Definition, at time.Time) bool {
	wall := at.In(d.Location)
	minute := wall.Hour()*60 + wall.Minute()
	if !slices.ContainsFunc(h.Week[wall.Weekday()], func(r service.Range) bool { return r.From <= minute && minute < r.To }) {
		return false
	}
	for _, c := range d.Closures {
		if !at.Before(c.From) && at.Before(c.Until) {
			return false
		}
	}
	day := holidayKey{d.Holidays, number(wall)}
	holiday, known := holidays[day]
	if !known {
		_, holiday = d.Holidays.On(wall.Date())
		holidays[day] = holiday
	}
	return !holiday
}

// holidays remembers the days that onTheWall has looked at.
var holidays = map[holidayKey]bool{}

type holidayKey struct {
	set service.HolidaySet
	day int
}

// number is a day of the calendar as a number, in order.
func number(wall time.Time) int {
	y, m, d := wall.Date()
	return y*10000 + int(m)*100 + d
}

func TestCitizensOfTheAntipodesAreNeverCalledAtNight(t *testing.T) {
	def := prefecture()
	for _, c := range []struct{ zone, at, want string }{
		// In November Nouméa is ten hours ahead of Paris: the morning there is the night here.
		{"Pacific/Noumea", "2026-11-23 08:00", "2026-11-23 08:30"},
		{"Pacific/Noumea", "2026-11-23 09:30", "2026-11-23 09:30"},
		{"Pacific/Noumea", "2026-11-23 10:00", "2026-11-24 08:30"},
		{"Pacific/Tahiti", "2026-11-23 10:00", ""},
		{"Indian/Mayotte", "2026-11-23 16:59", "2026-11-23 16:59"},
		{"Indian/Reunion", "2026-05-11 17:00", "2026-05-12 08:30"},
		{"America/Martinique", "2026-11-23 09:00", "2026-11-23 13:30"},
	} {
		got, ok := NextCallable(def, location(c.zone), local(c.at))
		if want := c.want; ok != (want != "") || ok && !got.Equal(local(want)) {
			t.Errorf("%s at %s: %s %v, want %s", c.zone, c.at, got, ok, want)
		}
	}
	// Paris closes at 17:00, which is 06:00 in Tahiti: the day there never meets the line's.
	if _, err := newBook(def, newMemory()).Options(t.Context(), Request{Number: "+68987123456", Queue: "accueil"}); refusal(err) != WhyAsleep {
		t.Errorf("Tahiti: %v", err)
	}
}

func TestTheDayOfTheCitizenFollowsTheirOwnClocks(t *testing.T) {
	def := prefecture()
	for day := range def.Hours.Week {
		def.Hours.Week[day] = []service.Range{{From: 0, To: 1440}}
	}
	def.Holidays = "none"
	// Miquelon's clocks change two weeks before those of Paris: 8:00 there is 12:00 here, then 11:00, then 12:00 again.
	for at, want := range map[string]string{
		"2027-03-13 00:00": "2027-03-13 12:00", "2027-03-15 02:00": "2027-03-15 11:00", "2027-03-29 02:00": "2027-03-29 12:00",
	} {
		if got, ok := NextCallable(def, location("America/Miquelon"), local(at)); !ok || !got.Equal(local(want)) {
			t.Errorf("from %s: %s, want %s", at, got, want)
		}
	}
}

func TestSlotsLieWithinAllHoursAndNeverBeyondTheHorizon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		def, zone, now := aService(t)
		def.Callback.Horizon = rapid.IntRange(1, 5).Draw(t, "horizon")
		public := "general"
		if rapid.Bool().Draw(t, "quiet hours") {
			public, def.Callback.OffPeak = "vulnerable", service.OffPeak{Publics: []string{"vulnerable"}, Hours: aWeek(t, "quiet")}
		}
		free := FreeSlots(def, zone, public, now, 1, nil, 0)
		// By brute force: every quarter of 30 days, open minute by minute on all sides.
		citizen := &service.Definition{Location: zone, Holidays: "none"}
		var want []time.Time
		days, last, today := 0, 0, number(now.In(def.Location))
		for at := now.Truncate(time.Minute); at.Before(now.Add(30 * 24 * time.Hour)); at = at.Add(time.Minute) {
			if day := number(at.In(def.Location)); day > today && day != last && onTheWall(def.Hours, def, at) {
				if days == def.Callback.Horizon {
					break
				}
				days, last = days+1, day
			}
			if !at.Equal(at.Truncate(Quarter)) || at.Before(now.Add(lead)) {
				continue
			}
			whole := true
			for m := 0; m < 15 && whole; m++ {
				minute := at.Add(time.Duration(m) * time.Minute)
				whole = onTheWall(def.Hours, def, minute) && onTheWall(citizenDay(def, zone).Hours, citizen, minute) &&
					(public == "general" || onTheWall(def.Callback.OffPeak.Hours, &service.Definition{Location: def.Location, Holidays: "none"}, minute))
			}
			if whole {
				want = append(want, at)
			}
		}
		month := now.Truncate(time.Minute).Add(30 * 24 * time.Hour)
		free = slices.DeleteFunc(free, func(slot time.Time) bool { return !slot.Before(month) })
		if !slices.EqualFunc(free, want, time.Time.Equal) {
			t.Fatalf("%d slots %v\nwant %d %v", len(free), free, len(want), want)
		}
		for _, slot := range free {
			if !SlotAllowed(def, zone, public, slot, now) {
				t.Fatalf("%s is offered and not allowed", slot)
			}
		}
	})
}

func TestASlotPastFarCrookedOrClosedIsNotAllowed(t *testing.T) {
	def, now := prefecture(), local("2026-11-23 10:07")
	def.Callback.Horizon = 5
	for slot, want := range map[string]bool{
		"2026-11-23 10:00": false, "2026-11-23 10:15": true, "2026-11-23 10:20": false, "2026-11-23 12:15": true, "2026-11-23 12:30": false,
		"2026-11-30 16:45": true, "2026-12-01 08:30": false, "2026-11-28 10:00": false,
	} {
		if got := SlotAllowed(def, paris, "general", local(slot), now); got != want {
			t.Errorf("%s: %v", slot, got)
		}
	}
}

func TestTheHorizonCountsOpenDays(t *testing.T) {
	def := prefecture()
	def.Callback.Horizon = 3
	for now, want := range map[string]string{
		"2026-11-23 10:00": "2026-11-27 00:00", // Monday: Tuesday to Thursday
		"2026-11-27 18:00": "2026-12-03 00:00", // Friday evening: Monday to Wednesday
		"2026-12-23 10:00": "2026-12-30 00:00", // Christmas and the weekend are not open days
	} {
		if got := horizonEnd(def, local(now)); !got.Equal(local(want)) {
			t.Errorf("%s: %s, want %s", now, got, want)
		}
	}
}

func TestCapacityComesFromTheAgentsAndTheShareKept(t *testing.T) {
	def := prefecture()
	for _, c := range []struct {
		queue         string
		agents, share int
		perSlot, want int
	}{
		{"accueil", 0, 25, 0, 0},
		{"accueil", 1, 25, 0, 1},
		{"accueil", 4, 25, 0, 3},
		{"titres", 4, 25, 0, 1},
		{"titres", 4, 100, 0, 6},
		{"accueil", 4, 25, 2, 2},
		{"accueil", 10, 25, 0, 7},
	} {
		def.Callback.Share, def.Callback.PerSlot = c.share, c.perSlot
		if got := Capacity(def, c.queue, c.agents); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestTheChoicesSaidAreTheNextOneTheNextHalfDayAndTheNextDay(t *testing.T) {
	def := prefecture()
	for now, want := range map[string][]string{
		"2026-11-23 09:02": {"2026-11-23 09:30", "2026-11-23 13:30", "2026-11-24 08:30"},
		"2026-11-23 15:00": {"2026-11-23 15:15", "2026-11-24 08:30", "2026-11-24 13:30"},
		"2026-11-27 16:10": {"2026-11-27 16:30", "2026-11-30 08:30", "2026-11-30 13:30"},
		"2026-11-28 10:00": {"2026-11-30 08:30", "2026-11-30 13:30", "2026-12-01 08:30"},
	} {
		got := Choices(FreeSlots(def, paris, "general", local(now), 1, nil, 0), paris)
		if !slices.EqualFunc(got, want, func(g time.Time, w string) bool { return g.Equal(local(w)) }) {
			t.Errorf("%s: %v, want %v", now, got, want)
		}
	}
	few := []time.Time{local("2026-11-23 09:30"), local("2026-11-23 09:45"), local("2026-11-23 10:00"), local("2026-11-23 10:15")}
	if got := Choices(few, paris); !slices.Equal(got, few[:3]) {
		t.Errorf("a single morning: %v", got)
	}
}

func TestOnlyTriesThatRangTheCitizenCountAndTheRuleDelaysThem(t *testing.T) {
	def, now := prefecture(), local("2026-11-23 10:00")
	due := local("2026-11-23 09:40")
	for _, c := range []struct {
		result      Result
		tries, idle int
		state       State
		due         string
	}{
		{NoAnswer, 0, 0, Pending, "2026-11-23 10:10"},
		{Busy, 1, 0, Pending, "2026-11-23 11:00"},
		{Machine, 2, 0, Unreachable, ""},
		{Connected, 2, 0, Kept, ""},
		{AgentMissed, 0, 1, InLine, "2026-11-23 09:40"},
		{AgentRefused, 2, 4, InLine, "2026-11-23 09:40"},
		{Interrupted, 2, 4, Pending, "2026-11-23 09:40"},
		{Interrupted, 2, 5, Pending, "2026-11-23 10:05"},
		{AgentMissed, 0, 6, Pending, "2026-11-23 10:05"},
		{NoLine, 2, 4, Pending, "2026-11-23 10:01"},
	} {
		v := Judge(def, paris, Promise{Tries: c.tries, Due: due}, c.result, c.idle, now)
		if v.State != c.state || c.due != "" && !v.Due.Equal(local(c.due)) {
			t.Errorf("%+v: %+v", c, v)
		}
		if counted := v.Tries - c.tries; counted == 1 != c.result.Counts() || v.Voicemail != (c.result == Machine) {
			t.Errorf("%+v: %+v", c, v)
		}
	}
	if v := Judge(def, paris, Promise{Tries: 1, Due: due}, NoLine, 5, now); v.Tries != 2 || !v.Due.Equal(local("2026-11-23 11:00")) {
		t.Errorf("an operator that fails for the fifth time: %+v", v)
	}
	def.Callback.Attempts = 5
	v := Judge(def, paris, Promise{Tries: 2}, NoAnswer, 0, local("2026-11-27 10:00"))
	if !v.Due.Equal(local("2026-11-30 08:30")) {
		t.Errorf("the next open day after a Friday: %s", v.Due)
	}
	if v := Judge(def, paris, Promise{}, NoAnswer, 0, local("2026-11-23 12:25")); !v.Due.Equal(local("2026-11-23 13:30")) {
		t.Errorf("ten minutes later is lunch: %s", v.Due)
	}
}

func TestTheNextDayOfARetryIsAlsoTheCitizensNext(t *testing.T) {
	def := prefecture()
	def.Holidays = "none"
	for day := range def.Hours.Week {
		def.Hours.Week[day] = []service.Range{{From: 0, To: 1440}}
	}
	def.Callback.Retry = []time.Duration{service.NextDay}
	// 20:00 in Paris is 9:00 in Tahiti: Paris's midnight, four hours later, is the same day there.
	v := Judge(def, location("Pacific/Tahiti"), Promise{}, NoAnswer, 0, local("2026-11-23 20:00"))
	if got := v.Due.In(location("Pacific/Tahiti")).Format("2006-01-02 15:04"); got != "2026-11-24 08:00" {
		t.Error(got)
	}
}

func TestADayBeginsAtItsFirstInstantWhateverTheClocksDo(t *testing.T) {
	for _, c := range []struct {
		zone, noon, want string // want in UTC
	}{
		{"Europe/Paris", "2026-10-25", "2026-10-24 22:00"},
		{"Africa/Cairo", "2026-04-24", "2026-04-23 22:00"},     // the clocks jump from midnight to one
		{"America/Havana", "2026-11-01", "2026-11-01 04:00"},   // they go from one back to midnight
		{"America/Asuncion", "2023-10-01", "2023-10-01 04:00"}, // from midnight to one
	} {
		day, err := time.ParseInLocation(time.DateOnly, c.noon, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		y, m, d := day.Date()
		got := midnight(y, m, d, location(c.zone))
		if got.UTC().Format("2006-01-02 15:04") != c.want {
			t.Errorf("%s in %s: %s, want %s", c.noon, c.zone, got.UTC(), c.want)
		}
		if before := got.Add(-time.Second); before.Day() == got.Day() {
			t.Errorf("%s in %s: a second earlier it is that day already", c.noon, c.zone)
		}
	}
}

func TestARetryIsNeverOutsideTheHoursOfEitherSide(t *testing.T) {
	results := []Result{NoAnswer, Busy, Refused, Machine, NotReached, HungUp, Interrupted}
	rapid.Check(t, func(t *rapid.T) {
		def, zone, now := aService(t)
		def.Callback.Attempts = 10
		p := Promise{Tries: rapid.IntRange(0, 8).Draw(t, "tries"), Due: now.Add(-time.Hour)}
		r := rapid.SampledFrom(results).Draw(t, "result")
		v := Judge(def, zone, p, r, 7, now)
		if v.State != Pending {
			if _, ok := NextCallable(def, zone, now.Add(48*time.Hour)); ok {
				t.Fatalf("%+v, though there are moments to call", v)
			}
			return
		}
		if !v.Due.After(now) {
			t.Fatalf("%s: tried again at once", v.Due)
		}
		if _, ok := NextCallable(def, zone, now); ok && !CallableAt(def, zone, v.Due) {
			t.Fatalf("%s is not callable", v.Due)
		}
	})
}

// newBook is a book over a store, with two agents, and pages.
func newBook(def *service.Definition, store Store) *Book {
	return &Book{
		Store: store, Service: func() *service.Definition { return def }, Agents: func(string) int { return 2 }, Journal: &facts{},
		PageURL: func(p Promise) string { return "https://rappel.example/r/" + string(p.ID) },
		BookURL: func(call.Lang) string { return "https://rappel.example/" },
	}
}

func refusal(err error) Why {
	if r, ok := err.(*Refusal); ok {
		return r.Why
	}
	return ""
}

func BenchmarkOfferDecision(b *testing.B) {
	def := prefecture()
	store := newMemory()
	book := newBook(def, store)
	for i := range 200 {
		slot := time.Now().Truncate(Quarter).Add(time.Duration(i) * Quarter)
		store.put(Promise{ID: NewID(), Number: call.Number(fmt.Sprintf("+3363998%04d", i)), Queue: "accueil", State: Pending, Slot: slot})
	}
	ctx := context.Background()
	b.Run("offer", func(b *testing.B) {
		for b.Loop() {
			book.Offer("accueil", "general", 10*time.Minute, time.Now())
		}
	})
	b.Run("options", func(b *testing.B) {
		for b.Loop() {
			if _, err := book.Options(ctx, Request{Number: "+33639989999", Queue: "accueil"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
