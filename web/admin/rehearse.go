package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/people"
	"decroche/service"
)

// playView is a journey that is played on the page.
type playView struct {
	Numbers, Callers, Versions []choice
	Day, At                    string
	Turns                      []turnRow
	// Keys are those that may be pressed next, each with the address of what follows.
	Keys []choice
	Back string // before the last key; "" at the beginning
	End  string // how it ends or goes on, in words; "" when a key is waited for
}

type turnRow struct {
	Said []said
	Key  string
}

// callers are those whose journey is played, by what their number is.
var callers = []struct {
	id     string
	number call.Number
}{{"mobile", "+33639980000"}, {"fixed", "+33199000000"}, {"withheld", call.Withheld}}

// longestKeys bounds a rehearsal.
const longestKeys = 40

// showRehearsal plays the journey as a caller would hear it at a moment, with the keys of the address.
func (v *visit) showRehearsal() {
	l := v.look()
	if l == nil {
		return
	}
	q := v.r.URL.Query()
	w := &playView{Day: q.Get("jour"), At: q.Get("heure")}
	def, version := v.s.Plans.Service(), "publie"
	if q.Get("version") == "brouillon" && l.Next != nil && v.Me.May(people.SeeService) {
		def, version = l.Next, "brouillon"
	}
	v.def = def
	w.Versions = []choice{{"publie", v.T("play.published"), version == "publie"}, {"brouillon", v.T("play.draft"), version == "brouillon"}}
	now := v.now.In(v.zone())
	at, err := time.ParseInLocation("2006-01-02 15:04", w.Day+" "+w.At, v.zone())
	if err != nil {
		if w.Day != "" || w.At != "" {
			v.wrong("jour", "write.error.moment")
		}
		at = now
		w.Day, w.At = now.Format(time.DateOnly), now.Format("15:04")
	}
	info := call.Info{To: def.Numbers[0].Number, From: callers[0].number}
	for i, n := range def.Numbers {
		chosen := q.Get("numero") == string(n.Number) || q.Get("numero") == "" && i == 0
		if chosen {
			info.To = n.Number
		}
		w.Numbers = append(w.Numbers, choice{string(n.Number), n.Number.Spoken(), chosen})
	}
	for i, c := range callers {
		chosen := q.Get("appelant") == c.id || q.Get("appelant") == "" && i == 0
		if chosen {
			info.From = c.number
		}
		w.Callers = append(w.Callers, choice{c.id, v.T("play.caller." + c.id), chosen})
	}
	keys := q.Get("touches")
	if len(keys) > longestKeys || strings.Trim(keys, "0123456789*#t") != "" {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	def, err = v.planned(def, at)
	var r ivr.Rehearsal
	if err == nil {
		r, err = v.s.Play(v.r.Context(), def, info, at, keys)
	}
	if err != nil {
		v.fail("play the journey", err)
		return
	}
	v.playTurns(w, r)
	with := func(keys string) string {
		query := url.Values{"numero": {string(info.To)}, "appelant": {q.Get("appelant")}, "jour": {w.Day}, "heure": {w.At}, "version": {version}, "touches": {keys}}
		return "/service/ecouter?" + query.Encode() + "#next"
	}
	if r.Asked {
		for _, k := range "1234567890*#" {
			w.Keys = append(w.Keys, choice{with(keys + string(k)), string(k), false})
		}
		w.Keys = append(w.Keys, choice{with(keys + string(ivr.RehearsedSilence)), v.T("play.nothing"), false})
	}
	if keys != "" {
		w.Back = with(keys[:len(keys)-1])
	}
	v.Play = w
	v.render(http.StatusOK, "rehearse.html", v.T("play.title"))
}

// planned is a definition as it will be at a moment: with the plans that are on now, and not over by then.
func (v *visit) planned(def *service.Definition, at time.Time) (*service.Definition, error) {
	runs, err := v.s.Plans.Runs(v.r.Context(), v.now)
	if err != nil {
		return nil, err
	}
	var on []*service.Plan
	for _, r := range runs {
		if p := def.Plans[r.Plan]; p != nil && r.On(at) {
			on = append(on, p)
		}
	}
	return def.With(on...), nil
}

func (v *visit) playTurns(w *playView, r ivr.Rehearsal) {
	for _, t := range r.Turns {
		row := turnRow{}
		switch t.Key {
		case 0:
		case ivr.RehearsedSilence:
			row.Key = v.T("play.silence")
		default:
			row.Key = v.T("play.key", "key", string(rune(t.Key)))
		}
		for _, s := range t.Sounds {
			row.Said = append(row.Said, v.heard(s))
		}
		if len(row.Said) > 0 || row.Key != "" {
			w.Turns = append(w.Turns, row)
		}
	}
	switch {
	case r.Asked:
	case r.Waits != "":
		w.End = v.T("play.waits", "queue", v.queueName(r.Waits))
	case r.Callback:
		w.End = v.T("play.callback")
	default:
		w.End = v.T("play.end." + string(r.End.Outcome))
	}
}

// heard is a sound of the journey: a prompt of the service, or any other words.
func (v *visit) heard(s call.Sound) said {
	if p, ok := v.def.Prompts[s.Name][s.Lang]; ok {
		row := v.saidIn(s.Lang, p)
		row.Name = fmt.Sprintf("%s (%s)", s.Name, v.T("lang."+string(s.Lang)))
		return row
	}
	return said{Lang: s.Lang, Name: s.Name, Text: s.Text, Sound: listenTo(s.Lang, s.Text, "")}
}
