package public

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"decroche/callback"
	"decroche/text"
)

// promiseView is a promise as its page shows it.
type promiseView struct {
	// State says where it stands; Lines what follows from it.
	State, Lead     string
	Live            bool
	Subject         string
	Masked, Ending  string
	Note            string // whose hours these are
	Move, Cancel    string // addresses, "" when it cannot be
	Back            string
	Version         int64
	Seen            string // the hour that the page shows, as the forms give it back
	MoveTo, CancelT string // where the forms go
}

// told are the notices of what was just done, by the promise's state in which they are true.
var told = map[string]func(p callback.Promise) bool{
	"nouveau": func(p callback.Promise) bool { return p.State.Live() },
	"deja":    func(p callback.Promise) bool { return p.State.Live() },
	"deplace": func(p callback.Promise) bool { return p.State.Live() },
	"annule":  func(p callback.Promise) bool { return p.State == callback.Cancelled },
	"change":  func(callback.Promise) bool { return true },
	"appel":   func(callback.Promise) bool { return true },
}

// withPromise reads the token and the promise.
func (s *Server) withPromise(handle func(v *visit, p callback.Promise)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r, langOfPath(r))
		id, err := s.Signer.openPromise(r.PathValue("token"), v.now)
		if errors.Is(err, errForged) {
			v.stop(http.StatusNotFound, "missing")
			return
		}
		var p callback.Promise
		if err == nil {
			p, err = s.Desk.Promise(r.Context(), id)
		}
		switch {
		case errors.Is(err, errExpired), err == nil && !v.now.Before(lastMoment(p)) && !p.State.Live():
			v.stop(http.StatusGone, "expired")
			return
		case errors.Is(err, callback.ErrNoPromise):
			v.stop(http.StatusNotFound, "missing")
			return
		case err != nil:
			v.fail("read a promise", err)
			return
		}
		if r.URL.Query().Get("lang") == "" {
			v.Lang = known(p.Lang)
		}
		v.in = asked(r.URL.Path)
		if v.form() {
			handle(v, p)
		}
	}
}

// toPage leads to the promise's page, with a word on what was done.
func (s *Server) toPage(v *visit, p callback.Promise, told string) {
	path := s.Signer.promisePath(p)
	if path == "" {
		v.fail("make the link of a promise", errors.New("its id cannot be written in a link"))
		return
	}
	q := url.Values{"lang": {string(v.Lang)}}
	if told != "" {
		q.Set("fait", told)
	}
	v.see(path, q)
}

// show fills in what the page says of the promise.
func (v *visit) show(p callback.Promise) {
	path := v.s.Signer.promisePath(p)
	in := "?lang=" + string(v.Lang)
	view := &promiseView{Live: p.State.Live(), Version: p.Version, Seen: seen(p), Back: path + in}
	view.Masked, view.Ending = masked(p.Number)
	view.MoveTo, view.CancelT = path+"/deplacer"+in, path+"/annuler"+in
	if r := v.def.Reasons[p.Reason]; r != nil {
		view.Subject = v.phrase(r.Label)
	} else if q := v.def.Queues[p.Queue]; q != nil {
		view.Subject = v.phrase(q.Label)
	}
	z := v.zone(p.Number, p.Zone)
	view.State, view.Lead = v.state(p, z)
	if view.Live && p.State != callback.Calling {
		view.Cancel = view.CancelT
		if v.def.Callback.On {
			view.Move = view.MoveTo
		}
		view.Note = v.zoneNote(z, p.Zone, p.Due)
	}
	if !view.Live && v.def.Callback.On {
		v.Again = v.path("")
	}
	v.Promise = view
}

// state says in two sentences where a promise stands.
func (v *visit) state(p callback.Promise, z *time.Location) (state, lead string) {
	now := v.now.In(z)
	day := func(t time.Time) string { return text.Day(v.Lang, t.In(z), now) }
	clock := func(t time.Time) string { return v.clock(t.In(z)) }
	from := v.Spoken(v.def.Present)
	switch {
	case p.State == callback.Calling:
		return v.T("state.calling"), v.T("state.calling.lead", "number", from)
	case !p.State.Live():
		return v.T("state." + string(p.State)), v.T("state."+string(p.State)+".lead", "phone", v.Spoken(v.Phone()))
	case p.Tries > 0 && p.Due.After(v.now):
		return v.T("state.again", "day", day(p.Due), "clock", clock(p.Due)), v.T("state.again.lead", "number", from)
	case p.Tries > 0:
		return v.T("state.again.soon"), v.T("state.again.lead", "number", from)
	case p.Kind == callback.Slot && p.Due.Equal(p.Slot):
		return v.quarter(p.Slot, z), v.T("state.slot.lead", "number", from)
	case p.Due.After(v.now.Add(callback.Quarter)): // it was put off
		return v.T("state.later", "day", day(p.Due), "clock", clock(p.Due)), v.T("state.slot.lead", "number", from)
	default:
		return v.T("state.place"), v.T("state.place.lead", "number", from)
	}
}

// seen is the hour of a promise as the forms give it back.
func seen(p callback.Promise) string {
	if p.Kind == callback.Slot {
		return strconv.FormatInt(p.Slot.Unix(), 10)
	}
	return asap
}

func (s *Server) showPromise(v *visit, p callback.Promise) {
	v.show(p)
	done := v.r.URL.Query().Get("fait")
	if is := told[done]; is != nil && is(p) {
		v.Notice = v.T("told." + done)
	}
	v.render(http.StatusOK, "promise.html", v.T("promise.title"))
}

// changeable stops who would change what cannot be changed any more.
func (v *visit) changeable(p callback.Promise) bool {
	switch {
	case p.State == callback.Calling:
		v.s.toPage(v, p, "appel")
	case !p.State.Live():
		v.s.toPage(v, p, "change")
	default:
		return true
	}
	return false
}

func (s *Server) movePage(v *visit, p callback.Promise) {
	v.show(p)
	v.Action = v.Promise.MoveTo
	r := callback.Request{Number: p.Number, Lang: p.Lang, Queue: p.Queue, Reason: p.Reason, Public: p.Public, Relay: p.Relay, Zone: p.Zone, Kind: callback.Slot}
	ok := v.times(r, func(day string) string {
		return v.Promise.MoveTo + "&" + url.Values{"jour": {day}}.Encode()
	})
	if !ok {
		return
	}
	v.Times.Soon = v.Times.Soon && p.Kind != callback.Place
	if !v.Times.Soon && len(v.Times.Days) == 0 {
		v.stop(http.StatusOK, "full", "phone", v.Spoken(v.Phone()))
		return
	}
	v.render(http.StatusOK, "move.html", v.T("move.title"))
}

func (s *Server) showMove(v *visit, p callback.Promise) {
	if v.changeable(p) {
		s.movePage(v, p)
	}
}

// takeMove moves a promise that is as the citizen saw it. Who asks again for the hour that the
// promise has by now is told that it is moved: the same form twice is one move.
func (s *Server) takeMove(v *visit, p callback.Promise) {
	kind, slot := v.chosen()
	switch {
	case len(v.Errors) > 0:
		if v.changeable(p) {
			s.movePage(v, p)
		}
		return
	case p.State.Live() && seen(p) == v.r.PostFormValue("slot"):
		s.toPage(v, p, "deplace")
		return
	case !v.changeable(p):
		return
	case v.stale(p):
		s.toPage(v, p, "change")
		return
	}
	var to time.Time
	if kind == callback.Slot {
		to = time.Unix(slot, 0)
	}
	after, err := s.Desk.Move(v.r.Context(), p.ID, p.Version, kind, to, "page")
	refusal := new(callback.Refusal)
	switch {
	case err == nil:
		s.toPage(v, after, "deplace")
	case errors.As(err, &refusal):
		if kind == callback.Place {
			v.wrong("slot", "error.place")
		} else {
			v.wrong("slot", "error.slot.taken")
		}
		s.movePage(v, p)
	default:
		s.asItIs(v, p, "move a promise", err)
	}
}

// stale says that the promise is not the one that the citizen saw. What the line did with it
// meanwhile does not matter while the hour is the same.
func (v *visit) stale(p callback.Promise) bool {
	version, err := strconv.ParseInt(v.r.PostFormValue("version"), 10, 64)
	return (err != nil || version != p.Version) && v.r.PostFormValue("seen") != seen(p)
}

// asItIs shows the promise as it is by now, after a change that came too late.
func (s *Server) asItIs(v *visit, p callback.Promise, doing string, err error) {
	switch {
	case errors.Is(err, callback.ErrCalling):
		s.toPage(v, p, "appel")
	case errors.Is(err, callback.ErrChanged), errors.Is(err, callback.ErrSettled):
		now, err := s.Desk.Promise(v.r.Context(), p.ID)
		if err != nil {
			v.fail(doing, err)
			return
		}
		told := "change"
		if strings.HasSuffix(v.r.URL.Path, "/deplacer") && now.State.Live() && seen(now) == v.r.PostFormValue("slot") {
			told = "deplace" // by the same form, sent twice at once
		}
		s.toPage(v, now, told)
	default:
		v.fail(doing, err)
	}
}

func (s *Server) showCancel(v *visit, p callback.Promise) {
	if v.changeable(p) {
		v.show(p)
		v.render(http.StatusOK, "cancel.html", v.T("cancel.title"))
	}
}

func (s *Server) takeCancel(v *visit, p callback.Promise) {
	switch {
	case p.State == callback.Cancelled: // the same form twice
		s.toPage(v, p, "annule")
	case !v.changeable(p):
	case v.stale(p):
		s.toPage(v, p, "change")
	default:
		after, err := s.Desk.Cancel(v.r.Context(), p.ID, "page")
		if err != nil {
			s.asItIs(v, p, "cancel a promise", err)
			return
		}
		s.toPage(v, after, "annule")
	}
}
