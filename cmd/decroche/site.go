package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/drafts"
	"decroche/ivr"
	"decroche/metrics"
	"decroche/people"
	"decroche/service"
	"decroche/speech"
	"decroche/store"
	"decroche/studio"
	"decroche/text"
	"decroche/web/admin"
)

// assembleSite makes the administration site.
func (s *server) assembleSite() error {
	s.assembleStudio()
	s.trials = &trials{s: s}
	site := &admin.Server{
		Roster: &roster{s: s}, Plans: s.plans, Trials: s.trials, Studio: s.studio, Recorder: s.studio.Number, Approval: s.c.Web.Admin.Approval,
		People: &people.Office{Store: s.db.People()}, Accounts: s.db.People(), Sessions: s.db.People(),
		Service: s.def.Load, Floor: s.floor, Messages: s.db, Changed: s.board.Refresh, URL: s.c.siteURL(), Log: s.log,
		KeepSound: s.keepMessageSound,
		Rehearse: func(ctx context.Context, lang call.Lang, p service.Phrase) ([]byte, error) {
			sound, err := voice{s.lib, s}.Phrase(ctx, "message", lang, p)
			if err != nil {
				return nil, err
			}
			return speech.Listen(sound)
		},
		Drafts: &drafts.Desk{
			Store: s.db.Drafts(), File: s.c.Service, Judge: s.c.judge,
			Reload: func(ctx context.Context) error { _, err := s.reload(ctx); return err },
		},
		Sound: func(ctx context.Context, lang call.Lang, p service.Phrase) (call.Sound, error) {
			return voice{s.lib, s}.Phrase(ctx, "text", lang, p)
		},
		KeepRecording: s.keepRecording, Catalogue: catalogue{s}, Play: s.journey.Rehearse,
		Reports: s.reports, Facts: facts{s.db.Journal()}.Facts, Links: s.desk.links,
		Heard: new(hearing).of(s.db.Journal()), Today: s.boardDay, Alarms: s.alarmsNow,
	}
	if o := s.c.Web.Admin.OpenID; o.Issuer != "" {
		secret, err := readSecret(o.SecretFile)
		if err != nil {
			return fmt.Errorf("web.admin.openid.secret_file: %w", err)
		}
		site.OpenID = &admin.OpenID{
			Issuer: o.Issuer, Client: o.Client, Secret: secret, Scopes: o.Scopes, ACR: o.ACR, URL: strings.TrimSuffix(s.c.Web.Admin.URL, "/"),
		}
	}
	for _, o := range s.c.Web.Admin.Others {
		token, err := readSecret(o.TokenFile)
		if err != nil {
			return fmt.Errorf("web.admin.others: %w", err)
		}
		site.Others = append(site.Others, admin.Other{Name: o.Name, URL: strings.TrimSuffix(o.URL, "/"), Token: token})
	}
	if theme := s.c.Web.Admin.Theme; theme != "" {
		site.Theme = os.DirFS(theme)
	}
	s.admin = site
	s.site = s.httpServer(site.Handler())
	s.site.WriteTimeout = 0 // the board is a stream, which sets its own
	s.site.RegisterOnShutdown(site.Close)
	return nil
}

// assembleStudio makes what answers the private number.
func (s *server) assembleStudio() {
	number, err := call.ParseNumber(s.c.Web.Admin.Recorder)
	if err != nil { // it was checked
		number = call.Withheld
	}
	v := voice{s.lib, s}
	s.studio = &studio.Office{
		Number: number, Log: s.log,
		Keep: func(ctx context.Context, wav []byte) (string, call.Sound, error) {
			name, err := s.keepMessageSound(ctx, ".wav", wav)
			if errors.Is(err, admin.ErrSound) {
				return "", call.Sound{}, fmt.Errorf("%w: %w", studio.ErrUnfit, err)
			}
			if err != nil {
				return "", call.Sound{}, err
			}
			sound, err := v.Phrase(ctx, "message", "fr", service.Phrase{Recording: ivr.MessageRecording + name})
			return name, sound, err
		},
		Prompts: func(ctx context.Context, ids ...string) (sounds []call.Sound) {
			for _, id := range ids {
				sound, err := s.prompt(ctx, id, "fr")
				if err != nil {
					s.log.Error("a prompt cannot be said and is left out", "prompt", id, "err", err)
					continue
				}
				sounds = append(sounds, sound)
			}
			return sounds
		},
	}
}

// recording tells whether a call is for the private number, where messages are recorded.
func (s *server) recording(c call.Call) (call.Recorder, bool) {
	room, ok := c.(call.Recorder)
	info := c.Info()
	return room, ok && !info.Outgoing && info.To == s.studio.Number && s.studio.Number != call.Withheld
}

// record answers the private number. The call is no contact: the journal does not know it.
func (s *server) record(ctx context.Context, c call.Recorder) {
	id := c.Info().ID
	if err := s.studio.Answer(ctx, c); err != nil && context.Cause(ctx) == nil {
		s.log.Error("a recording by telephone ended early", "call", id, "err", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		s.log.Warn("a call to record a message could not be ended", "call", id, "err", err)
	}
}

// longestMessage is how long the recording of an incident message may be.
const longestMessage = studio.Longest

// keepMessageSound keeps a recording for incident messages, in the database, where every node finds
// it, and gives its name. What cannot be said is refused.
func (s *server) keepMessageSound(ctx context.Context, ext string, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:16]) + ext
	path, err := s.writeMessageSound(name, data)
	if err != nil {
		return "", err
	}
	sound, err := s.lib.Recording(ctx, "message", "fr", path)
	if err == nil && sound.Duration > longestMessage {
		err = fmt.Errorf("it lasts %s: %s at most", sound.Duration.Round(time.Second), longestMessage)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("%w: %w", admin.ErrSound, err), os.Remove(path))
	}
	return name, s.db.PutBlob(ctx, soundBlob+name, data)
}

// recordings is the folder of the prompts' recordings, beside the definition.
const recordings = "enregistrements"

// keepRecording keeps the recording of a prompt beside the definition, and gives its path from there.
func (s *server) keepRecording(ctx context.Context, ext string, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:16]) + ext
	path, err := writeSound(filepath.Join(filepath.Dir(s.c.Service), recordings), name, 0o755, 0o644, data)
	if err != nil {
		return "", err
	}
	if _, err := s.lib.Recording(ctx, "text", "fr", path); err != nil {
		return "", errors.Join(fmt.Errorf("%w: %w", admin.ErrSound, err), os.Remove(path))
	}
	return recordings + "/" + name, nil
}

const soundBlob = "message-sound:"

// messageSound gives the file of a recording, from the database where it is not here yet.
func (s *server) messageSound(ctx context.Context, name string) (string, error) {
	if path := filepath.Join(s.c.messageSounds(), name); filepath.Base(name) == name {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	data, ok, err := s.db.GetBlob(ctx, soundBlob+name)
	if err != nil || !ok {
		return "", errors.Join(err, fmt.Errorf("there is no recording %q", name))
	}
	return s.writeMessageSound(name, data)
}

// A recording of a message is kept as long as the site lists the message, 30 days after its end; one that no
// message has, for a day: somebody may be writing it.
const (
	recordingKept   = 24 * time.Hour
	recordingListed = 30 * 24 * time.Hour
)

// dropRecordings deletes the recordings of messages that are of no use any more: in the database, and the
// copies on this node, which come again from there where one is still needed.
func (s *server) dropRecordings(ctx context.Context, now time.Time) (int64, error) {
	names, err := s.db.DropRecordings(ctx, soundBlob, now.Add(-recordingKept), now.Add(-recordingListed))
	if err != nil {
		return 0, err
	}
	here, err := os.ReadDir(s.c.messageSounds())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return int64(len(names)), err
	}
	for _, f := range here {
		info, err := f.Info()
		if old := err == nil && now.Sub(info.ModTime()) > recordingListed; old || slices.Contains(names, f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(s.c.messageSounds(), f.Name())))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("an old recording of a message could not be removed", "file", f.Name(), "err", err)
		}
	}
	return int64(len(names)), nil
}

func (c *config) messageSounds() string { return filepath.Join(c.Data, "messages") }

func (s *server) writeMessageSound(name string, data []byte) (string, error) {
	return writeSound(s.c.messageSounds(), name, 0o700, 0o600, data)
}

// writeSound makes the file whole, or not at all.
func writeSound(dir, name string, dirMode, mode os.FileMode, data []byte) (string, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	defer os.Remove(f.Name())
	path := filepath.Join(dir, filepath.Base(name))
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	return path, os.Rename(f.Name(), path)
}

// adminURL is how people reach the site.
func (c *config) adminURL() string {
	if c.Web.Admin.URL != "" {
		return strings.TrimSuffix(c.Web.Admin.URL, "/")
	}
	host, port, err := net.SplitHostPort(c.Web.Admin.Listen)
	if err != nil {
		return ""
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.Web.Admin.Certificate != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// siteURL is what the site knows of how people reach it: "" when that is this machine's own address, without TLS.
func (c *config) siteURL() string {
	if c.Web.Admin.URL == "" && c.Web.Admin.Certificate == "" {
		return ""
	}
	return c.adminURL()
}

// hearing counts who heard messages, from the journal.
type hearing struct {
	mu    sync.Mutex
	at    time.Time
	facts follower
	heard map[int64]map[call.ID]time.Time
	left  map[call.ID]time.Time // of those who heard any: the end of their call, zero before
}

const (
	// hearingFresh is how old a count may be, leftAfter how soon a hang-up follows what was heard.
	hearingFresh = 5 * time.Second
	leftAfter    = 10 * time.Second
)

// of counts those who heard a message, and those of them whose call ended soon after it.
func (h *hearing) of(journal *store.Journal) func(ctx context.Context, m ivr.Message) (heard, left int, err error) {
	h.facts.kinds = []call.EventKind{call.EventMessage, call.EventEnded}
	return func(ctx context.Context, m ivr.Message) (heard, left int, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if time.Since(h.at) > hearingFresh || m.Created.Before(h.facts.since) {
			since := time.Now().Add(-recordingListed) // as far as the list goes, or as this message does
			if m.Created.Before(since) {
				since = m.Created
			}
			if err := h.facts.read(ctx, journal, since, h.begin, h.take); err != nil {
				return 0, 0, err
			}
			h.at = time.Now()
		}
		for id, at := range h.heard[m.ID] {
			heard++
			if end := h.left[id]; !end.IsZero() && end.Sub(at) < leftAfter {
				left++
			}
		}
		return heard, left, nil
	}
}

func (h *hearing) begin() {
	h.heard, h.left = map[int64]map[call.ID]time.Time{}, map[call.ID]time.Time{}
}

func (h *hearing) take(f store.Entry) error {
	if f.Kind == call.EventEnded {
		if _, any := h.left[f.Call]; any {
			h.left[f.Call] = f.At
		}
		return nil
	}
	var told struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(f.Data, &told); err != nil {
		return fmt.Errorf("fact %d of the journal: %w", f.ID, err)
	}
	if h.heard[told.ID] == nil {
		h.heard[told.ID] = map[call.ID]time.Time{}
	}
	h.heard[told.ID][f.Call] = f.At
	h.left[f.Call] = time.Time{}
	return nil
}

// boardDay are the figures of the live board, by queue: those of the ledger, which counts calls that are over,
// and the conversations under way.
func (s *server) boardDay(ctx context.Context) (map[string]admin.Day, error) {
	now := time.Now().In(s.def.Load().Location)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	hour := time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), 0, 0, 0, now.Location())
	end := now.Truncate(15 * time.Minute).Add(15 * time.Minute)
	out := map[string]admin.Day{}
	day := func(queue string, c *metrics.Cell) {
		d := out[queue]
		d.Requested, d.Answered = d.Requested+c.N(metrics.Asked), d.Answered+c.N(metrics.AnsweredCalls)
		d.Offered, d.InTime = d.Offered+c.N(metrics.Offered)-c.N(metrics.AbandonedShort), d.InTime+c.N(metrics.InTimeAnswers)
		d.Abandoned += c.N(metrics.AbandonedQueue)
		out[queue] = d
	}
	thisHour := func(queue string, c *metrics.Cell) {
		d := out[queue]
		d.HourRequested, d.HourAnswered = d.HourRequested+c.N(metrics.Asked), d.HourAnswered+c.N(metrics.AnsweredCalls)
		out[queue] = d
	}
	err := s.ledger.Live(ctx, func(underWay metrics.UnderWay) error {
		for _, span := range []struct {
			since time.Time
			add   func(string, *metrics.Cell)
		}{{midnight, day}, {hour, thisHour}} {
			over, err := s.figures.Lines(ctx, metrics.Query{From: span.since, To: end, By: metrics.ByQueue})
			if err != nil {
				return err
			}
			for _, l := range over {
				span.add(l.Value, l.Cell)
			}
			for queue, c := range underWay(metrics.ByQueue, span.since) {
				span.add(queue, c)
			}
		}
		return nil
	})
	live, err2 := s.db.Promises().Promises(ctx, callback.Filter{States: []callback.State{callback.Pending, callback.InLine, callback.Calling}, Until: end})
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	for _, p := range live {
		d := out[p.Queue]
		if d.CallbacksDue++; p.By.Before(now) {
			d.CallbacksLate++
		}
		out[p.Queue] = d
	}
	return out, nil
}

// alarmsNow are what somebody on the floor should do something about.
func (s *server) alarmsNow(lang call.Lang) (list []admin.Alarm) {
	add := func(id string, pairs ...any) {
		id = "admin.alarm." + id
		list = append(list, admin.Alarm{Title: text.Get(lang, id+".title", pairs...), Text: text.Get(lang, id, pairs...), Do: text.Get(lang, id+".do", pairs...)})
	}
	// prepared names the plans for the alarm that was added last.
	prepared := func(is func(*service.Trigger) bool) {
		list[len(list)-1].Plans = s.preparedFor(lang, is)
	}
	if err := s.ready(); err != nil {
		add("ready")
	}
	for _, name := range s.trunks.All() {
		add("trunk", "name", name)
	}
	def := s.def.Load()
	for _, q := range s.floor.Queues() {
		rules := def.Queues[q.ID]
		if rules == nil {
			continue
		}
		name := rules.Label[lang].Say
		if name == "" {
			name = q.ID
		}
		switch {
		case q.Waiting > 0 && q.SignedIn == 0:
			add("nobody", "queue", name, "n", q.Waiting)
			prepared(func(t *service.Trigger) bool { return t.AgentsBelow > 0 && (t.Queue == "" || t.Queue == q.ID) })
		case q.Waiting > 0 && q.LongestWait > 3*rules.InTime.Within:
			add("long", "queue", name, "minutes", int(q.LongestWait/time.Minute))
			prepared(func(t *service.Trigger) bool { return t.WaitAbove > 0 && (t.Queue == "" || t.Queue == q.ID) })
		}
	}
	for _, l := range s.desk.links.Status() {
		if l.Down {
			add("link", "url", l.URL)
			prepared(func(t *service.Trigger) bool { return t.LinkDown == l.ID })
		}
	}
	return list
}

// preparedFor names the plans whose rule is about what is so, and that are not on.
func (s *server) preparedFor(lang call.Lang, is func(*service.Trigger) bool) (list []admin.AlarmPlan) {
	def := s.base.Load()
	for _, id := range slices.Sorted(maps.Keys(def.Plans)) {
		if p := def.Plans[id]; p.When != nil && is(p.When) && !s.plans.IsOn(id) {
			list = append(list, admin.AlarmPlan{ID: id, Name: cmp.Or(p.Label[lang].Say, p.Label[def.Languages[0]].Say)})
		}
	}
	return list
}

// firstAdmin makes the first account of the site while there is none, and gives the link by which its
// password is chosen; "" when somebody can sign in already.
func (s *server) firstAdmin(ctx context.Context) (string, error) {
	all, err := s.db.People().Accounts(ctx)
	if err != nil {
		return "", err
	}
	office := &people.Office{Store: s.db.People()}
	switch {
	case len(all) == 0:
		err = office.Add(ctx, "console", people.Account{Name: "admin", Full: "Administration", Roles: []people.Role{people.Admin}})
		if err != nil {
			return "", err
		}
	case len(all) != 1 || all[0].Name != "admin" || all[0].Password != "":
		return "", nil
	}
	secret, err := office.Link(ctx, "console", "admin")
	return s.c.adminURL() + "/mot-de-passe/" + secret, err
}

type userCmd struct {
	Add  userAddCmd  `cmd:"" help:"Make an account of the administration site, and print the link to choose its password."`
	Link userLinkCmd `cmd:"" help:"Print a new link to choose the password of an account."`
	List userListCmd `cmd:"" default:"1" help:"List the accounts."`
}

type userAddCmd struct {
	Name  string   `arg:"" help:"What they sign in with."`
	Full  string   `help:"Their name; the sign-in name by default."`
	Roles []string `name:"role" default:"admin" help:"agent, supervisor, editor, approver, manager, admin or auditor; again and again."`
}

// Run works beside a controller, or without one.
func (cmd userAddCmd) Run(e *env) error {
	a := people.Account{Name: cmd.Name, Full: cmd.Full}
	if a.Full == "" {
		a.Full = cmd.Name
	}
	for _, r := range cmd.Roles {
		a.Roles = append(a.Roles, people.Role(r))
	}
	return e.atOffice(func(o *people.Office) error { return o.Add(e.ctx, "console", a) }, strings.ToLower(cmd.Name))
}

type userLinkCmd struct {
	Name string `arg:"" help:"What they sign in with."`
}

// Run works beside a controller, or without one.
func (cmd userLinkCmd) Run(e *env) error {
	return e.atOffice(func(*people.Office) error { return nil }, strings.ToLower(cmd.Name))
}

// atOffice does something with accounts, and prints the link of one.
func (e *env) atOffice(do func(*people.Office) error, name string) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	office := &people.Office{Store: b.db.People()}
	if err := do(office); err != nil {
		return err
	}
	secret, err := office.Link(e.ctx, "console", name)
	if err != nil {
		return fmt.Errorf("account %s: %w", name, err)
	}
	fmt.Fprintf(e.stdout, "%s/mot-de-passe/%s\nThis link serves once, for 24 hours: %s chooses the password there.\n", b.c.adminURL(), secret, name)
	return nil
}

type userListCmd struct{}

// Run prints the accounts.
func (userListCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	all, err := b.db.People().Accounts(e.ctx)
	for _, a := range all {
		state := ""
		switch {
		case a.Closed:
			state = " closed"
		case a.Password == "":
			state = " (no password chosen yet)"
		}
		fmt.Fprintf(e.stdout, "%s\t%s\t%s%s\n", a.Name, a.Full, a.RoleNames(), state)
	}
	return err
}
