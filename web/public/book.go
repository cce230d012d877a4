package public

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// path is the address of a step in the visit's language.
func (v *visit) path(step string) string { return "/" + string(v.Lang) + "/rappel" + step }

// with gives the query that carries a booking on.
func (v *visit) with(b booking) url.Values {
	b.Until = v.now.Add(patience).Unix()
	return url.Values{"e": {v.s.Signer.seal(b)}}
}

// open tells whether the service calls back at all.
func (v *visit) open() bool {
	if v.def.Callback.On {
		return true
	}
	v.stop(http.StatusNotFound, "off")
	return false
}

// booking reads what was said so far. Without it the citizen is shown the first step, which
// keeps the subject when it was ours and has only taken too long.
func (v *visit) booking() (booking, bool) {
	token := v.r.FormValue("e")
	b, err := v.s.Signer.open(token, v.now)
	switch {
	case err == nil && v.def.Queues[b.Queue] != nil:
		v.Token = token
		v.in = under(strings.TrimPrefix(v.r.URL.Path, "/"+string(v.Lang)) + "?" + url.Values{"e": {token}}.Encode())
		v.Masked, v.Ending = masked(b.Number)
		v.Restart = v.path("") + "?" + url.Values{"e": {token}}.Encode()
		return b, true
	case errors.Is(err, errExpired):
		v.Notice = v.T("book.expired")
	default:
		v.Notice = v.T("book.lost")
	}
	v.Step = 1
	v.in = under("/rappel")
	v.subjectForm(b.Queue + "/" + b.Reason)
	v.render(http.StatusOK, "subject.html", v.T("book.title"))
	return booking{}, false
}

func (v *visit) subjectForm(chosen string) {
	v.Action, v.Subjects = v.path(""), v.subjects()
	for i := range v.Subjects {
		v.Subjects[i].Chosen = v.Subjects[i].Value == chosen
	}
}

// showSubject is the first step. Coming back to it keeps the subject; the number is not shown again.
func (s *Server) showSubject(v *visit) {
	if !v.open() {
		return
	}
	chosen := v.r.URL.Query().Get("sujet")
	v.ByRelay = v.r.URL.Query().Get("relais") != ""
	if v.ByRelay {
		v.in = under("/rappel?relais=1")
	}
	if b, err := s.Signer.open(v.r.FormValue("e"), v.now); err == nil {
		v.ByRelay = b.Relay
		chosen, v.Token = b.Queue+"/"+b.Reason, v.r.FormValue("e")
		v.in = under("/rappel?" + url.Values{"e": {v.Token}}.Encode())
	}
	v.Step = 1
	v.subjectForm(chosen)
	v.render(http.StatusOK, "subject.html", v.T("book.title"))
}

func (s *Server) takeSubject(v *visit) {
	if !v.open() || !v.form() {
		return
	}
	v.Step, v.Number, v.Token = 1, v.r.PostFormValue("number"), v.r.PostFormValue("e")
	v.ByRelay = v.HasRelay() && v.r.PostFormValue("relay") != ""
	v.subjectForm(v.r.PostFormValue("subject"))
	if len(v.Subjects) == 1 {
		v.Subjects[0].Chosen = true
	}
	i := slices.IndexFunc(v.Subjects, func(u subject) bool { return u.Chosen })
	if i < 0 {
		v.wrong("subject", "error.subject")
	}
	n := v.readNumber()
	if len(v.Errors) > 0 {
		v.render(http.StatusOK, "subject.html", v.T("book.title"))
		return
	}
	b, err := s.Signer.open(v.Token, v.now)
	if err != nil || b.Number != n { // the proof of another number proves nothing
		b = booking{Proof: rand.Text(), Number: n}
	}
	b.Queue, b.Reason, b.Relay = v.Subjects[i].Queue, v.Subjects[i].Reason, v.ByRelay
	v.see(v.path("/horaire"), v.with(b))
}

// readNumber takes any French form, and says what is wrong with what we cannot call or send a code to.
func (v *visit) readNumber() call.Number {
	n, err := call.ParseNumber(v.Number)
	_, refused := callback.Callable(n, v.def)
	phone := v.Spoken(v.Phone())
	switch {
	case err != nil:
		v.wrong("number", "error.number")
	case n == call.Withheld:
		v.wrong("number", "error.number.missing")
	case refused != nil && refused.Why == callback.WhyOff:
		v.wrong("number", "off.text")
	case refused != nil:
		v.wrong("number", "refused."+string(refused.Why), "phone", phone)
	case !callback.Mobile(n):
		v.wrong("number", "error.landline", "phone", phone)
	}
	return n
}

// request is what the desk is asked.
func (v *visit) request(b booking) callback.Request {
	lang := v.Lang
	if len(v.def.Languages) > 0 && !slices.Contains(v.def.Languages, lang) {
		lang = v.def.Languages[0]
	}
	r := callback.Request{
		Number: b.Number, Lang: lang, Queue: b.Queue, Reason: b.Reason, Origin: callback.FromPage,
		Contact: contact(b), Zone: b.Zone, Kind: b.Kind, Wait: v.wait(b.Queue),
	}
	if b.Kind == callback.Slot {
		r.Slot = time.Unix(b.Slot, 0)
	}
	if b.Relay {
		r.Relay, r.Public = v.def.RelayNumber(), service.PublicRelay
	}
	return r
}

// HasRelay says that callbacks may go through a relay centre.
func (v *visit) HasRelay() bool { return v.def.RelayNumber() != call.Withheld }

// contact makes what is asked twice by one proof the same.
func contact(b booking) call.ID { return call.ID("page-" + b.Proof) }

func (v *visit) wait(queue string) time.Duration {
	if v.s.Wait == nil {
		return 0
	}
	return v.s.Wait(queue)
}

// unknownWait is the least time before closing in which a place in line is offered while the
// wait is not known.
const unknownWait = 30 * time.Minute

// soon tells whether a place in line can be promised now. It does not ask the desk, whose
// answer depends on what the number has already.
func (v *visit) soon(queue string, relay call.Number, z *time.Location) bool {
	def := callback.LineOf(v.def, relay)
	wait := v.wait(queue)
	if wait <= 0 {
		wait = unknownWait
	}
	return v.def.Callback.Place && callback.CallableAt(def, z, v.now) && callback.CallableAt(def, z, v.now.Add(wait))
}

// times fills the choice of an hour; ok is false when the page was given already.
func (v *visit) times(r callback.Request, link func(day string) string) bool {
	slots, err := v.s.Desk.SlotsFor(v.r.Context(), r, 0)
	if refusal := new(callback.Refusal); errors.As(err, &refusal) {
		v.refuse(refusal)
		return false
	} else if err != nil {
		v.fail("list free slots", err)
		return false
	}
	z := v.zone(r.Number, r.Zone)
	v.Times = v.layOut(slots, z, r.Zone, v.r.FormValue("jour"), link)
	v.Times.Soon = v.soon(r.Queue, r.Relay, z)
	v.Times.Chosen = v.r.PostFormValue("slot")
	v.Times.Field = "slot"
	if !v.Times.Soon && len(v.Times.Days) == 0 {
		v.stop(http.StatusOK, "full", "phone", v.Spoken(v.Phone()))
		return false
	}
	return true
}

// chosen reads the choice of an hour; an error is added when there is none.
func (v *visit) chosen() (kind callback.Kind, slot int64) {
	switch value := v.r.PostFormValue("slot"); value {
	case "":
		v.wrong("slot", "error.slot.missing")
	case asap:
		return callback.Place, 0
	default:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			return callback.Slot, n
		}
		v.wrong("slot", "error.slot.taken")
	}
	return "", 0
}

// offered adds an error when what was chosen cannot be had any more; ok is false when the page
// was given already.
func (v *visit) offered(r callback.Request, kind callback.Kind, slot int64) (ok bool) {
	if kind == callback.Place {
		if !v.soon(r.Queue, r.Relay, v.zone(r.Number, r.Zone)) {
			v.wrong("slot", "error.place")
		}
		return true
	}
	free, err := v.s.Desk.SlotsFor(v.r.Context(), r, 0)
	if err != nil && !errors.As(err, new(*callback.Refusal)) {
		v.fail("list free slots", err)
		return false
	}
	if !slices.ContainsFunc(free, func(t time.Time) bool { return t.Unix() == slot }) {
		v.wrong("slot", "error.slot.taken")
	}
	return true
}

func (v *visit) timesPage(b booking) {
	v.Step, v.Action, v.Zones = 2, v.path("/horaire"), v.zones(b.Zone)
	r := v.request(b)
	ok := v.times(r, func(day string) string {
		return v.path("/horaire") + "?" + url.Values{"e": {v.Token}, "jour": {day}}.Encode()
	})
	if !ok {
		return
	}
	if v.Times.Chosen == "" && b.Kind == callback.Place {
		v.Times.Chosen = asap
	} else if v.Times.Chosen == "" && b.Kind == callback.Slot {
		v.Times.Chosen = strconv.FormatInt(b.Slot, 10)
	}
	v.render(http.StatusOK, "times.html", v.T("times.title"))
}

func (s *Server) showTimes(v *visit) {
	if !v.open() {
		return
	}
	b, ok := v.booking()
	if !ok || v.done(b) {
		return
	}
	if q := v.r.URL.Query(); q.Has("ailleurs") {
		if b.Zone = q.Get("ailleurs"); !slices.Contains(callback.Zones, b.Zone) {
			b.Zone = ""
		}
		v.see(v.path("/horaire"), v.with(b))
		return
	}
	switch v.r.URL.Query().Get("erreur") {
	case asap:
		v.wrong("slot", "error.place")
	case "pris":
		v.wrong("slot", "error.slot.taken")
	}
	v.timesPage(b)
}

// done stops who comes back to a booking that is kept.
func (v *visit) done(b booking) bool {
	if _, kept := v.s.Codes.Kept(b.Proof); !kept || b.Proved {
		return false
	}
	v.stop(http.StatusOK, "done")
	return true
}

func (s *Server) takeTime(v *visit) {
	if !v.open() || !v.form() {
		return
	}
	b, ok := v.booking()
	if !ok || v.done(b) {
		return
	}
	kind, slot := v.chosen()
	if len(v.Errors) == 0 && !v.repeated(b) && !v.offered(v.request(b), kind, slot) {
		return
	}
	if len(v.Errors) > 0 {
		v.timesPage(b)
		return
	}
	b.Kind, b.Slot = kind, slot
	if b.Proved {
		v.keep(b)
		return
	}
	if b.Round = max(b.Round, 1); v.sendCode(b) {
		v.see(v.path("/code"), v.with(b))
	}
}

// repeated tells of a booking whose promise is kept: the slot is taken, by itself.
func (v *visit) repeated(b booking) bool {
	_, kept := v.s.Codes.Kept(b.Proof)
	return kept
}

// sendCode sends the code of the booking's round, once.
func (v *visit) sendCode(b booking) bool {
	code, fresh, err := v.s.Codes.New(b.Proof, b.Round, b.Number, v.s.Proxies.Address(v.r))
	if many := new(TooMany); errors.As(err, &many) {
		v.tooMany(many)
		return false
	} else if err != nil {
		v.fail("make a code", err)
		return false
	}
	if !fresh {
		return true
	}
	r := v.request(b)
	m := sms.Message{
		Key: "code:" + rand.Text(), To: b.Number, Lang: r.Lang, Purpose: sms.Code, Contact: r.Contact,
		Text: callback.Plain(text.Get(v.Lang, "smsreply.code", "code", code, "service", v.Service(), "minutes", int(CodeLife/time.Minute))),
		// State and times as the outbox wants them of a message that is to leave at once.
		State: sms.Queued, Created: v.now, NextAt: v.now, Expires: v.now.Add(CodeLife),
	}
	if err := v.s.Send(v.r.Context(), m); err != nil {
		v.s.Codes.Withdraw(b.Proof, b.Round)
		v.fail("send a code", err)
		return false
	}
	return true
}

func (v *visit) tooMany(e *TooMany) {
	v.w.Header().Set("Retry-After", strconv.Itoa(int(e.After.Seconds())+1))
	// The next minute of the clock, so that nobody comes too early.
	at := v.now.Add(e.After).Truncate(time.Minute).Add(time.Minute).In(v.serviceZone())
	v.stop(http.StatusTooManyRequests, "toomany."+e.Of,
		"day", text.Day(v.Lang, at, v.now.In(v.serviceZone())), "clock", v.clock(at), "phone", v.Spoken(v.Phone()))
}

func (v *visit) codePage(b booking) {
	v.Step, v.Action = 3, v.path("/code")
	v.Minutes = int(CodeLife / time.Minute)
	if b.Kind == callback.Slot {
		v.Lines = []string{v.T("code.wish.slot", "when", v.quarter(time.Unix(b.Slot, 0), v.zone(b.Number, b.Zone)))}
	} else {
		v.Lines = []string{v.T("code.wish.place")}
	}
	v.render(http.StatusOK, "code.html", v.T("code.title"))
}

func (s *Server) showCode(v *visit) {
	if !v.open() {
		return
	}
	b, ok := v.booking()
	if !ok || v.done(b) {
		return
	}
	if b.Round == 0 {
		v.timesPage(b)
		return
	}
	if b.Round > 1 {
		v.Notice = v.T("code.again")
	}
	v.codePage(b)
}

// anotherCode sends a new code; the one before ends.
func (s *Server) anotherCode(v *visit) {
	if !v.open() || !v.form() {
		return
	}
	b, ok := v.booking()
	if !ok || v.done(b) {
		return
	}
	if b.Round++; v.sendCode(b) {
		v.see(v.path("/code"), v.with(b))
	}
}

func (s *Server) takeCode(v *visit) {
	if !v.open() || !v.form() {
		return
	}
	b, ok := v.booking()
	if !ok {
		return
	}
	v.Code = strings.TrimSpace(v.r.PostFormValue("code"))
	switch err := s.checkCode(b, v.Code); {
	case v.Code == "":
		v.wrong("code", "error.code.missing")
	case err == nil:
		b.Proved = true
		v.keep(b)
		return
	case errors.Is(err, errNotACode):
		v.wrong("code", "error.code.shape")
	case errors.As(err, new(*WrongCode)):
		wrong := new(WrongCode)
		errors.As(err, &wrong)
		v.wrong("code", cmp.Or(map[int]string{1: "error.code.last"}[wrong.Left], "error.code.wrong"), "left", wrong.Left)
	default:
		v.Ended = true
		v.wrong("code", "error.code.ended")
	}
	v.codePage(b)
}

var errNotACode = errors.New("a code has six digits")

// checkCode reads a code as people write it, in groups.
func (s *Server) checkCode(b booking, typed string) error {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.\u00a0\u202f", r) {
			return -1
		}
		return r
	}, typed)
	if len(digits) != 6 || strings.Trim(digits, "0123456789") != "" {
		return errNotACode
	}
	return s.Codes.Check(b.Proof, digits)
}

// keep asks the desk for the promise, whose number is proved, and leads to its page. What
// was kept already by this proof is what it leads to.
func (v *visit) keep(b booking) {
	if id, ok := v.s.Codes.Kept(b.Proof); ok {
		p, err := v.s.Desk.Promise(v.r.Context(), id)
		if err != nil {
			v.fail("read the promise of a booking", err)
			return
		}
		v.toPromise(p, b)
		return
	}
	p, _, err := v.s.Desk.Ask(v.r.Context(), v.request(b))
	if refusal := new(callback.Refusal); errors.As(err, &refusal) {
		if refusal.Why == callback.WhySlot || refusal.Why == callback.WhyFull {
			// The code is not asked for again.
			q := v.with(b)
			q.Set("erreur", "pris")
			if b.Kind == callback.Place {
				q.Set("erreur", asap)
			}
			v.see(v.path("/horaire"), q)
			return
		}
		v.refuse(refusal)
		return
	} else if err != nil {
		v.fail("keep a promise", err)
		return
	}
	v.s.Codes.Keep(b.Proof, p.ID)
	v.toPromise(p, b)
}

func (v *visit) toPromise(p callback.Promise, b booking) {
	told := "nouveau"
	if p.Contact != contact(b) {
		told = "deja" // the number had a promise
	}
	v.s.toPage(v, p, told)
}

// refuse says why the desk refuses.
func (v *visit) refuse(e *callback.Refusal) {
	status := http.StatusUnprocessableEntity
	switch e.Why {
	case callback.WhyOff:
		v.stop(http.StatusNotFound, "off")
		return
	case callback.WhyTooMany:
		status = http.StatusTooManyRequests
	}
	v.Lines = []string{v.T("refused."+string(e.Why), "phone", v.Spoken(v.Phone()))}
	v.Step = 0
	v.render(status, "message.html", v.T("refused.title"))
}
