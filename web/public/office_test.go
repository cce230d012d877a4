package public

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
)

const (
	mobile  call.Number = "+33639980012"
	another call.Number = "+33639980034"
)

func words(fr, en string) service.Text {
	return service.Text{"fr": {Say: fr}, "en": {Say: en}}
}

// prefecture is a service that calls back at one's place and in slots.
func prefecture(t testing.TB) *service.Definition {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	def := &service.Definition{
		ID: "prefecture", Name: words("Préfecture du Val-d'Arzon", "Val-d'Arzon Prefecture"),
		Location: paris, Languages: []call.Lang{"fr", "en"}, Present: "+33199003940", Holidays: "none",
		Numbers: []service.Number{{Number: "+33199003939", AlwaysOpen: true}, {Number: "+33199003940"}, {Number: "+33199003941", Public: "deaf"}},
		Entry:   service.Entry{Menu: "principal"},
		Menus: map[string]*service.Menu{
			"principal": {ID: "principal", Choices: map[call.Digit]service.Choice{
				'1': {Queue: "etrangers", Reason: "titre-sejour"}, '2': {Menu: "conduite"}, '4': {Access: true}, '0': {Person: true},
			}},
			"conduite": {ID: "conduite", Choices: map[call.Digit]service.Choice{
				'1': {Queue: "conduite", Reason: "permis"}, '2': {Queue: "conduite", Reason: "carte-grise"}, '9': {Repeat: true},
			}},
		},
		Reasons: map[string]*service.Reason{
			"titre-sejour": {Label: words("Titre de séjour", "Residence permit")},
			"permis":       {Label: words("Permis de conduire", "Driving licence")},
			"carte-grise":  {Label: words("Carte grise", "Vehicle registration")},
		},
		Queues: map[string]*service.Queue{
			"accueil":   {ID: "accueil", Label: words("Autre sujet", "Something else")},
			"etrangers": {ID: "etrangers", Label: words("Titres de séjour", "Residence permits")},
			"conduite":  {ID: "conduite", Label: words("Permis et carte grise", "Driving licence and registration")},
		},
		Access:   service.Access{Number: "+33199003941", Relay: &service.Relay{Number: "+33199005000"}},
		Callback: service.Callback{On: true, Place: true, Slots: true, PerSlot: 1, Horizon: 15, PerDay: 3},
	}
	for day := time.Monday; day <= time.Friday; day++ {
		def.Hours.Week[day] = []service.Range{{From: 8*60 + 30, To: 12*60 + 30}, {From: 13*60 + 30, To: 17 * 60}}
	}
	return def
}

// A counter is a Desk in memory.
type counter struct {
	def *service.Definition
	now func() time.Time

	mu       sync.Mutex
	promises map[callback.ID]callback.Promise
	asked    int
	// before, if set, is called before each change, without the lock.
	before func(op string)
	err    error
}

func (c *counter) lock(op string) error {
	if c.before != nil {
		c.before(op)
	}
	c.mu.Lock()
	return c.err
}

// free lists the free quarters of eight days, by the service's hours and the citizen's day.
func (c *counter) free(r callback.Request, but callback.ID) (free []time.Time) {
	zone, _ := callback.Callable(r.Number, c.def)
	taken := map[int64]int{}
	for id, p := range c.promises {
		if id != but && p.State.Live() && p.Queue == r.Queue && p.Kind == callback.Slot {
			taken[p.Slot.Unix()]++
		}
	}
	now := c.now().In(c.def.Location)
	for day := range 8 {
		midnight := time.Date(now.Year(), now.Month(), now.Day()+day, 0, 0, 0, 0, c.def.Location)
		for _, open := range c.def.Hours.Week[midnight.Weekday()] {
			for m := open.From; m+15 <= open.To; m += 15 {
				t := midnight.Add(time.Duration(m) * time.Minute)
				if h := t.In(zone).Hour(); t.Sub(now) >= 15*time.Minute && h >= 8 && h < 20 && taken[t.Unix()] < c.def.Callback.PerSlot {
					free = append(free, t)
				}
			}
		}
	}
	return free
}

func (c *counter) SlotsFor(_ context.Context, r callback.Request, _ int) ([]time.Time, error) {
	err := c.lock("slots")
	defer c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return c.free(r, ""), nil
}

func (c *counter) Ask(_ context.Context, r callback.Request) (callback.Promise, bool, error) {
	err := c.lock("ask")
	defer c.mu.Unlock()
	if err != nil {
		return callback.Promise{}, false, err
	}
	for _, p := range c.promises {
		if p.Number == r.Number && p.State.Live() {
			return p, false, nil
		}
	}
	p := callback.Promise{
		ID: callback.ID(fmt.Sprintf("K3AB0000%02d", len(c.promises))), Number: r.Number, Lang: r.Lang, Queue: r.Queue, Reason: r.Reason, Public: r.Public, Relay: r.Relay, Zone: r.Zone,
		Origin: r.Origin, Contact: r.Contact, Asked: c.now(), State: callback.Pending, Version: 1,
	}
	if err := c.set(&p, r.Kind, r.Slot); err != nil {
		return callback.Promise{}, false, err
	}
	c.asked++
	c.promises[p.ID] = p
	return p, true, nil
}

func (c *counter) set(p *callback.Promise, kind callback.Kind, slot time.Time) error {
	if kind == callback.Place {
		p.Kind, p.Slot, p.Joined, p.Due, p.By = kind, time.Time{}, c.now(), c.now(), c.now().Add(2*time.Hour)
		return nil
	}
	for _, t := range c.free(callback.Request{Number: p.Number, Queue: p.Queue}, p.ID) {
		if t.Equal(slot) {
			p.Kind, p.Slot, p.Joined, p.Due, p.By = kind, slot, slot, slot, slot.Add(30*time.Minute)
			return nil
		}
	}
	return &callback.Refusal{Why: callback.WhySlot}
}

func (c *counter) Move(_ context.Context, id callback.ID, version int64, kind callback.Kind, slot time.Time, by string) (callback.Promise, error) {
	err := c.lock("move")
	defer c.mu.Unlock()
	p := c.promises[id]
	switch {
	case err != nil:
		return p, err
	case by != "page":
		return p, fmt.Errorf("moved by %q", by)
	case !p.State.Live():
		return p, callback.ErrSettled
	case p.State == callback.Calling:
		return p, callback.ErrCalling
	case version != 0 && version != p.Version:
		return p, callback.ErrChanged
	}
	if err := c.set(&p, kind, slot); err != nil {
		return callback.Promise{}, err
	}
	p.Version++
	c.promises[id] = p
	return p, nil
}

func (c *counter) Cancel(_ context.Context, id callback.ID, _ string) (callback.Promise, error) {
	err := c.lock("cancel")
	defer c.mu.Unlock()
	p := c.promises[id]
	switch {
	case err != nil:
		return p, err
	case p.State == callback.Cancelled:
		return p, nil
	case !p.State.Live():
		return p, callback.ErrSettled
	}
	p.State, p.Settled, p.Version = callback.Cancelled, c.now(), p.Version+1
	c.promises[id] = p
	return p, nil
}

func (c *counter) Promise(_ context.Context, id callback.ID) (callback.Promise, error) {
	err := c.lock("promise")
	defer c.mu.Unlock()
	if err != nil {
		return callback.Promise{}, err
	}
	p, ok := c.promises[id]
	if !ok {
		return callback.Promise{}, callback.ErrNoPromise
	}
	return p, nil
}

// change alters a promise behind the citizen's back, as the line does.
func (c *counter) change(id callback.ID, fn func(p *callback.Promise)) callback.Promise {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.promises[id]
	fn(&p)
	p.Version++
	c.promises[id] = p
	return p
}

func (c *counter) only(t testing.TB) callback.Promise {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.promises) != 1 {
		t.Fatalf("%d promises, want one", len(c.promises))
	}
	for _, p := range c.promises {
		return p
	}
	panic("unreachable")
}

// An office is a server of the pages with what surrounds it.
type office struct {
	t    testing.TB
	def  *service.Definition
	desk *counter
	srv  *Server
	log  *strings.Builder

	mu   sync.Mutex
	sent []sms.Message
	fail error // of sending
}

func newOffice(t testing.TB, now func() time.Time) *office {
	t.Helper()
	def := prefecture(t)
	o := &office{t: t, def: def, desk: &counter{def: def, now: now, promises: map[callback.ID]callback.Promise{}}, log: new(strings.Builder)}
	o.srv = &Server{
		Desk: o.desk, Service: func() *service.Definition { return o.def }, Codes: NewCodes(),
		Signer: &Signer{Key: []byte("a key of the tests, long enough"), Base: "https://rappel.example.fr"},
		Log:    slog.New(slog.NewTextHandler(o.log, nil)),
		Send: func(_ context.Context, m sms.Message) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.fail == nil {
				o.sent = append(o.sent, m)
			}
			return o.fail
		},
		clock: now,
	}
	return o
}

// code is the last one sent to a number.
func (o *office) code(n call.Number) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.sent) - 1; i >= 0; i-- {
		if o.sent[i].To == n {
			return regexp.MustCompile(`\b\d{6}\b`).FindString(o.sent[i].Text)
		}
	}
	return ""
}

func (o *office) texts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.sent)
}

// promise keeps one as if it had been asked for on the telephone, for the first free slot.
func (o *office) promise(n call.Number, kind callback.Kind) callback.Promise {
	o.t.Helper()
	r := callback.Request{Number: n, Lang: "fr", Queue: "etrangers", Reason: "titre-sejour", Kind: kind, Contact: "c1", Origin: callback.FromQueue}
	if kind == callback.Slot {
		r.Slot = o.desk.free(r, "")[2]
	}
	p, made, err := o.desk.Ask(o.t.Context(), r)
	if err != nil || !made {
		o.t.Fatalf("a promise for the test: %v, made %v", err, made)
	}
	return p
}

func (o *office) link(p callback.Promise) string {
	return strings.TrimPrefix(o.srv.Signer.PromiseURL(p), o.srv.Signer.Base)
}

// A reader is a browser without script: it keeps the page it is on.
type reader struct {
	o      *office
	h      http.Handler
	header http.Header
	from   string

	status int
	at     string // address of the page
	body   string
	answer http.Header
}

func (o *office) reader() *reader {
	return &reader{o: o, h: o.srv.Handler(), header: http.Header{}, from: "192.0.2.7:40000"}
}

func (r *reader) do(method, address string, form url.Values) *reader {
	r.o.t.Helper()
	for range 5 {
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
		}
		req := httptest.NewRequestWithContext(r.o.t.Context(), method, "https://rappel.example.fr"+address, body)
		req.RemoteAddr = r.from
		for k, v := range r.header {
			req.Header[k] = v
		}
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		r.h.ServeHTTP(w, req)
		r.status, r.at, r.body, r.answer = w.Code, address, plain.Replace(html.UnescapeString(w.Body.String())), w.Header()
		if w.Code != http.StatusSeeOther && w.Code != http.StatusFound {
			return r
		}
		method, address, form = http.MethodGet, w.Header().Get("Location"), nil
	}
	r.o.t.Fatalf("redirected for ever, at %s", r.at)
	return r
}

func (r *reader) get(address string) *reader {
	r.o.t.Helper()
	return r.do(http.MethodGet, address, nil)
}

var (
	formTag  = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hidden   = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	plain    = strings.NewReplacer("\u00a0", " ") // lines do not break there
	tags     = regexp.MustCompile(`<[^>]*>`)
	radio    = regexp.MustCompile(`name="slot"[^>]* value="([^"]+)"`)
	h1       = regexp.MustCompile(`<h1>([^<]+)</h1>`)
	errorTag = regexp.MustCompile(`<li><a href="#([a-z]+)">([^<]+)</a>`)
)

// filled is the page's first form with these fields filled in.
func (r *reader) filled(pairs ...string) (action string, form url.Values) {
	r.o.t.Helper()
	m := formTag.FindStringSubmatch(r.body)
	if m == nil {
		r.o.t.Fatalf("%s has no form:\n%s", r.at, r.body)
	}
	form = url.Values{}
	page := r.body[strings.Index(r.body, m[0]):]
	page, _, _ = strings.Cut(page, "</form>")
	for _, f := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(f[1], f[2])
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return m[1], form
}

func (r *reader) submit(pairs ...string) *reader {
	r.o.t.Helper()
	action, form := r.filled(pairs...)
	return r.do(http.MethodPost, action, form)
}

// slots are the choices of an hour on the page, "place" included.
func (r *reader) slots() (all []string) {
	for _, m := range radio.FindAllStringSubmatch(r.body, -1) {
		all = append(all, m[1])
	}
	return all
}

func (r *reader) heading() string {
	if m := h1.FindStringSubmatch(r.body); m != nil {
		return m[1]
	}
	return ""
}

// text is what the page says between its header and its footer.
func (r *reader) text() string {
	_, main, _ := strings.Cut(r.body, "<main")
	main, _, _ = strings.Cut(main, "</main>")
	return strings.Join(strings.Fields(tags.ReplaceAllString(main, " ")), " ")
}

func (r *reader) wants(status int, heading string, parts ...string) *reader {
	r.o.t.Helper()
	if r.status != status || r.heading() != heading {
		r.o.t.Fatalf("%s: status %d, heading %q; want %d, %q\n%s", r.at, r.status, r.heading(), status, heading, r.text())
	}
	for _, p := range parts {
		if !strings.Contains(r.body, p) {
			r.o.t.Errorf("%s does not say %q:\n%s", r.at, p, r.text())
		}
	}
	return r
}

func (r *reader) lacks(parts ...string) *reader {
	r.o.t.Helper()
	for _, p := range parts {
		if strings.Contains(r.body, p) {
			r.o.t.Errorf("%s says %q:\n%s", r.at, p, r.text())
		}
	}
	return r
}

// toCode books up to the page of the code; slot is "" for the first free one.
func (r *reader) toCode(n, slot string) *reader {
	r.o.t.Helper()
	r.get("/fr/rappel").submit("subject", "etrangers/titre-sejour", "number", n).wants(200, "Quand souhaitez-vous être rappelé ?")
	if slot == "" {
		slot = r.slots()[1]
	}
	return r.submit("slot", slot).wants(200, "Confirmez votre numéro")
}
