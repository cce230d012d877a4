package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
)

//go:generate go run decroche/web/bundle phone.js phone.bundle.js

// Trials are calls by which people of the service try the line from a browser.
type Trials interface {
	// Open gives an account of SIP for one call, with the definition it will hear. ErrBusy: there are too many.
	Open(ctx context.Context, by string, def *service.Definition) (Trial, error)
	// Turns tells what is said on the call; it is closed when that is over.
	Turns(key, by string) (<-chan ivr.Turn, bool)
	// Socket is where the exchange takes SIP over a WebSocket.
	Socket() string
}

// Trial is an account for one call.
type Trial struct{ Key, User, Password string }

// ErrBusy says that too many people try the line at a time.
var ErrBusy = errors.New("too many people try the line")

// phoneView is the page that calls the line.
type phoneView struct{ Numbers, Versions []choice }

// longestSIP bounds a message of SIP.
const longestSIP = 64 << 10

func (v *visit) showPhone() {
	l := v.look()
	if l == nil {
		return
	}
	v.def = v.s.Service()
	w := &phoneView{Versions: []choice{{"publie", v.T("play.published"), true}}}
	if l.Next != nil && len(l.Drafts) > 0 {
		w.Versions = append(w.Versions, choice{"brouillon", v.T("play.draft"), false})
	}
	for i, n := range v.def.Numbers {
		w.Numbers = append(w.Numbers, choice{string(n.Number), n.Number.Spoken(), i == 0})
	}
	v.Phone = w
	v.w.Header().Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)")
	v.render(http.StatusOK, "phone.html", v.T("phone.title"))
}

// PhoneScript is the address of the page's own script.
func (v *visit) PhoneScript() string { return phonePath }

// openPhone gives the page an account for its call.
func (v *visit) openPhone() {
	l := v.look()
	if l == nil {
		return
	}
	def, tried := v.s.Service(), "publie"
	if v.r.PostFormValue("version") == "brouillon" && l.Next != nil {
		def, tried = l.Next, "brouillon"
	}
	t, err := v.s.Trials.Open(v.r.Context(), v.Me.Name, def)
	switch {
	case errors.Is(err, ErrBusy):
		v.stop(http.StatusTooManyRequests, "busy")
		return
	case err != nil:
		v.fail("try the line", err)
		return
	}
	v.log("line.tried", tried, "")
	v.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(v.w).Encode(map[string]string{"key": t.Key, "user": t.User, "password": t.Password})
}

// streamPhone pushes what is said on the call.
func (v *visit) streamPhone() {
	turns, ok := v.s.Trials.Turns(v.r.URL.Query().Get("cle"), v.Me.Name)
	if !ok {
		v.w.WriteHeader(http.StatusNoContent) // the browser asks no more
		return
	}
	out := http.NewResponseController(v.w)
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	message := []byte(": begun\n\n")
	for {
		_ = out.SetWriteDeadline(time.Now().Add(2 * aliveEvery))
		if _, err := v.w.Write(message); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-v.r.Context().Done():
			return
		case <-alive.C:
			message = []byte(": alive\n\n")
		case turn, open := <-turns:
			if !open {
				_, _ = v.w.Write([]byte("event: over\ndata: 1\n\n"))
				return
			}
			message = v.turn(turn)
		}
	}
}

// turn writes what is said as an event.
func (v *visit) turn(t ivr.Turn) []byte {
	type line struct {
		Lang call.Lang `json:"lang"`
		Name string    `json:"name"`
		Text string    `json:"text"`
	}
	said := struct {
		Said    []line `json:"said"`
		Key     string `json:"key,omitempty"`
		Written string `json:"written,omitempty"`
	}{}
	for _, s := range t.Sounds {
		words := s.Text
		if words == "" {
			words = s.Name
		}
		said.Said = append(said.Said, line{s.Lang, s.Name, words})
	}
	if t.Key != 0 {
		said.Key = v.T("play.key", "key", string(rune(t.Key)))
	}
	if t.Written != "" {
		said.Written = v.T("phone.sms", "text", t.Written)
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return []byte(": broken\n\n")
	}
	return fmt.Appendf(nil, "data: %s\n\n", raw)
}

// phoneSocket carries SIP between the browser and the exchange, which only we reach.
func (v *visit) phoneSocket() {
	up, _, err := websocket.Dial(v.r.Context(), v.s.Trials.Socket(), &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		v.fail("reach the exchange", err)
		return
	}
	defer up.CloseNow() //nolint:errcheck // it is over
	down, err := websocket.Accept(v.w, v.r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		v.s.Log.Warn("a browser could not be joined to the exchange", "err", err)
		return
	}
	defer down.CloseNow() //nolint:errcheck // it is over
	up.SetReadLimit(longestSIP)
	down.SetReadLimit(longestSIP)
	ctx, cancel := context.WithTimeout(v.r.Context(), time.Hour)
	defer cancel()
	go func() {
		defer cancel()
		carry(ctx, up, down)
	}()
	carry(ctx, down, up)
}

// carry passes messages on until one of the two has gone.
func carry(ctx context.Context, from, to *websocket.Conn) {
	for {
		kind, message, err := from.Read(ctx)
		if err != nil || to.Write(ctx, kind, message) != nil {
			return
		}
	}
}
