// Package admin is the administration site: incident messages, the live board, accounts and the log.
//
//	admin.go     the server, what every answer says, who may see what
//	session.go   who is signed in, and for how long
//	rate.go      how much may be asked for
//	page.go      what every page has
//	unsaved.go   the words of a form that could not be taken
//	sign.go      signing in, choosing a password
//	openid.go    signing in by a provider of OpenID Connect
//	messages.go  incident messages: listed, listened to, stopped
//	write.go     incident messages: written, and let out
//	plans.go     prepared plans, switched on and off
//	plan.go      a plan, written
//	floor.go     the live board, pushed to browsers
//	others.go    other lines on the board
//	figures.go   indicators, and the contacts behind them
//	texts.go     everything that is said
//	sounds.go    recordings: sent, or spoken into a telephone
//	line.go      what the line says by itself, in its words or the service's
//	hours.go     the calendar
//	settings.go  settings, and the reasons of contacts
//	link.go      links, written
//	agents.go    agents, their teams and skills
//	skills.go    what skills there are
//	drafts.go    what was changed of these, published together
//	rehearse.go  the journey, played on the page
//	phone.go     the line, called from the page
//	links.go     the sites that callers are sent to, and whether they work
//	fields.go    the fields of forms
//	theirs.go    what another person wrote meanwhile, beside what was typed
//	people.go    accounts
//	own.go       one's own account
//	log.go       what was done, and by whom
//
// Pages work without their script, which adds what is live. Every text is in the catalogue, in
// French and English ("admin.…").
package admin

import (
	"context"
	"embed"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"decroche/call"
	"decroche/drafts"
	"decroche/ivr"
	"decroche/links"
	"decroche/metrics/report"
	"decroche/people"
	"decroche/plans"
	"decroche/routing"
	"decroche/service"
	"decroche/web/proxies"
)

// Messages keeps incident messages.
type Messages interface {
	Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error)
	Messages(ctx context.Context, endAfter time.Time) ([]ivr.Message, error)
	Stop(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error)
	Approve(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error)
}

// Studio records by telephone.
type Studio interface {
	// Open gives an account a code to be typed on the private number.
	Open(by string, now time.Time) (code string, err error)
	// Recorded gives the recording that the code was used for, "" while there is none; known is false for a code that
	// serves no more, or that this process has not given.
	Recorded(code, by string, now time.Time) (sound string, known bool)
}

// Links are the sites that callers are sent to.
type Links interface {
	Status() []links.Status
	Set(ctx context.Context, id, state, why, by string) error
}

// Catalogue is what the line says by itself, and what a service says in its place.
type Catalogue interface {
	// IDs lists the prompts that people may want to read, in alphabetical order.
	IDs() []string
	// Text is the line's own wording of a prompt, "" for none. Names in braces are filled in when it is said.
	Text(id string, lang call.Lang) string
	// Langs are the languages of a service in which callers or agents hear a prompt, in its order.
	Langs(def *service.Definition, id string) []call.Lang
	// Sound is a wording of a prompt with examples of its values, Listen the same as a WAV file; the zero
	// Phrase is the line's own wording.
	Sound(ctx context.Context, id string, lang call.Lang, p service.Phrase) (call.Sound, error)
	Listen(ctx context.Context, id string, lang call.Lang, p service.Phrase) ([]byte, error)
}

// Server is the site.
type Server struct {
	People   *people.Office
	Accounts people.Store
	Sessions scs.CtxStore
	Service  func() *service.Definition
	Floor    *routing.Floor
	Messages Messages
	// Rehearse makes the sound of a text, or of a recording of ivr.MessageRecording, as callers hear it,
	// and gives it as a WAV file of telephone quality.
	Rehearse func(ctx context.Context, lang call.Lang, p service.Phrase) ([]byte, error)
	// KeepSound keeps a recording, by the ending of its file ("": ".wav", ".mp3", ".ogg"), and gives its name. It
	// returns ErrSound when it cannot be said: it is empty, silent, too long, or no sound at all.
	KeepSound func(ctx context.Context, ext string, data []byte) (string, error)
	// KeptSound gives what KeepSound, or the studio, has kept.
	KeptSound func(ctx context.Context, name string) ([]byte, error)
	// Studio is reached by Recorder, the private number; withheld: there is none.
	Studio   Studio
	Recorder call.Number
	// Approval: what one person writes, another lets out.
	Approval bool
	// Changed is called after a message was let out or stopped.
	Changed func(ctx context.Context) error
	// Heard tells how many callers heard a message, and how many of them hung up while it was said or within ten
	// seconds of its end.
	Heard func(ctx context.Context, m ivr.Message) (heard, left int, err error)
	// Today is the day's figures of the live board, by queue; "" is the whole service.
	Today func(ctx context.Context) (map[string]Day, error)
	// Alarms are those of now, in words, with the figures of the day as they were counted.
	Alarms func(lang call.Lang, day map[string]Day) []Alarm
	// Reports are made from the figures as they are now; Facts are those behind a contact.
	Reports func() report.Source
	Facts   func(ctx context.Context, id call.ID) ([]call.Event, error)
	Links   Links
	// Others are the other lines that the board shows.
	Others []Other
	// Plans switches prepared plans.
	Plans *plans.Office
	// Drafts is where the definition is edited.
	Drafts *drafts.Desk
	// Roster is where agents are changed.
	Roster Roster
	// Sound makes the sound of a wording; a recording is beside the definition.
	Sound func(ctx context.Context, lang call.Lang, p service.Phrase) (call.Sound, error)
	// KeepRecording keeps the recording of a prompt beside the definition, and gives its path from there. It
	// returns ErrSound.
	KeepRecording func(ctx context.Context, ext string, data []byte) (string, error)
	// Catalogue is what the line says by itself.
	Catalogue Catalogue
	// Play plays the journey of a definition at a moment, with the messages that callers will hear then; see
	// ivr.Journey.Rehearse.
	Play func(ctx context.Context, def *service.Definition, info call.Info, at time.Time, keys string) (ivr.Rehearsal, error)
	// Theme has theme.css, which follows the site's own style, with the fonts and pictures that it names;
	// nil: there is none.
	Theme fs.FS
	// OpenID lets people sign in by a provider; nil: by their password alone.
	OpenID *OpenID
	// Trials lets people try the line from the page.
	Trials Trials
	// URL is how people reach the site, "https://admin.example.fr"; "" when only this machine does.
	URL string
	// Proxies are the reverse proxies whose X-Forwarded-For is believed.
	Proxies proxies.Trusted
	Log     *slog.Logger

	sessions *scs.SessionManager
	boards   boards
	others   others
	rates    rates
	made     madePages
}

// Day is what the live board says of the day, and of the hour: counts of calls, and of callbacks (callback.Standing).
type Day struct {
	Requested, Answered, InTime, Offered, Abandoned int64
	HourRequested, HourAnswered                     int64
	CallbacksDue, CallbacksAtRisk, CallbacksLate    int64
}

// Alarm is something that needs somebody: what it is, and what to do.
type Alarm struct {
	Title, Text, Do string
	// Plans are prepared for it, and not on.
	Plans []AlarmPlan
}

// AlarmPlan is a prepared plan, in words.
type AlarmPlan struct{ ID, Name string }

// ErrSound is of a recording that cannot be said.
var ErrSound = errors.New("the recording cannot be said")

const (
	sessionLife = 12 * time.Hour
	maxBody     = 64 << 10
	// maxUpload bounds the form of a message with its recordings, maxSound one of them.
	maxUpload = 32 << 20
	maxSound  = 10 << 20
	// uploadPatience is how long a form with recordings may take to arrive, countPatience how long figures may.
	uploadPatience = 5 * time.Minute
	countPatience  = 2 * time.Minute
)

// idleLife is how long a session lasts without a request; what is active is written every so often. Tests have less time.
var (
	idleLife  = 2 * time.Hour
	seenEvery = 5 * time.Minute
)

func init() { gob.Register(time.Time{}) }

// onlyForms are the addresses that forms are sent to and that are no pages themselves.
var onlyForms = []string{
	"/messages/{id}/autoriser", "/messages/{id}/arreter", "/plans/{plan}", "/plans/{id}/arreter", "/sites/{id}", "/service/horaires/{part}",
	"/service/brouillon/{id}/oublier", "/comptes/{name}/lien", "/comptes/{name}/deconnecter", "/moi/mot-de-passe", "/moi/deconnecter",
}

// Handler is the whole site.
func (s *Server) Handler() http.Handler {
	// scs.New would begin to clean up a store in memory that nobody uses, and never end.
	cookie := scs.SessionCookie{Name: "decroche", Path: "/", HttpOnly: true, Persist: true, SameSite: http.SameSiteStrictMode}
	if strings.HasPrefix(s.URL, "https://") { // no neighbouring host can set it then
		cookie.Name, cookie.Secure = "__Host-decroche", true
	}
	s.sessions = &scs.SessionManager{
		Store: s.Sessions, HashTokenInStore: true, Lifetime: sessionLife, Codec: scs.GobCodec{}, Cookie: cookie,
		ErrorFunc: func(w http.ResponseWriter, r *http.Request, err error) { s.visit(w, r).fail("keep a session", err) },
	}

	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.pattern, r.serve)
	}
	small, large := http.MaxBytesHandler(mux, maxBody), http.MaxBytesHandler(mux, maxUpload)
	return s.secure(s.sameOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/messages/nouveau" || strings.HasPrefix(r.URL.Path, "/service/textes/") {
			large.ServeHTTP(w, r)
			return
		}
		small.ServeHTTP(w, r)
	})))
}

// route is an address of the site, as http.ServeMux has them, and what serves it: "with" says who is served.
type route struct {
	pattern string
	serve   http.HandlerFunc
}

// routes are all addresses: one table.
func (s *Server) routes() []route {
	all := []route{
		{"GET " + cssPath, static(css, "text/css; charset=utf-8")},
		{"GET " + scriptPath, static(script, "text/javascript; charset=utf-8")},
		{"GET /icon.svg", static(icon, "image/svg+xml")},
		{"GET /connexion", s.open((*visit).showSignIn)},
		{"POST /connexion", s.open((*visit).signIn)},
		{"GET " + openidPath, s.open((*visit).goToProvider)},
		{"GET " + openidReturn, s.open((*visit).comeBack)},
		{"GET /mot-de-passe/{secret}", s.open((*visit).showChoose)},
		{"POST /mot-de-passe/{secret}", s.open((*visit).choose)},
		{"POST /langue", s.open((*visit).setLanguage)},
		{"POST /deconnexion", s.open((*visit).signOut)},
		{"GET /{$}", s.with("", (*visit).home)},
		{"GET /direct", s.with(people.SeeFloor, (*visit).showFloor)},
		{"GET /direct/flux", s.lasting(people.SeeFloor, (*visit).streamFloor)},
		{"GET /messages", s.with(people.SeeMessages, (*visit).showMessages)},
		{"GET /messages/nouveau", s.with(people.Publish, (*visit).showWrite)},
		{"POST /messages/nouveau", s.with(people.Publish, (*visit).write)},
		{"GET /messages/ecoute", s.with(people.SeeMessages, (*visit).listen)},
		{"GET /enregistrement", s.with("", (*visit).recorded)},
		{"POST /messages/{id}/autoriser", s.with(people.Approve, (*visit).approveMessage)},
		{"POST /messages/{id}/arreter", s.with(people.Publish, (*visit).stopMessage)},
		{"GET /plans", s.with(people.SeeMessages, (*visit).showPlans)},
		{"POST /plans/{plan}", s.with(people.Publish, (*visit).startPlan)},
		{"GET /plans/{plan}/modifier", s.with(people.SeeService, (*visit).showPlan)},
		{"POST /plans/{plan}/modifier", s.with(people.EditService, (*visit).writePlan)},
		{"POST /plans/{id}/arreter", s.with(people.Publish, (*visit).endPlan)},
		{"GET " + reportPath, static(reportCSS, "text/css; charset=utf-8")},
		{"GET /indicateurs", s.with(people.SeeFigures, (*visit).showFigures)},
		{"GET /indicateurs/export", s.with(people.SeeFigures, (*visit).exportFigures)},
		{"GET /indicateurs/contacts", s.with(people.SeeContacts, (*visit).showContacts)},
		{"GET /indicateurs/contact/{id}", s.with(people.SeeContacts, (*visit).showContact)},
		{"GET /sites", s.with(people.SeeFloor, (*visit).showLinks)},
		{"POST /sites/{id}", s.with(people.Publish, (*visit).setLink)},
		{"GET /service", s.with(people.SeeService, func(v *visit) { v.see("/service/textes", nil) })},
		{"GET /service/textes", s.with(people.SeeService, (*visit).showTexts)},
		{"GET /service/textes/nouveau", s.with(people.EditService, func(v *visit) { v.see("/service/textes/"+url.PathEscape(v.r.URL.Query().Get("nom")), nil) })},
		{"GET /service/textes/{name}", s.with(people.SeeService, (*visit).showText)},
		{"POST /service/textes/{name}", s.with(people.EditService, (*visit).writeText)},
		{"GET /service/horaires", s.with(people.SeeService, (*visit).showHours)},
		{"POST /service/horaires/{part}", s.with(people.EditService, (*visit).writeHours)},
		{"GET /service/motifs", s.with(people.SeeService, (*visit).showReasons)},
		{"POST /service/motifs", s.with(people.EditService, (*visit).writeReason)},
		{"GET /service/reglages", s.with(people.SeeService, (*visit).showSettings)},
		{"POST /service/reglages", s.with(people.EditService, (*visit).writeSettings)},
		{"GET /service/agents", s.with(people.SeeService, (*visit).showAgents)},
		{"POST /service/agents", s.with(people.EditAgents, (*visit).writeAgent)},
		{"GET /service/agents/competences", s.with(people.SeeService, func(v *visit) { v.see("/service/agents", nil) })},
		{"POST /service/agents/competences", s.with(people.EditService, (*visit).writeSkill)},
		{"GET /service/liens", s.with(people.SeeService, (*visit).showLinkList)},
		{"GET /service/liens/{link}", s.with(people.SeeService, (*visit).showLink)},
		{"POST /service/liens/{link}", s.with(people.EditService, (*visit).writeLink)},
		{"GET /service/ecouter", s.with(people.SeeService, (*visit).showRehearsal)},
		{"GET " + phonePath, static(phoneScript, "text/javascript; charset=utf-8")},
		{"GET /service/appeler", s.with(people.SeeService, (*visit).showPhone)},
		{"POST /service/appeler", s.with(people.SeeService, (*visit).openPhone)},
		{"GET /service/appeler/flux", s.lasting(people.SeeService, (*visit).streamPhone)},
		{"GET /service/appeler/ws", s.lasting(people.SeeService, (*visit).phoneSocket)},
		{"GET /service/brouillon", s.with(people.SeeService, (*visit).showDraft)},
		{"POST /service/brouillon", s.with(people.SeeService, (*visit).publishDraft)},
		{"POST /service/brouillon/{id}/oublier", s.with(people.EditService, (*visit).dropDraft)},
		{"GET /comptes", s.with(people.SeePeople, (*visit).showPeople)},
		{"POST /comptes", s.with(people.GivePeople, (*visit).addAccount)},
		{"GET /comptes/{name}", s.with(people.SeePeople, (*visit).showAccount)},
		{"POST /comptes/{name}", s.with(people.GivePeople, (*visit).changeAccount)},
		{"POST /comptes/{name}/lien", s.with(people.GivePeople, (*visit).newLink)},
		{"POST /comptes/{name}/deconnecter", s.with(people.GivePeople, (*visit).endSessions)},
		{"GET /moi", s.with("", (*visit).showOwn)},
		{"POST /moi/mot-de-passe", s.with("", (*visit).changePassword)},
		{"POST /moi/deconnecter", s.with("", (*visit).signOutEverywhere)},
		{"GET /journal", s.with(people.SeeLog, (*visit).showLog)},
		{"GET /journal/export", s.with(people.SeeLog, (*visit).exportLog)},
		{"/", s.open(func(v *visit) { v.stop(http.StatusNotFound, "missing") })},
	}
	if s.Theme != nil {
		files := http.StripPrefix("/theme/", http.FileServerFS(s.Theme))
		all = append(all, route{"GET /theme/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "private, max-age=3600")
			files.ServeHTTP(w, r)
		}})
	}
	for _, form := range onlyForms { // who asks for the address of a form that was refused comes to its page
		page, _, has := strings.Cut(form, "/{")
		if !has {
			page = path.Dir(form)
		}
		all = append(all, route{"GET " + form, s.with("", func(v *visit) { v.see(page, nil) })})
	}
	return all
}

// open serves whoever comes.
func (s *Server) open(handle func(*visit)) http.HandlerFunc {
	return s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		if !s.rates.allow(s.sessions.GetString(r.Context(), "name"), v.address()) {
			w.Header().Set("Retry-After", "1")
			v.stop(http.StatusTooManyRequests, "hasty")
			return
		}
		handle(v)
	})).ServeHTTP
}

// with serves who is signed in and has a right; "" is no right in particular.
func (s *Server) with(right people.Right, handle func(*visit)) http.HandlerFunc {
	return s.open(func(v *visit) {
		var err error
		switch v.Me, v.SignedIn, err = s.signedIn(v.r.Context()); {
		case err != nil:
			v.fail("read who is signed in", err)
		case !v.SignedIn && v.r.Method == http.MethodGet:
			v.see("/connexion", url.Values{"vers": {v.r.URL.RequestURI()}})
		case !v.SignedIn:
			v.stop(http.StatusUnauthorized, "over")
		case right != "" && !v.Me.May(right):
			v.stop(http.StatusForbidden, "forbidden")
		default:
			handle(v)
		}
	})
}

// sameOrigin refuses forms of other sites.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(s.URL); err == nil && u.Host != "" {
		_ = guard.AddTrustedOrigin(u.Scheme + "://" + u.Host) // a proxy may give us another Host
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		v.stop(http.StatusForbidden, "foreign")
	}))
	return guard.Handler(next)
}

// policy allows nothing but our own style, script, pictures and sounds.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secure sets what every answer says.
func (s *Server) secure(next http.Handler) http.Handler {
	https := strings.HasPrefix(s.URL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

//go:embed templates/*.html admin.css admin.js phone.bundle.js icon.svg
var files embed.FS

// reportCSS is the report's own style, within the element that holds it.
var reportCSS = []byte(report.Style("report"))

var css, script, phoneScript, icon = mustRead("admin.css"), mustRead("admin.js"), mustRead("phone.bundle.js"), mustRead("icon.svg")

// The addresses change with the files, which may be cached for ever.
var (
	cssPath    = fmt.Sprintf("/admin.%s.css", digest(css))
	reportPath = fmt.Sprintf("/report.%s.css", digest(reportCSS))
	phonePath  = fmt.Sprintf("/phone.%s.js", digest(phoneScript))
	scriptPath = fmt.Sprintf("/admin.%s.js", digest(script))
)

func static(content []byte, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		_, _ = w.Write(content)
	}
}

func mustRead(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}
