package ivr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The bubble's time begins on Saturday 1 January 2000; a stage opens on Monday at ten in Paris.
const untilMonday = 2*24*time.Hour + 9*time.Hour

// definition has every branch of the journey. All prompts last two seconds.
const definition = `
service: essai
name: {fr: Service, en: Service}
time_zone: Europe/Paris
languages: [fr, en]
numbers:
  - {number: 01 99 00 39 39, language: fr}
  - {number: 01 99 00 39 40}
  - {number: 01 99 00 39 42, language: fr, queue: titres}
  - {number: 01 99 00 39 43, language: en, always_open: true}
present: 01 99 00 39 39
hours: {mon: "09:00-17:00", tue: "09:00-17:00"}
holidays: metropole
closures:
  - {from: 2000-01-11, until: 2000-01-11, prompt: ferme-travaux, why: travaux}
  - {from: 2000-01-17, until: 2000-01-17, why: essai}
entry:
  welcome: bienvenue
  language_prompt: langue
  language_keys: {1: fr, 2: en}
  menu: principal
  messages:
    - {id: ete, from: 2000-01-04, until: 2000-01-04, prompt: date-ete}
    - {id: ete-titres, from: 2000-01-04, until: 2000-01-04, prompt: date-titres, queue: titres}
menus:
  principal:
    prompt: menu-principal
    queue: accueil
    timeout: 4s
    choices:
      1: {queue: accueil, reason: dossier}
      2: {menu: second}
      3: {info: horaires}
      9: repeat
      0: person
  second:
    prompt: menu-second
    queue: titres
    timeout: 4s
    choices:
      1: {queue: titres, reason: titre}
      2: {info: site}
      3: {info: autre}
      0: person
infos:
  horaires: {prompt: info-horaires, queue: accueil, reason: venir}
  site: {prompt: info-site, queue: accueil, link: site}
  autre: {prompt: info-site, queue: accueil, link: autre}
queues:
  accueil: {label: {fr: Accueil, en: Reception}, needs: {accueil: 1}, ring: 10s, wrap_up: 5s, announce: 30s, default_aht: 3m, whisper: annonce}
  titres: {label: {fr: Titres, en: Permits}, needs: {titres: 1}, max_waiting: 1, ring: 10s, wrap_up: 5s, announce: 30s, default_aht: 3m, whisper: annonce}
skills: {accueil: {fr: Accueil, en: Reception}, titres: {fr: Titres, en: Permits}}
reasons:
  dossier: {label: {fr: Dossier, en: Case}}
  titre: {label: {fr: Titre, en: Permit}}
  venir: {label: {fr: Venir, en: Visit}, simple: true}
closed: {prompt: ferme, hours: ferme-horaires, other_means: autres-moyens, callback: rappel}
saturated: {prompt: sature, hours: ferme-horaires, other_means: autres-moyens, callback: rappel}
access:
  prompt: acces
  number: 01 99 00 39 42
  queue: titres
  relay: {number: 01 99 00 50 00, callers: [01 99 00 50 01, 01 99 00 50 02]}
callback: {abandoned: sms}
links:
  site: {url: "https://www.exemple.fr/titres", label: {fr: notre site, en: our site}, spoken: adresse, prompts: [info-site, autres-moyens]}
  autre: {url: "https://exemple.fr/rendez-vous/", label: {fr: les rendez-vous, en: appointments}}
prompts:
`

// prompts are the wordings of the definition; what they say does not matter here.
func prompts() (text string) {
	for _, p := range strings.Fields(`bienvenue langue menu-principal menu-second info-horaires annonce ferme ferme-horaires
		ferme-travaux autres-moyens rappel sature acces date-ete date-titres info-site adresse`) {
		text += fmt.Sprintf("  %s: {fr: %s, en: %s}\n", p, p, p)
	}
	return text
}

// stage is a line in virtual time: the journey on a real floor with a real estimator.
type stage struct {
	t       *testing.T
	def     atomic.Pointer[service.Definition]
	floor   *routing.Floor
	journey *Journey
	runner  *call.Runner[Visit]
	board   news
	facts   journal
	saved   checkpoints
	calls   []*fake
	book    *book // nil: nobody is called back
	sites   *sites
	texts   *texts
	surveys *opinions // nil: nobody is asked
	// accessURL is the journey's.
	accessURL func(call.Lang) string

	mu      sync.Mutex
	missing map[string]bool // prompts that cannot be had
	filled  []string        // the sentences that were filled in, with their values
}

// play runs a story in a bubble, on Monday at ten.
func play(t *testing.T, story func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(untilMonday)
		s := &stage{t: t, missing: map[string]bool{}}
		s.saved.open = map[call.ID]call.Checkpoint{}
		s.def.Store(parse(t, definition+prompts()))
		s.start()
		defer func() {
			for _, c := range s.calls {
				c.cancel(call.ErrHangup)
				<-c.over
			}
			s.floor.Close()
		}()
		story(s)
	})
}

func parse(t *testing.T, text string) *service.Definition {
	t.Helper()
	def, err := service.Parse("service.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return def
}

// start makes the parts that a controller makes; after a stop it makes them anew.
func (s *stage) start() {
	estimator := wait.New(wait.Options{})
	s.floor = routing.NewFloor(routing.Options{Estimator: estimator, Journal: &s.facts})
	s.floor.SetQueues(s.def.Load().Queues)
	s.floor.SetRoster([]routing.Agent{
		{ID: "2001", Skills: map[string]int{"accueil": 3}},
		{ID: "2002", Skills: map[string]int{"accueil": 2, "titres": 2}},
	})
	log := slog.New(slog.DiscardHandler)
	s.journey = &Journey{
		Service: s.def.Load, Floor: s.floor, Voice: s, News: &s.board, Journal: &s.facts, Log: log,
	}
	if s.book != nil {
		s.journey.Callbacks = s.book
	}
	if s.texts != nil {
		s.journey.Texts, s.journey.Links = s.texts, s.sites
	}
	if s.surveys != nil {
		s.journey.Surveys = s.surveys
	}
	s.journey.AccessURL = s.accessURL
	s.runner = &call.Runner[Visit]{
		Steps: s.journey.Steps(), Excuse: StepSorry, Ended: s.journey.Ended, Checkpoints: &s.saved, Journal: &s.facts, Log: log,
	}
	s.journey.Keep = s.runner.Save
}

func (s *stage) signIn(agents ...call.AgentID) {
	s.t.Helper()
	for _, id := range agents {
		if _, err := s.floor.SetState(id, routing.Available, ""); err != nil {
			s.t.Fatal(err)
		}
	}
}

// System implements Voice.
func (s *stage) System(_ context.Context, id string, lang call.Lang) (call.Sound, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing[id] {
		return call.Sound{}, errors.New("no such file")
	}
	if id == "" {
		panic("a prompt without a name")
	}
	return call.Sound{Name: id, Lang: lang, Text: id + ".", Duration: 2 * time.Second}, nil
}

// Clear implements Voice: what is slow has a tilde before its name.
func (s *stage) Clear(_ context.Context, sound call.Sound) (call.Sound, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing["~"+sound.Name] {
		return sound, errors.New("no such file")
	}
	if strings.HasPrefix(sound.Name, "~") {
		panic(sound.Name + " is slow already")
	}
	sound.Name, sound.Duration = "~"+sound.Name, sound.Duration*13/10
	return sound, nil
}

// Sentence implements Voice, and tells what was filled in.
func (s *stage) Sentence(ctx context.Context, id string, lang call.Lang, words string, pairs ...any) (call.Sound, error) {
	sound, err := s.System(ctx, id, lang)
	if strings.HasPrefix(id, "recall.voicemail") {
		sound.Duration = 10 * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filled = append(s.filled, cmp.Or(words, id)+": "+strings.TrimSuffix(fmt.Sprintln(pairs...), "\n"))
	return sound, err
}

// Phrase implements Voice.
func (s *stage) Phrase(ctx context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	s.mu.Lock()
	gone := s.missing[p.Recording]
	s.mu.Unlock()
	if p.Say == "" || gone {
		return call.Sound{}, errors.New("nothing to say")
	}
	sound, err := s.System(ctx, name, lang)
	if p.Say != name { // the definition's prompts say their names
		sound.Text = p.Say
	}
	return sound, err
}

// sentences gives the sentences filled in since the last look.
func (s *stage) sentences() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.filled
	s.filled = nil
	return list
}

func (s *stage) lose(prompts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range prompts {
		s.missing[p] = true
	}
}

// news is a board that a test writes on.
type news struct {
	mu   sync.Mutex
	list []Message
}

func (n *news) Active(queue string, at time.Time) (active []Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.list {
		if m.Active(at) && (m.Queue == "" || m.Queue == queue) {
			active = append(active, m)
		}
	}
	return active
}

func (n *news) publish(m Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.ID = int64(len(n.list) + 1)
	if m.Until.IsZero() {
		m.Until = time.Now().Add(time.Hour)
	}
	if m.Text == nil {
		m.Text = map[call.Lang]string{"fr": "Incident."}
	}
	n.list = append(n.list, m)
}

// journal keeps the facts.
type journal struct {
	mu     sync.Mutex
	events []call.Event
}

func (j *journal) Append(e call.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// of gives the facts of a kind.
func (j *journal) of(kind call.EventKind) (list []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Kind == kind {
			var data map[string]any
			if err := json.Unmarshal(e.Data, &data); err != nil {
				panic(err)
			}
			list = append(list, data)
		}
	}
	return list
}

// checkpoints keeps the last checkpoint of each call, and may refuse.
type checkpoints struct {
	mu   sync.Mutex
	open map[call.ID]call.Checkpoint
	err  error
}

func (c *checkpoints) Save(_ context.Context, cp call.Checkpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.open[cp.Call] = cp
	}
	return c.err
}

func (c *checkpoints) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *checkpoints) Delete(_ context.Context, id call.ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	return nil
}

func (c *checkpoints) Open(context.Context) (list []call.Checkpoint, err error) { return nil, nil }

func (c *checkpoints) of(id call.ID) (call.Checkpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cp, ok := c.open[id]
	return cp, ok
}

// state is what an agent is doing.
func (s *stage) state(id call.AgentID) routing.AgentState {
	synctest.Wait()
	for _, a := range s.floor.Agents() {
		if a.ID == id {
			return a.State
		}
	}
	return ""
}

// queue is how a queue stands.
func (s *stage) queue(id string) routing.QueueStatus {
	synctest.Wait()
	for _, q := range s.floor.Queues() {
		if q.ID == id {
			return q
		}
	}
	return routing.QueueStatus{}
}
