package e2e

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/speech"
	"decroche/text"
	"decroche/web/api"
)

// promisesFor are those of a number, settled ones too.
func promisesFor(t *testing.T, r *rig.Rig, number string) []api.Callback {
	t.Helper()
	var list []api.Callback
	if status, words := callAPI(t, r, "GET", "/api/callbacks?"+url.Values{"state": {"all"}, "number": {number}}.Encode(), nil, &list); words != "" {
		t.Fatalf("list the promises: %d %s", status, words)
	}
	return list
}

// promiseFor waits for the one promise of a number.
func promiseFor(t *testing.T, r *rig.Rig, number string) api.Callback {
	t.Helper()
	var list []api.Callback
	r.Eventually(10*time.Second, "the number has a promise", func() error {
		if list = promisesFor(t, r, number); len(list) != 1 {
			return fmt.Errorf("it has %d", len(list))
		}
		return nil
	})
	return list[0]
}

// noPromise fails when something was promised to one of the numbers.
func noPromise(t *testing.T, r *rig.Rig, numbers ...string) {
	t.Helper()
	for _, n := range numbers {
		if list := promisesFor(t, r, n); len(list) > 0 {
			t.Errorf("number …%s has a promise: %+v", n[len(n)-2:], list)
		}
	}
}

// endOf waits for the end of the last call of a number; in one rig the two last digits tell callers apart.
func endOf(r *rig.Rig, number string) rig.Fact {
	return r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Call == callOf(r, number) })
}

func callOf(r *rig.Rig, number string) (id string) {
	for _, f := range r.Facts(call.EventArrived) {
		if f.Data["from"] == call.Number(number).Masked() {
			id = f.Call
		}
	}
	return id
}

// noDigits holds that no number is in clear in the controller's log, nor in the journal.
func noDigits(t *testing.T, r *rig.Rig, digits ...string) {
	t.Helper()
	log, journal := r.ControllerLog(), r.Must("journal")
	for _, d := range digits {
		if strings.Contains(log, d) {
			t.Errorf("the controller's log has %s", d)
		}
		if strings.Contains(journal, d) {
			t.Errorf("the journal has %s", d)
		}
	}
}

// asksFor is a waiting caller who presses 1 and is read the own number.
func asksFor(c *rig.Line) {
	c.Types("1")
	c.Hears("fr/callback.number.yours", 10*time.Second)
	c.Hears("fr/callback.number.choice", 15*time.Second)
}

func TestAskingForACallbackOnTheTelephone(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ", offer_above: 1s, abandoned: sms")})
	desk := r.Available("2001") // who talks all the time: nobody is called back meanwhile, and the wait can be told
	talks := joins(r, nth(1))
	agent := r.Answers(desk, 10*time.Second)
	talks.Hears("fr/hold.connecting", 10*time.Second)
	var together sync.WaitGroup // they wait for words most of the time: more than -parallel allows
	for name, story := range map[string]func(t *testing.T, r *rig.Rig){
		"another number is typed, corrected and confirmed":               givesAnotherNumber,
		"who withholds the number is asked for one at once":              withholdsTheNumber,
		"refused numbers leave the place in line, a full line is no end": keepsThePlaceWhenRefused,
		"a number overseas is called in its own day":                     givesANumberOverseas,
		"who asks again hears what is promised already":                  asksAgain,
		"a promise begins with the word that says it":                    hangsUpBeforeAndAfterTheWord,
		"who is cut off is called back, who hangs up is invited":         isCutOff,
		"a long wait offers a callback on entry":                         isOfferedACallback,
	} {
		together.Go(func() { t.Run(name, func(t *testing.T) { story(t, r.With(t)) }) })
	}
	together.Wait()
	if !talks.Up() || !agent.Up() {
		t.Error("the two who talk should have talked all the time")
	}
	noDigits(t, r, "639980", "692123456", "199000151", "892123456", "2079460000")
}

func givesAnotherNumber(t *testing.T, r *rig.Rig) {
	const wrong, right = "+33639980131", "+33639980132"
	c := joins(r, nth(30))
	asksFor(c)
	c.Types("2")
	c.Hears("fr/callback.number.type", 10*time.Second)
	c.Types("0639980131")
	c.Hears("fr/callback.number.typed", 10*time.Second)
	c.Hears("fr/callback.number.confirm", 15*time.Second)
	c.Types("2")
	c.Hears("fr/callback.number.type", 10*time.Second)
	c.Types("06399*0639980132") // begun anew
	c.Hears("fr/callback.number.typed", 10*time.Second)
	c.Hears("fr/callback.number.confirm", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 10*time.Second)
	c.HearsAll("fr/callback.noted.sms", 20*time.Second)
	c.Ends(10 * time.Second)
	if p := promiseFor(t, r, right); p.Kind != callback.Place || p.Origin != callback.FromQueue || p.Reason != "dossier" || !p.Slot.IsZero() {
		t.Errorf("the promise: %+v", p)
	}
	noPromise(t, r, nth(30), wrong)
}

func withholdsTheNumber(t *testing.T, r *rig.Rig) {
	const landline = "+33199000151"
	c := r.Dial(line, "anonymous", softphone.From(`"Anonymous" <sip:anonymous@anonymous.invalid>`))
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.refused.withheld", 10*time.Second)
	c.Hears("fr/callback.number.type", 10*time.Second)
	c.Types("112#")
	c.Hears("fr/callback.refused.emergency", 10*time.Second)
	c.Hears("fr/callback.number.type", 10*time.Second)
	c.Types("0199000151")
	c.Hears("fr/callback.number.typed", 10*time.Second)
	c.Hears("fr/callback.number.confirm", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 10*time.Second)
	c.Ends(25 * time.Second)
	if n := count(c, "fr/callback.noted.sms") + count(c, "fr/callback.number.choice"); n != 0 {
		t.Errorf("there is no number to keep, and a landline gets no SMS: %v", c.Heard())
	}
	p := promiseFor(t, r, landline)
	if p.Kind != callback.Place || p.State != callback.InLine && p.State != callback.Pending {
		t.Errorf("the promise: %+v", p)
	}
	if out := r.Must("sms"); strings.Contains(out, "+33…51") {
		t.Errorf("a landline is texted:\n%s", out)
	}
}

// keepsThePlaceWhenRefused fills the queue of two while the first types numbers that are
// refused; the fourth finds it full and is offered a callback at its place.
func keepsThePlaceWhenRefused(t *testing.T, r *rig.Rig) {
	first := r.Dial(permits, nth(40))
	first.Hears("fr/queue.joined", 10*time.Second)
	first.Hears("fr/position.1", 10*time.Second)
	asksFor(first)
	first.Types("2")
	var others []*rig.Line
	for i, try := range [][2]string{{"0892123456", "premium"}, {"3939#", "short"}, {"00442079460000#", "foreign"}} {
		first.Hears("fr/callback.number.type", 15*time.Second)
		if i < 2 {
			others = append(others, r.Dial(permits, nth(41+i)))
			others[i].Hears("fr/queue.joined", 10*time.Second)
		}
		first.Types(try[0])
		first.Hears("fr/callback.refused."+try[1], 10*time.Second)
	}
	second, third := others[0], others[1]
	first.Hears("fr/callback.back", 10*time.Second)
	fourth := r.Dial(permits, nth(43))
	for _, p := range []string{"sature", "ferme-horaires", "autres-moyens"} {
		fourth.Hears("fr/"+p, 10*time.Second)
	}
	fourth.Hears("fr/callback.hint", 10*time.Second)
	fourth.Types("1")
	fourth.Hears("fr/callback.number.choice.end", 20*time.Second)
	fourth.Types("1")
	fourth.Hears("fr/callback.when.place", 10*time.Second)
	fourth.Types("1")
	fourth.Hears("fr/callback.noted", 10*time.Second)
	fourth.Hears("fr/callback.noted.place", 15*time.Second)
	fourth.HangsUp()
	first.Hears("fr/position.1", 10*time.Second)
	second.Hears("fr/position.2", 10*time.Second)
	third.Hears("fr/position.3", 10*time.Second)
	noPromise(t, r, nth(40), "0892123456", "3939", "+442079460000")
	if n := count(fourth, "fr/rappel"); n != 0 {
		t.Errorf("who is called back need not be told to write: %v", fourth.Heard())
	}
	if p := promiseFor(t, r, nth(43)); p.Origin != callback.FromSaturated || p.Kind != callback.Place || p.Queue != "titres" {
		t.Errorf("the promise: %+v", p)
	}
	if end := endOf(r, nth(43)); end.Data["outcome"] != "called_back" {
		t.Errorf("the call ends as %v", end.Data)
	}
	if !first.Up() || !second.Up() || !third.Up() {
		t.Error("who waits already should go on waiting")
	}
}

// hearsSentence holds that a call that is over had a sentence that was made for it.
func hearsSentence(t *testing.T, r *rig.Rig, c *rig.Line, words string) {
	t.Helper()
	heard := softphone.NewIndex([]softphone.Prompt{r.SoundOf("sentence", "fr", words)}).Recognise(c.Hear())
	if !slices.ContainsFunc(heard, func(h softphone.Heard) bool { return h.Score > 0.9 }) {
		t.Errorf("the caller should have heard %q, and heard of it %v", words, heard)
	}
}

func givesANumberOverseas(t *testing.T, r *rig.Rig) {
	reunion, err := time.LoadLocation("Indian/Reunion")
	if err != nil {
		t.Fatal(err)
	}
	c := joins(r, nth(50))
	asksFor(c)
	c.Types("2")
	c.Hears("fr/callback.number.type", 10*time.Second)
	c.Types("0692123456")
	c.Hears("fr/callback.number.confirm", 20*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 10*time.Second)
	c.HearsAll("fr/callback.when.zone", 10*time.Second)
	time.Sleep(6 * time.Second) // the first slot is said
	c.Types("2")
	c.Hears("fr/callback.noted", 10*time.Second)
	c.Ends(30 * time.Second)
	p := promiseFor(t, r, "+262692123456")
	if p.Kind != callback.Slot || p.Slot.Before(p.Asked) || p.Slot.After(p.Asked.Add(time.Hour)) {
		t.Fatalf("the promise: %+v", p)
	}
	there := p.Slot.In(reunion)
	words, err := speech.SentenceText("callback.when.slot", "fr", "day", text.Day("fr", there, p.Asked.In(reunion)), "clock", text.SpokenClock("fr", there), "key", 2)
	if err != nil {
		t.Fatal(err)
	}
	hearsSentence(t, r, c, words)
	texted(t, r, "confirmed", "+26…56", text.Clock("fr", there))
}

func asksAgain(t *testing.T, r *rig.Rig) {
	number := nth(60)
	r.Must("callbacks", "add", number, "--queue", "accueil")
	made := promiseFor(t, r, number)
	again := joins(r, number)
	again.Types("1")
	again.Hears("fr/callback.already.place", 10*time.Second)
	again.Hears("fr/callback.already.keep", 15*time.Second)
	again.Hears("fr/callback.back", 20*time.Second) // no key: to wait on
	again.Hears("fr/position.*", 20*time.Second)
	again.Types("1")
	again.Hears("fr/callback.already.keep", 20*time.Second)
	again.Types("1")
	again.Hears("fr/goodbye", 10*time.Second)
	again.Ends(10 * time.Second)
	if end := endOf(r, number); end.Data["outcome"] != "called_back" {
		t.Errorf("the call ends as %v", end.Data)
	}
	if now := promiseFor(t, r, number); now.ID != made.ID || !now.Joined.Equal(made.Joined) {
		t.Errorf("the promise was %+v and is %+v", made, now)
	}
	merged := r.WaitFact(call.EventPromised, func(f rig.Fact) bool { return f.Data["merged"] == true })
	if merged.Data["promise"] != string(made.ID) {
		t.Errorf("the journal says %v", merged.Data)
	}
}

func hangsUpBeforeAndAfterTheWord(t *testing.T, r *rig.Rig) {
	early, late := joins(r, nth(70)), joins(r, nth(71))
	for _, c := range []*rig.Line{early, late} {
		asksFor(c)
		c.Types("1")
	}
	early.Hears("fr/callback.when.place", 10*time.Second)
	early.HangsUp()
	late.Hears("fr/callback.when.place", 10*time.Second)
	late.Types("1")
	late.Hears("fr/callback.noted", 10*time.Second)
	late.HangsUp()
	if p := promiseFor(t, r, nth(71)); p.Kind != callback.Place || !p.State.Live() {
		t.Errorf("the promise: %+v", p)
	}
	if end := endOf(r, nth(71)); end.Data["outcome"] != "called_back" {
		t.Errorf("who heard the promise ends as %v", end.Data)
	}
	if end := endOf(r, nth(70)); end.Data["outcome"] != "abandoned" || end.Data["reason"] != "caller_hung_up" {
		t.Errorf("who did not ends as %v", end.Data)
	}
	noPromise(t, r, nth(70))
}

func isCutOff(t *testing.T, r *rig.Rig) {
	cut, leaves := joins(r, nth(80)), joins(r, nth(81))
	joined := time.Now()
	cut.Hears("fr/position.*", 15*time.Second)
	if err := cut.HangupBecause(t.Context(), 41); err != nil {
		t.Fatal(err)
	}
	p := promiseFor(t, r, nth(80))
	if p.Origin != callback.FromCutOff || p.Kind != callback.Place || !p.Joined.Before(joined) {
		t.Errorf("the promise: %+v, joined before %s", p, joined)
	}
	texted(t, r, "cut_off", "+33…80", "la ligne a été coupée", "http://"+r.Public+"/p/")
	if end := endOf(r, nth(80)); end.Data["outcome"] != "abandoned" || end.Data["reason"] != "cut_off" {
		t.Errorf("who was cut off ends as %v", end.Data)
	}
	leaves.Hears("fr/position.*", 15*time.Second)
	leaves.Hears("fr/position.*", time.Until(joined.Add(30*time.Second)))
	time.Sleep(time.Until(joined.Add(11 * time.Second))) // who stays a moment only has not waited
	leaves.HangsUp()
	texted(t, r, "invitation", "+33…81", "http://"+r.Public+"/fr/rappel")
	if end := endOf(r, nth(81)); end.Data["reason"] != "caller_hung_up" {
		t.Errorf("who hung up ends as %v", end.Data)
	}
	noPromise(t, r, nth(81))
}

func isOfferedACallback(t *testing.T, r *rig.Rig) {
	c := joins(r, nth(90))
	c.Hears("fr/wait.*", 15*time.Second)
	c.Hears("fr/callback.offer", 10*time.Second)
	c.Hears("fr/callback.hint", 30*time.Second) // and again, less often than the place
	id := callOf(r, nth(90))
	offered := r.WaitFact(call.EventOffered, func(f rig.Fact) bool { return f.Call == id })
	if offered.Data["why"] != "estimate" {
		t.Errorf("the journal says %v", offered.Data)
	}
}

// paris is where the tests' service is.
func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// openUntil gives hours that end today at the moment given, at midnight at the latest, and
// that begin again tomorrow at nine.
func openUntil(t *testing.T, until time.Time) (hours string, opens time.Time) {
	t.Helper()
	now := time.Now().In(paris(t))
	until = until.In(paris(t))
	end := until.Format("15:04")
	if until.Day() != now.Day() {
		end = "24:00"
	}
	y, m, d := now.Date()
	tomorrow := time.Date(y, m, d+1, 9, 0, 0, 0, paris(t))
	day := func(t time.Time) string { return strings.ToLower(t.Weekday().String()[:3]) }
	return fmt.Sprintf(`hours: {%s: "00:00-%s", %s: "09:00-12:00"}`, day(now), end, day(tomorrow)), tomorrow
}

func TestALineThatClosesOrIsClosedPromisesASlotOfItsNextOpening(t *testing.T) {
	t.Parallel()
	const section = "callback: {hours: {mon-sun: \"00:00-24:00\"}}\n"
	hours, opens := openUntil(t, time.Now().Add(5*time.Minute))
	r := rig.Start(t, rig.Options{Service: essai(t, `hours: {mon: "03:00-03:01"}`, hours) + section})
	waiter := r.Dial(line, nth(1))
	waiter.Hears("fr/bienvenue", 10*time.Second)
	waiter.Types("1")
	waiter.Hears("fr/queue.joined", 10*time.Second)
	waiter.Hears("fr/callback.offer.closing", 15*time.Second)
	asksFor(waiter)
	waiter.Types("1")
	time.Sleep(5 * time.Second) // the first slot is said
	waiter.Types("1")
	waiter.Hears("fr/callback.noted", 15*time.Second)
	waiter.HangsUp()
	nextOpening(t, r, nth(1), callback.FromClosing, opens)

	y, m, d := time.Now().In(paris(t)).Date()
	hours, opens = openUntil(t, time.Date(y, m, d, 0, 1, 0, 0, paris(t)))
	r.WriteService(essai(t, `hours: {mon: "03:00-03:01"}`, hours) + section)
	r.Must("reload")
	c, no := r.Dial(closedLine, nth(2)), r.Dial(closedLine, nth(3))
	for _, p := range []string{"ferme", "ferme-horaires", "autres-moyens"} {
		c.Hears("fr/"+p, 10*time.Second)
	}
	c.Hears("fr/callback.hint", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.number.choice.end", 20*time.Second)
	c.Types("1")
	time.Sleep(5 * time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 15*time.Second)
	no.Hears("fr/callback.hint", 10*time.Second) // who does not want it hears goodbye
	no.Hears("fr/goodbye", 10*time.Second)
	no.Ends(10 * time.Second)
	noPromise(t, r, nth(3))
	c.Ends(30 * time.Second)
	if n := count(c, "fr/callback.when.place"); n != 0 {
		t.Errorf("there is no line to keep a place in: %v", c.Heard())
	}
	p := nextOpening(t, r, nth(2), callback.FromClosed, opens)
	words, err := speech.SentenceText("callback.noted.slot", "fr", "day", text.Day("fr", p.Slot, p.Asked), "clock", text.SpokenClock("fr", p.Slot))
	if err != nil {
		t.Fatal(err)
	}
	hearsSentence(t, r, c, words)
	if end := endOf(r, nth(2)); end.Data["outcome"] != "called_back" || end.Data["reason"] != "slot" {
		t.Errorf("the call ends as %v", end.Data)
	}
}

// nextOpening holds a promise to the morning on which the line opens again.
func nextOpening(t *testing.T, r *rig.Rig, number string, origin callback.Origin, opens time.Time) api.Callback {
	t.Helper()
	p := promiseFor(t, r, number)
	if p.Origin != origin || p.Kind != callback.Slot || p.Slot.Before(opens) || !p.Slot.Before(opens.Add(3*time.Hour)) {
		t.Errorf("the promise should be for the morning of %s: %+v", opens, p)
	}
	texted(t, r, "confirmed", call.Number(number).Masked(), text.Clock("fr", p.Slot.In(opens.Location())))
	return p
}

func TestWhoIsAskingWhenTheControllerDiesOrTheDatabaseIsAwayIsNotLost(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	choosing, hearing, waits := joins(r, nth(1)), joins(r, nth(2)), joins(r, nth(3))
	asksFor(choosing)
	asksFor(hearing)
	hearing.Types("1")
	hearing.Hears("fr/callback.when.place", 10*time.Second)
	hearing.Types("1")
	hearing.Hears("fr/callback.noted", 10*time.Second)
	r.KillController()
	made := time.Now()
	r.StartController()
	r.WaitReady()
	choosing.Hears("fr/caller.resumed", 10*time.Second)
	choosing.Hears("fr/callback.number.choice", 20*time.Second)
	choosing.Types("1")
	choosing.Hears("fr/callback.when.place", 10*time.Second)
	choosing.Types("1")
	choosing.Hears("fr/callback.noted", 10*time.Second)
	choosing.HangsUp()
	hearing.Hears("fr/caller.resumed", 10*time.Second)
	hearing.Hears("fr/callback.noted.place", 20*time.Second)
	hearing.HangsUp()
	before, after := promiseFor(t, r, nth(2)), promiseFor(t, r, nth(1))
	if !before.Asked.Before(made) || !after.Asked.After(made) {
		t.Errorf("promised at %s and %s, the controller died at %s", before.Asked, after.Asked, made)
	}
	if after.Kind != callback.Place || !after.Joined.Before(made) {
		t.Errorf("the place in line should be the caller's own: %+v", after)
	}

	waits.Hears("fr/caller.resumed", 10*time.Second)
	db, err := sql.Open("sqlite", filepath.Join(r.Dir, "decroche.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	r.Eventually(5*time.Second, "the database is locked", func() error {
		_, err := lock.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
		return err
	})
	asksFor(waits)
	waits.Types("1")
	waits.Hears("fr/callback.when.place", 10*time.Second)
	waits.Types("1")
	waits.Hears("fr/callback.failed", 15*time.Second)
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	waits.Hears("fr/callback.back", 10*time.Second)
	waits.Hears("fr/position.*", 20*time.Second)
	r.WaitReady()
	noPromise(t, r, nth(3))
}

func TestCallersCutOffByTheEndOfAsteriskAreCalledBackInTheirOrder(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	const n = 4
	for i := range n {
		joins(r, nth(i+1)).Hears("fr/position.*", 15*time.Second)
	}
	crashed := time.Now()
	r.CrashAsterisk()
	r.StartAsterisk()
	r.WaitReady()
	var list []api.Callback
	r.Eventually(20*time.Second, "everybody who waited has a promise", func() error {
		if list = promises(t, r, "all"); len(list) != n {
			return fmt.Errorf("there are %d", len(list))
		}
		return nil
	})
	slices.SortFunc(list, func(a, b api.Callback) int { return a.Joined.Compare(b.Joined) })
	for i, p := range list {
		if p.Number != call.Number(nth(i+1)).Masked() || p.Origin != callback.FromCutOff || p.Kind != callback.Place || !p.Joined.Before(crashed) {
			t.Errorf("caller %d stands here: %+v", i+1, p)
		}
		texted(t, r, "cut_off", p.Number, "la ligne a été coupée")
	}
	r.Eventually(15*time.Second, "all of them are in line", func() error {
		if in := promises(t, r, "in_line"); len(in) != n {
			return errors.New("not yet")
		}
		return nil
	})
}
