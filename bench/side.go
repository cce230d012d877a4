package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"decroche/call"
	"decroche/e2e/port"
	"decroche/e2e/softphone"
	"decroche/speech"
)

//go:embed assets
var assets embed.FS

const (
	number = "+33199003939"
	// trunk and desk are where callers' and agents' telephones are.
	trunk, desk = "127.0.0.2", "127.0.0.3"
	// probeAgents take the calls of the probe's queue.
	probeAgents = 6
)

// side is one of the two lines that are compared: an Asterisk of its own, with the
// controller or with the baseline's dialplan and app_queue. It lives for the whole run.
type side struct {
	name     string
	dir      string
	sip, web string
	operator int // port of trunk where calls to citizens go
	bin      string
	prompts  []softphone.Prompt

	asterisk, controller *process
	asteriskPID          int
	agents               []*softphone.Phone
	probes               []*softphone.Phone
}

func agentIDs(n int) []string { return ids(2001, n) }
func probeIDs() []string      { return ids(9001, probeAgents) }

func ids(from, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(from + i)
	}
	return list
}

// start brings a side up: processes, agents' phones signed in and available.
func start(ctx context.Context, name string, o options) (_ *side, err error) {
	s := &side{name: name, bin: o.bin}
	defer func() {
		if err != nil {
			err = fmt.Errorf("start the side %s: %w%s", name, err, s.lastWords())
			s.stop()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "decroche-bench-"); err != nil {
		return s, err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { // Asterisk's user enters
		return s, err
	}
	if err := s.configure(ctx, o); err != nil {
		return s, err
	}
	if err := s.startAsterisk(ctx, o); err != nil {
		return s, err
	}
	if o.before != nil {
		if err := o.before(ctx, s.dir); err != nil {
			return s, err
		}
	}
	if name != baseline {
		if s.controller, err = s.spawn("serve"); err != nil {
			return s, err
		}
		if err := s.until(ctx, 2*time.Minute, "the controller is ready", s.ready); err != nil {
			return s, err
		}
	}
	return s, s.signIn(ctx, o)
}

// configure writes the deployment: both sides have the same but for ports.
func (s *side) configure(ctx context.Context, o options) error {
	var ports [6]int
	for i := range ports {
		p, err := port.Take()
		if err != nil {
			return err
		}
		ports[i] = p
	}
	sip, ari, web, public, admin := ports[0], ports[1], ports[2], ports[3], ports[5]
	s.sip, s.web = fmt.Sprintf("127.0.0.1:%d", sip), fmt.Sprintf("127.0.0.1:%d", web)
	var b strings.Builder
	fmt.Fprintf(&b, "service: service.yaml\nsounds: %s\n", o.sounds())
	fmt.Fprintf(&b, "sip: {bind: 127.0.0.1, port: %d, rtp_from: 20000, rtp_to: 31999}\nari: {bind: 127.0.0.1, port: %d}\nweb: {listen: %s, public: {listen: 127.0.0.1:%d}, admin: {listen: 127.0.0.1:%d}}\n", sip, ari, s.web, public, admin)
	server, file := "", "assets/service.yaml"
	if s.name == callbacks {
		s.operator, file = ports[4], "assets/callbacks.yaml"
		server = fmt.Sprintf(", server: \"%s:%d\"", trunk, s.operator)
	}
	fmt.Fprintf(&b, "trunks: [{name: operator, match: [%s]%s}]\nagents:\n", trunk, server)
	for _, id := range agentIDs(o.agents) {
		fmt.Fprintf(&b, "  - {id: %s, name: Agent %s, skills: {accueil: 1}}\n", id, id)
	}
	for _, id := range probeIDs() {
		fmt.Fprintf(&b, "  - {id: %s, name: Sonde %s, skills: {sonde: 1}}\n", id, id)
	}
	service, err := assets.ReadFile(file)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, "decroche.yaml"), []byte(b.String()), 0o644),
		os.WriteFile(filepath.Join(s.dir, "service.yaml"), service, 0o644),
		s.learn(ctx, o),
	)
}

// learn loads the prompts that probes recognise.
func (s *side) learn(ctx context.Context, o options) error {
	v, err := o.voices(ctx)
	if err != nil {
		return err
	}
	for name, path := range map[string]string{"welcome": v.Welcome, "menu": v.Menu, "info": v.Info} {
		p, err := softphone.LoadPrompt(path + ".alaw")
		if err != nil {
			return err
		}
		p.Name = name
		s.prompts = append(s.prompts, p)
	}
	return nil
}

// voices are the sound files of the journey: the same on both sides.
type voices struct {
	Welcome, Menu, Info, Offer, Goodbye, First, Many, Wait string
	Whisper, Short, Tiny                                   string // made for the baseline
}

func (o options) sounds() string { return filepath.Join(o.cache, "test-sounds") }

func (o options) voices(ctx context.Context) (v voices, err error) {
	lib, err := speech.Open(speech.Options{Dir: o.sounds(), Langs: []call.Lang{"fr"}})
	if err != nil {
		return v, err
	}
	def, err := definition()
	if err != nil {
		return v, err
	}
	var errs []error
	text := func(name, say string) string {
		s, err := lib.Text(ctx, name, "fr", say)
		errs = append(errs, err)
		return s.Path
	}
	prompt := func(name string) string { return text(name, def.Prompts[name]["fr"].Say) }
	system := func(id string) string {
		s, err := lib.System(ctx, id, "fr")
		errs = append(errs, err)
		return s.Path
	}
	v.Welcome, v.Menu, v.Info = prompt("bienvenue"), prompt("menu"), prompt("horaires")
	v.Offer, v.Goodbye = system("info.offer-person"), system("goodbye")
	v.First, v.Many, v.Wait = system("position.1"), system("position.many"), system("queue.noagents")
	label, wait := text("label", def.Queues["accueil"].Label["fr"].Say), system("whisper.wait.under1")
	join := func(name string, paths ...string) string {
		var all []byte
		for _, path := range paths {
			raw, err := os.ReadFile(path + ".alaw")
			errs = append(errs, err)
			all = append(all, raw...)
		}
		path := filepath.Join(o.sounds(), name)
		errs = append(errs, os.WriteFile(path+".alaw", all, 0o644))
		return path
	}
	v.Whisper = join("bench-whisper", prompt("annonce"), label, wait)
	v.Short = join("bench-short", label, wait)
	v.Tiny = join("bench-tiny")
	errs = append(errs, os.WriteFile(v.Tiny+".alaw", bytes.Repeat([]byte{0xd5}, 160), 0o644))
	return v, errors.Join(errs...)
}

func (s *side) startAsterisk(ctx context.Context, o options) error {
	args := []string{"asterisk"}
	if s.name == baseline {
		extra, err := s.baseline(ctx, o)
		if err != nil {
			return err
		}
		args = append(args, "--extra-config", extra, "--extra-modules", "app_queue,app_read,app_stack,func_strings")
	}
	var err error
	if s.asterisk, err = s.spawn(args...); err != nil {
		return err
	}
	return s.until(ctx, 30*time.Second, "Asterisk is ready", func() error {
		raw, err := os.ReadFile(filepath.Join(s.dir, "asterisk", "log", "console.log"))
		if err != nil || !bytes.Contains(raw, []byte("Asterisk Ready")) {
			return errors.New("not yet")
		}
		s.asteriskPID, err = childOf(s.asterisk.cmd.Process.Pid)
		return err
	})
}

// baseline renders what the dialplan's side adds to Asterisk's configuration.
func (s *side) baseline(ctx context.Context, o options) (string, error) {
	v, err := o.voices(ctx)
	if err != nil {
		return "", err
	}
	type account struct{ ID, Password string }
	data := struct {
		voices
		Number         string
		Agents, Probes []string
		Phones         []account
	}{voices: v, Number: number, Agents: agentIDs(o.agents), Probes: probeIDs()}
	for _, id := range append(agentIDs(o.agents), probeIDs()...) {
		data.Phones = append(data.Phones, account{id, "bench-" + id})
	}
	dir := filepath.Join(s.dir, "extra")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	all, err := template.ParseFS(assets, "assets/*.conf")
	if err != nil {
		return "", err
	}
	for _, t := range all.Templates() {
		f, err := os.Create(filepath.Join(dir, t.Name()))
		if err != nil {
			return "", err
		}
		if err := errors.Join(t.Execute(f, data), f.Close()); err != nil {
			return "", err
		}
	}
	digits := filepath.Join(s.dir, "asterisk", "lib", "sounds", "en", "digits")
	if err := os.MkdirAll(digits, 0o755); err != nil {
		return "", err
	}
	tiny, err := os.ReadFile(v.Tiny + ".alaw")
	if err != nil {
		return "", err
	}
	words := []string{"hundred", "thousand", "30", "40", "50", "60", "70", "80", "90"}
	for i := range 21 {
		words = append(words, strconv.Itoa(i))
	}
	for _, w := range words {
		if err := os.WriteFile(filepath.Join(digits, w+".alaw"), tiny, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// signIn registers the agents' phones. Those of the load answer every call at once.
func (s *side) signIn(ctx context.Context, o options) error {
	for i, id := range append(agentIDs(o.agents), probeIDs()...) {
		password := "bench-" + id
		if s.controller != nil {
			raw, err := os.ReadFile(filepath.Join(s.dir, "secrets", "agents", id))
			if err != nil {
				return err
			}
			password = strings.TrimSpace(string(raw))
		}
		p, err := softphone.New(softphone.Config{User: id, Password: password, Local: desk, Server: s.sip, AutoAnswer: i < o.agents})
		if err != nil {
			return err
		}
		if i < o.agents {
			s.agents = append(s.agents, p)
			go func() { // the calls end with their callers
				for range p.Answered() {
				}
			}()
		} else {
			s.probes = append(s.probes, p)
		}
		if err := p.Register(ctx); err != nil {
			return fmt.Errorf("sign agent %s in: %w", id, err)
		}
		if s.controller != nil {
			if err := s.order(ctx, "agents/"+id+"/state", `{"state":"available"}`, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// renew registers the phones again, for those who signed in too long ago.
func (s *side) renew(ctx context.Context) error {
	for _, p := range append(s.agents[:len(s.agents):len(s.agents)], s.probes...) {
		if err := p.Register(ctx); err != nil {
			return fmt.Errorf("sign an agent in again: %w", err)
		}
	}
	return nil
}

// order has the controller's HTTP interface do something, and reads what it answers.
func (s *side) order(ctx context.Context, what, body string, answer any) error {
	token, err := os.ReadFile(filepath.Join(s.dir, "secrets", "api-token"))
	if err != nil {
		return err
	}
	method := "POST"
	if body == "" {
		method = "GET"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.web+"/api/"+what, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("%s %s: %s %s", method, what, res.Status, said), err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}

func (s *side) ready() error {
	res, err := http.Get("http://" + s.web + "/readyz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// stop ends the side and takes its folder away.
func (s *side) stop() {
	for _, p := range append(s.agents, s.probes...) {
		p.Vanish()
	}
	for _, p := range []*process{s.controller, s.asterisk} {
		if p != nil {
			p.end()
		}
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *side) until(ctx context.Context, within time.Duration, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, within, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *side) lastWords() string {
	var b strings.Builder
	for _, p := range []*process{s.asterisk, s.controller} {
		if p == nil {
			continue
		}
		raw, _ := os.ReadFile(p.log)
		if len(raw) > 2000 {
			raw = raw[len(raw)-2000:]
		}
		fmt.Fprintf(&b, "\n--- %s\n%s", filepath.Base(p.log), raw)
	}
	return b.String()
}

// process is a decroche command that runs beside us.
type process struct {
	cmd *exec.Cmd
	log string
}

func (s *side) spawn(args ...string) (*process, error) {
	p := &process{log: filepath.Join(s.dir, args[0]+".out")}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(s.bin, append([]string{"--config", filepath.Join(s.dir, "decroche.yaml"), "--data", s.dir}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Dir = s.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return p, p.cmd.Start()
}

func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = p.cmd.Process.Kill()
		}
	}()
	_ = p.cmd.Wait()
	close(gone)
}
