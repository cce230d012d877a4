package public

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/text"
)

var pages = template.Must(template.New("").ParseFS(files, "templates/*.html"))

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// visit is one request, with what its page will say. Templates read it.
type visit struct {
	s   *Server
	w   http.ResponseWriter
	r   *http.Request
	def *service.Definition
	now time.Time

	Lang call.Lang
	// Title is the page's, and its heading.
	Title string
	// Step is which of the three steps of a booking it is, 0 for none.
	Step int
	// in is the address of the page in another language; nil when it is in one alone.
	in     func(call.Lang) string
	Notice string
	Errors []fieldError

	// What the forms hold.
	Token    string // the booking, sealed
	Action   string // where the form goes
	Subjects []subject
	Number   string // as it was typed
	ByRelay  bool   // the citizen is to be called through the relay centre
	Masked   string
	Ending   string
	Times    times
	Zones    []zoneChoice
	Code     string
	Ended    bool // no code can be checked: a new one is to be asked for
	Restart  string
	Minutes  int

	Promise *promiseView
	Survey  *surveyView
	Menu    *menuView
	Chat    *chatView
	// Lines are the sentences of a page that only tells something; Again offers to book.
	Lines []string
	Again string
}

// fieldError is what is to be mended, and the id of the field it is about.
type fieldError struct{ Field, Text string }

func (s *Server) visit(w http.ResponseWriter, r *http.Request, lang call.Lang) *visit {
	v := &visit{s: s, w: w, r: r, def: s.Service(), now: time.Now(), Lang: known(lang)}
	if s.clock != nil {
		v.now = s.clock()
	}
	v.in = under("/rappel")
	return v
}

// under is a page that has its language before its path.
func under(path string) func(call.Lang) string {
	return func(l call.Lang) string { return "/" + string(l) + path }
}

// asked is a page that has its language in its query.
func asked(path string) func(call.Lang) string {
	return func(l call.Lang) string { return path + "?lang=" + string(l) }
}

// T is a text of the catalogue.
func (v *visit) T(id string, pairs ...any) string { return say(v.Lang, id, pairs...) }

// CSS is the address of the style sheet.
func (v *visit) CSS() string { return cssPath }

// version is the page in another language: the language's own name, and the address.
type version struct {
	Lang      call.Lang
	Name, URL string
}

// Others are the languages that the page can be switched to: French, English, and those of the service.
func (v *visit) Others() (all []version) {
	if v.in == nil {
		return nil
	}
	for i, l := range languages {
		if l != v.Lang && (i < 2 || slices.Contains(v.def.Languages, l)) {
			all = append(all, version{l, say(l, "language"), v.in(l)})
		}
	}
	return all
}

// Service is the service's name.
func (v *visit) Service() string { return v.phrase(v.def.Name) }

// phrase takes a definition's text in the page's language, or in the service's first.
func (v *visit) phrase(t service.Text) string {
	if p, ok := t[v.Lang]; ok && p.Say != "" {
		return p.Say
	}
	for _, l := range v.def.Languages {
		if p, ok := t[l]; ok && p.Say != "" {
			return p.Say
		}
	}
	return ""
}

// ErrorOf is the error of a field, "" for none.
func (v *visit) ErrorOf(field string) string {
	for _, e := range v.Errors {
		if e.Field == field {
			return e.Text
		}
	}
	return ""
}

// wrong adds an error.
func (v *visit) wrong(field, id string, pairs ...any) {
	v.Errors = append(v.Errors, fieldError{field, v.T(id, pairs...)})
}

// render gives a page. A page with errors has the status 422.
func (v *visit) render(status int, name, title string) {
	v.Title = title
	if len(v.Errors) > 0 && status == http.StatusOK {
		status = http.StatusUnprocessableEntity
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		v.s.Log.Error("a page could not be written", "page", name, "err", err)
		http.Error(v.w, v.T("broken.title"), http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", string(v.Lang))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes())
}

// stop gives a page that only tells something: texts "<id>.title" and "<id>.text", and offers
// to book when the service calls back.
func (v *visit) stop(status int, id string, pairs ...any) {
	v.Lines = append(v.Lines, v.T(id+".text", pairs...))
	if v.def.Callback.On && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
		v.Again = "/" + string(v.Lang) + "/rappel"
	}
	v.Step, v.Errors, v.Notice = 0, nil, ""
	v.render(status, "message.html", v.T(id+".title"))
}

// Phone is the service's number for everybody.
func (v *visit) Phone() call.Number { return phone(v.def) }

// Access is the number for deaf and hard-of-hearing callers.
func (v *visit) Access() call.Number { return v.def.Access.Number }

// NumberView is the citizen's number as pages show it: masked, and said to who cannot see it.
func (v *visit) NumberView() struct{ Masked, Said string } {
	shown, ending := v.Masked, v.Ending
	if v.Promise != nil {
		shown, ending = v.Promise.Masked, v.Promise.Ending
	}
	return struct{ Masked, Said string }{shown, v.T("number.said", "ending", ending)}
}

// FirstID names the first choice of an hour, once: errors lead to it.
func (v *visit) FirstID() string {
	id := v.Times.Field
	v.Times.Field = ""
	return id
}

// Spoken writes a number by pairs; a pair does not break over two lines.
func (v *visit) Spoken(n call.Number) string {
	return strings.ReplaceAll(n.Spoken(), " ", "\u00a0")
}

func phone(def *service.Definition) call.Number {
	var first call.Number
	for _, n := range def.Numbers {
		if n.Public != "" && n.Public != "general" {
			continue
		}
		if n.Number == def.Present {
			return n.Number
		}
		if first == "" {
			first = n.Number
		}
	}
	if first == "" {
		return def.Present
	}
	return first
}

// Hours are the line's, a sentence for the days that are alike.
func (v *visit) Hours() []string {
	week := []time.Weekday{1, 2, 3, 4, 5, 6, 0}
	var out []string
	for i := 0; i < len(week); {
		ranges := v.def.Hours.Week[week[i]]
		j := i + 1
		for j < len(week) && slices.Equal(v.def.Hours.Week[week[j]], ranges) {
			j++
		}
		if len(ranges) > 0 {
			out = append(out, v.T("hours.line", "days", v.days(week[i], week[j-1]), "ranges", v.ranges(ranges)))
		}
		i = j
	}
	return out
}

// HoursNote says whose hours those are, to who was shown hours of another zone.
func (v *visit) HoursNote() string {
	if v.Times.Note == "" && (v.Promise == nil || v.Promise.Note == "") {
		return ""
	}
	if name := v.zoneName(v.serviceZone()); name != "" {
		return v.T("hours.zone", "zone", name)
	}
	return ""
}

func (v *visit) days(from, to time.Weekday) string {
	first := text.Get(v.Lang, fmt.Sprintf("time.weekday.%d", from))
	if from == to {
		return v.T("hours.day", "day", first)
	}
	return v.T("hours.days", "from", first, "to", text.Get(v.Lang, fmt.Sprintf("time.weekday.%d", to)))
}

func (v *visit) ranges(ranges []service.Range) string {
	var all []string
	for _, r := range ranges {
		all = append(all, v.T("hours.range", "from", v.minute(r.From), "to", v.minute(r.To)))
	}
	return strings.Join(all, v.T("hours.and"))
}

func (v *visit) minute(m int) string {
	if m == 24*60 {
		return v.T("hours.midnight")
	}
	return v.clock(time.Date(2026, 1, 5, 0, m, 0, 0, time.UTC))
}

func (v *visit) clock(t time.Time) string {
	return strings.ReplaceAll(text.Clock(v.Lang, t), " ", "\u00a0")
}

// A subject is what the citizen calls about: a queue, and a reason in it.
type subject struct {
	Value, Label  string
	Queue, Reason string
	Chosen        bool
}

// keys are those of a telephone, in the order that menus say them.
var keys = []call.Digit("1234567890*#")

// subjects lists what the service's menus lead to by a key, as citizens know it from the
// telephone, then the queues that no key leads to.
func (v *visit) subjects() []subject {
	var out []subject
	seen := map[string]bool{}
	add := func(queue, reason string) {
		q := v.def.Queues[queue]
		if q == nil || seen[queue+"/"+reason] {
			return
		}
		label := v.phrase(q.Label)
		if r := v.def.Reasons[reason]; r != nil {
			label = v.phrase(r.Label)
		}
		seen[queue+"/"+reason], seen[queue] = true, true
		out = append(out, subject{Value: queue + "/" + reason, Label: label, Queue: queue, Reason: reason})
	}
	walked := map[string]bool{}
	var walk func(menu string)
	walk = func(id string) {
		m := v.def.Menus[id]
		if m == nil || walked[id] {
			return
		}
		walked[id] = true
		for _, key := range keys {
			c, ok := m.Choices[key]
			switch {
			case !ok || c.Access:
			case c.Menu != "":
				walk(c.Menu)
			case c.Queue != "":
				add(c.Queue, c.Reason)
			}
		}
	}
	walk(v.def.Entry.Menu)
	for _, id := range slices.Sorted(maps.Keys(v.def.Queues)) {
		if !seen[id] {
			add(id, "")
		}
	}
	return out
}

// zone is the citizen's time zone, or the service's where it cannot be told.
func (v *visit) zone(n call.Number, said string) *time.Location {
	if z, refused := callback.At(n, said, v.def); refused == nil && z != nil {
		return z
	}
	return v.serviceZone()
}

func (v *visit) serviceZone() *time.Location {
	if v.def.Location == nil {
		return time.UTC
	}
	return v.def.Location
}

// zoneNote says whose hours these are, when they are not the service's.
func (v *visit) zoneNote(z *time.Location, said string, at time.Time) string {
	_, theirs := at.In(z).Zone()
	_, ours := at.In(v.serviceZone()).Zone()
	if theirs == ours {
		return ""
	}
	offset := at.In(z).Format("UTC-07:00")
	switch name := v.zoneName(z); {
	case name != "" && said != "":
		return v.T("zone.said", "zone", name, "offset", offset)
	case name != "":
		return v.T("zone.note", "zone", name, "offset", offset)
	}
	return v.T("zone.unnamed", "offset", offset)
}

// zoneName is "" for a zone that the catalogue does not name.
func (v *visit) zoneName(z *time.Location) string {
	if name := v.T("zone." + z.String()); !strings.HasPrefix(name, "page.") {
		return name
	}
	return ""
}

// zoneChoice is a place that citizens may say to be in.
type zoneChoice struct {
	Value, Name string
	Chosen      bool
}

// zones are the choices of who is not where their number is from.
func (v *visit) zones(said string) []zoneChoice {
	all := []zoneChoice{{"", v.T("zone.own"), said == ""}}
	for _, z := range callback.Zones {
		all = append(all, zoneChoice{z, v.T("zone." + z), z == said})
	}
	return all
}

// quarter writes a slot: "jeudi 26 novembre, entre 9 h 15 et 9 h 30".
func (v *visit) quarter(slot time.Time, z *time.Location) string {
	t := slot.In(z)
	return v.T("when.slot", "day", text.Day(v.Lang, t, v.now.In(z)), "from", v.clock(t), "to", v.clock(t.Add(callback.Quarter)))
}

// masked keeps of a number its first and its last pair: "06 •• •• •• 12". Ending is the last.
func masked(n call.Number) (shown, ending string) {
	pairs := strings.Fields(n.Spoken())
	if len(pairs) < 3 {
		return "••••", ""
	}
	for i := 1; i < len(pairs)-1; i++ {
		pairs[i] = strings.Repeat("•", len(pairs[i]))
	}
	return strings.Join(pairs, "\u00a0"), pairs[len(pairs)-1]
}

// times are what can be chosen on one page.
type times struct {
	Soon bool // as soon as possible
	Days []day
	// Note is whose hours these are, "" when they are the service's.
	Note           string
	Earlier, Later string // addresses of other days
	Chosen         string
	Field          string // id of the first choice
}

type day struct {
	Name  string
	Slots []slotView
}

type slotView struct{ Value, Clock string }

const (
	// manySlots ends a page of days, which is to be read on a telephone.
	manySlots = 60
	mostDays  = 3
	asap      = "place"
)

// layOut sorts slots by the citizen's days and takes those of one page, from a day ("2026-11-26",
// "" the first).
func (v *visit) layOut(slots []time.Time, z *time.Location, said, from string, link func(day string) string) times {
	var t times
	type group struct {
		key   string
		slots []time.Time
	}
	var groups []group
	for _, s := range slots {
		key := s.In(z).Format(time.DateOnly)
		if n := len(groups); n == 0 || groups[n-1].key != key {
			groups = append(groups, group{key: key})
		}
		last := &groups[len(groups)-1]
		last.slots = append(last.slots, s)
	}
	first := 0
	for first < len(groups)-1 && groups[first].key < from {
		first++
	}
	count, end := 0, first
	for end < len(groups) && end-first < mostDays && (end == first || count+len(groups[end].slots) <= manySlots) {
		count += len(groups[end].slots)
		end++
	}
	for _, g := range groups[first:end] {
		d := day{Name: text.Day(v.Lang, g.slots[0].In(z), v.now.In(z))}
		for _, s := range g.slots {
			d.Slots = append(d.Slots, slotView{strconv.FormatInt(s.Unix(), 10), v.clock(s.In(z))})
		}
		t.Days = append(t.Days, d)
		if t.Note == "" {
			t.Note = v.zoneNote(z, said, g.slots[0])
		}
	}
	if first > 0 {
		t.Earlier = link(groups[max(0, first-(end-first))].key)
	}
	if end < len(groups) {
		t.Later = link(groups[end].key)
	}
	return t
}
