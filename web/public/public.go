// Package public is the pages for citizens: the menu to read, booking a callback without any voice, seeing, moving
// or cancelling the one that was promised, and saying what one thought of a call.
//
//	/{fr,en}                 the menu of the telephone, to read: subjects, waits, news
//	/{fr,en}/rappel          subject and number
//	/{fr,en}/rappel/horaire  as soon as possible, or a slot; a code is then sent to the number
//	/{fr,en}/rappel/code     the code; then the promise is kept, and its page follows
//	/p/{token}               the promise; /deplacer moves it, /annuler cancels it
//	/{fr,en}/ecrire          the first words of a conversation with an agent
//	/c/{token}               the conversation; it survives reloads and lost connections (chat.js)
//	/s/{token}               the survey; /rappel asks to be called back by who was not satisfied
//
// Plain HTML: no script but that of a conversation, which works without, no cookie, no third party, nothing kept by the server but codes. What was
// said so far goes from page to page sealed (Signer). A GET changes nothing, for links in
// messages are opened by scanners; a POST that is done leads on by a redirect, and the same POST
// twice gives the same answer.
//
// Nobody learns whether a number has a promise before the code sent to that number is given:
// until then the pages are those of a number that has none. A code is asked for again after a
// restart, see Codes.
//
// When the desk fails nothing was promised, and the page says so with the telephone number.
package public

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/language"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/survey"
	"decroche/web/proxies"
)

// Desk keeps promises: *callback.Book, and the reading of one promise.
type Desk interface {
	SlotsFor(ctx context.Context, r callback.Request, limit int) ([]time.Time, error)
	Ask(ctx context.Context, r callback.Request) (callback.Promise, bool, error)
	Move(ctx context.Context, id callback.ID, version int64, kind callback.Kind, slot time.Time, by string) (callback.Promise, error)
	Cancel(ctx context.Context, id callback.ID, by string) (callback.Promise, error)
	// Promise returns one, or callback.ErrNoPromise.
	Promise(ctx context.Context, id callback.ID) (callback.Promise, error)
}

// Surveys takes what citizens think of a call: *survey.Office.
type Surveys interface {
	// Survey returns one, or survey.ErrNoSurvey.
	Survey(ctx context.Context, id survey.ID) (survey.Survey, error)
	Answer(ctx context.Context, id survey.ID, about string, score int) (survey.Survey, error)
	Unhappy(s survey.Survey) int
	CallBack(ctx context.Context, id survey.ID) (callback.Promise, error)
}

// Server answers the requests.
type Server struct {
	Desk    Desk
	Surveys Surveys // nil: nobody is asked
	Now     Now     // nil: no news, and no wait is known
	Chats   Chats   // nil: nobody may write
	Service func() *service.Definition
	Codes   Codes
	// Send keeps a message to be sent at once; its error means that it will not be.
	Send   func(ctx context.Context, m sms.Message) error
	Signer *Signer
	Log    *slog.Logger
	// Wait estimates the wait of a queue, 0 when it is not known; nil: never known.
	Wait func(queue string) time.Duration
	// Proxies are the reverse proxies whose X-Forwarded-For is believed.
	Proxies proxies.Trusted

	// began and spoke bound conversations from one address, and messages in one conversation.
	began, spoke pace

	clock func() time.Time // nil: time.Now; the browser's tests have an hour of their own
}

// maxBody is more than any form of ours holds.
const maxBody = 16 << 10

// Handler is the whole tree, to be mounted at the root. It panics when Signer has no sound key.
func (s *Server) Handler() http.Handler {
	s.Signer.once.Do(s.Signer.derive)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.root)
	mux.HandleFunc("GET "+cssPath, serveCSS)
	mux.HandleFunc("GET "+chatPath, serveScript)
	mux.HandleFunc("GET /icon.svg", serveIcon)
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n"))
	})
	for _, lang := range languages {
		root := "/" + string(lang)
		in := func(h func(*visit)) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { h(s.visit(w, r, lang)) }
		}
		mux.HandleFunc("GET "+root, in(s.showMenu))
		mux.HandleFunc("GET "+root+"/{$}", s.root)
		mux.HandleFunc("GET "+root+"/ecrire", in(s.showWrite))
		mux.HandleFunc("POST "+root+"/ecrire", in(s.takeWrite))
		mux.HandleFunc("GET "+root+"/rappel", in(s.showSubject))
		mux.HandleFunc("POST "+root+"/rappel", in(s.takeSubject))
		mux.HandleFunc("GET "+root+"/rappel/horaire", in(s.showTimes))
		mux.HandleFunc("POST "+root+"/rappel/horaire", in(s.takeTime))
		mux.HandleFunc("GET "+root+"/rappel/code", in(s.showCode))
		mux.HandleFunc("POST "+root+"/rappel/code", in(s.takeCode))
		mux.HandleFunc("POST "+root+"/rappel/code/nouveau", in(s.anotherCode))
	}
	mux.HandleFunc("GET /p/{token}", s.withPromise(s.showPromise))
	mux.HandleFunc("GET /p/{token}/deplacer", s.withPromise(s.showMove))
	mux.HandleFunc("POST /p/{token}/deplacer", s.withPromise(s.takeMove))
	mux.HandleFunc("GET /p/{token}/annuler", s.withPromise(s.showCancel))
	mux.HandleFunc("POST /p/{token}/annuler", s.withPromise(s.takeCancel))
	mux.HandleFunc("GET /c/{token}", s.withChat(s.showChat))
	mux.HandleFunc("POST /c/{token}", s.withChat(s.takeChat))
	mux.HandleFunc("GET /s/{token}", s.withSurvey(s.showSurvey))
	mux.HandleFunc("POST /s/{token}", s.withSurvey(s.takeSurvey))
	mux.HandleFunc("POST /s/{token}/rappel", s.withSurvey(s.takeSurveyCallback))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.visit(w, r, langOfPath(r)).stop(http.StatusNotFound, "missing")
	})
	return s.secure(s.sameOrigin(http.MaxBytesHandler(mux, maxBody)))
}

// sameOrigin refuses forms of other sites.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(s.Signer.Base); err == nil && u.Host != "" {
		// A proxy may give us another Host than the one citizens see.
		_ = guard.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.visit(w, r, langOfPath(r)).stop(http.StatusForbidden, "foreign")
	}))
	return guard.Handler(next)
}

// policy allows nothing but our own style and pictures; the page of a conversation adds its script.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secure sets what every answer says. The referrer goes to our own pages only, and must: with
// "no-referrer" a browser's forms say "Origin: null", which older ones give as their only
// sign of where they come from.
func (s *Server) secure(next http.Handler) http.Handler {
	https := strings.HasPrefix(s.Signer.Base, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		ctx, cancel := context.WithTimeout(r.Context(), patienceOfDesk)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// patienceOfDesk is what the desk may take, so that a citizen gets an answer.
const patienceOfDesk = 10 * time.Second

// root leads to the menu, in the language of the path or of the browser.
func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept-Language")
	http.Redirect(w, r, "/"+string(langOfPath(r)), http.StatusFound)
}

var matcher = func() language.Matcher {
	var tags []language.Tag
	for _, l := range languages {
		tags = append(tags, language.Make(string(l)))
	}
	return language.NewMatcher(tags)
}()

// langOfPath is the language that the address says, or else the browser.
func langOfPath(r *http.Request) call.Lang {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for _, asked := range []string{first, r.URL.Query().Get("lang")} {
		for _, l := range languages {
			if string(l) == asked {
				return l
			}
		}
	}
	accept := r.Header.Get("Accept-Language")
	if len(accept) > 256 {
		accept = accept[:256]
	}
	_, i := language.MatchStrings(matcher, accept)
	return languages[i]
}

// fail answers for a failure of ours: nothing was done.
func (v *visit) fail(doing string, err error) {
	if errors.Is(v.r.Context().Err(), context.Canceled) {
		return // nobody waits for the answer
	}
	v.s.Log.Error("a page could not be given", "doing", doing, "err", err)
	v.w.Header().Set("Retry-After", "60")
	v.stop(http.StatusServiceUnavailable, "broken")
}

// form reads what was posted.
func (v *visit) form() bool {
	if err := v.r.ParseForm(); err != nil {
		v.stop(http.StatusBadRequest, "unreadable")
		return false
	}
	return true
}

// see leads on after a POST.
func (v *visit) see(path string, query url.Values) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
}

//go:embed templates/*.html public.css chat.js icon.svg
var files embed.FS

var css, icon = mustRead("public.css"), mustRead("icon.svg")

// cssPath changes with the file, so that it may be cached for ever.
var cssPath = fmt.Sprintf("/public.%s.css", digest(css))

func serveCSS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(css)
}

func serveIcon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(icon)
}

func mustRead(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}
