package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	asteriskconfig "decroche/asterisk-config"
	"decroche/call"
	"decroche/routing"
	"decroche/service"
	"decroche/sms"
	"decroche/web/proxies"
)

// config is a deployment: one node with its Asterisk, trunks and agents. Its file is
// documented in docs/deployment.md.
type config struct {
	Node    string `yaml:"node"`
	Data    string `yaml:"data"`
	Service string `yaml:"service"`
	// Sounds holds the rendered prompts; default: below Data. Several nodes may share it.
	Sounds string `yaml:"sounds"`
	// Database is "sqlite:PATH" or "postgres://…"; the password of the latter comes from a file.
	Database             string `yaml:"database"`
	DatabasePasswordFile string `yaml:"database_password_file"`

	SIP struct {
		Bind    string `yaml:"bind"`
		Port    int    `yaml:"port"`
		RTPFrom int    `yaml:"rtp_from"`
		RTPTo   int    `yaml:"rtp_to"`
	} `yaml:"sip"`
	ARI struct {
		Bind string `yaml:"bind"`
		Host string `yaml:"host"` // where the controller finds it; default: bind
		Port int    `yaml:"port"`
	} `yaml:"ari"`
	Web struct {
		Listen string `yaml:"listen"`
		// Public are the pages for citizens and the webhooks; URL is how citizens reach them.
		Public struct {
			Listen string `yaml:"listen"`
			URL    string `yaml:"url"`
			// Proxies are those whose X-Forwarded-For is believed: addresses or networks.
			Proxies []string `yaml:"proxies"`
		} `yaml:"public"`
		// Admin is the administration site; URL is how people reach it. With a certificate and its key
		// it serves TLS by itself.
		Admin struct {
			Listen      string `yaml:"listen"`
			URL         string `yaml:"url"`
			Certificate string `yaml:"certificate"`
			Key         string `yaml:"key"`
			// Proxies are as those of the public pages.
			Proxies []string `yaml:"proxies"`
			// ACME: the certificate is had from a directory of ACME, Let's Encrypt's by default. Email is told of
			// what goes wrong with it; CA is a PEM file for a directory of one's own.
			ACME struct {
				On        bool   `yaml:"on"`
				Directory string `yaml:"directory"`
				Email     string `yaml:"email"`
				CA        string `yaml:"ca"`
			} `yaml:"acme"`
			// OpenID: people may sign in by a provider of OpenID Connect.
			OpenID struct {
				Name       string   `yaml:"name"`
				Issuer     string   `yaml:"issuer"`
				Client     string   `yaml:"client"`
				SecretFile string   `yaml:"secret_file"`
				Scopes     []string `yaml:"scopes"`
				ACR        string   `yaml:"acr"`
			} `yaml:"openid"`
			// Others are other lines of ours that the live board shows, by their operator's interface (web.listen).
			Others []struct {
				Name      string `yaml:"name"`
				URL       string `yaml:"url"`
				TokenFile string `yaml:"token_file"`
			} `yaml:"others"`
			// Theme is a folder with theme.css, which follows the site's own style, and what that names.
			Theme string `yaml:"theme"`
			// Approval: what somebody writes for callers is let out by a second person.
			Approval bool `yaml:"approval"`
			// Recorder is the number that is dialled to record an incident message; it is on no page for citizens.
			Recorder string `yaml:"recorder"`
		} `yaml:"admin"`
	} `yaml:"web"`
	SMS sms.Config `yaml:"sms"`
	// CallsOut names the trunk that calls go out by; default: the first that has a server.
	CallsOut string `yaml:"calls_out"`
	// HoldLimit is how many seconds the dialplan keeps a caller while no controller is there.
	HoldLimit int `yaml:"hold_limit"`

	Speech struct {
		Engine     string   `yaml:"engine"`
		Command    []string `yaml:"command"`
		Recordings string   `yaml:"recordings"`
	} `yaml:"speech"`

	Trunks []trunk `yaml:"trunks"`
	Agents []agent `yaml:"agents"`

	file string
}

type trunk struct {
	Name         string   `yaml:"name"`
	Match        []string `yaml:"match"`
	Server       string   `yaml:"server"`
	Register     bool     `yaml:"register"`
	Username     string   `yaml:"username"`
	PasswordFile string   `yaml:"password_file"`
	Domain       string   `yaml:"domain"`
	Codecs       []string `yaml:"codecs"`
	// Check is how often the operator is asked whether it is there, "20s"; "0": never.
	Check string `yaml:"check"`
}

// defaultTrunkCheck is as often as operators bear: a line that is cut is noticed within half a minute.
const defaultTrunkCheck = "20s"

type agent struct {
	ID        call.AgentID   `yaml:"id"`
	Name      string         `yaml:"name"`
	Team      string         `yaml:"team"`
	Skills    map[string]int `yaml:"skills"`
	Languages []call.Lang    `yaml:"languages"`
}

// defaults are those of the demonstration: everything on loopback.
func defaults() config {
	var c config
	c.Node = "n1"
	c.Data = "/var/lib/decroche"
	c.SIP.Bind, c.SIP.Port, c.SIP.RTPFrom, c.SIP.RTPTo = "127.0.0.1", 5060, 20000, 20999
	c.ARI.Bind, c.ARI.Port = "127.0.0.1", 8088
	c.Web.Listen, c.Web.Public.Listen, c.Web.Admin.Listen = "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"
	c.HoldLimit = 180
	return c
}

// load reads the deployment's configuration. Without a file it is the demonstration's.
func (e *env) load() (*config, error) {
	c := defaults()
	c.file = e.Config
	if c.file == "" {
		c.file = "demo/decroche.yaml"
		if _, err := os.Stat(c.file); err != nil {
			return nil, errors.New("no configuration: start decroche in its folder to run the demonstration, or name a file with --config (docs/deployment.md)")
		}
	}
	raw, err := os.ReadFile(c.file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(raw, &c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("configuration %s: %s", c.file, yaml.FormatError(err, false, true))
	}
	if e.Data != "" {
		c.Data = e.Data
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return nil, err
	}
	base := filepath.Dir(c.file)
	c.Service = below(base, c.Service)
	c.Sounds = below(base, c.Sounds)
	c.Speech.Recordings = below(base, c.Speech.Recordings)
	for _, file := range []*string{
		&c.DatabasePasswordFile, &c.Web.Admin.OpenID.SecretFile, &c.Web.Admin.Theme, &c.Web.Admin.ACME.CA, &c.SMS.Twilio.AuthTokenFile, &c.SMS.OVH.ApplicationSecretFile, &c.SMS.OVH.ConsumerKeyFile,
		&c.SMS.OVH.HookTokenFile, &c.SMS.HTTP.SecretFile, &c.SMS.HTTP.HookSecretFile,
	} {
		*file = below(base, *file)
	}
	for i := range c.Web.Admin.Others {
		c.Web.Admin.Others[i].TokenFile = below(base, c.Web.Admin.Others[i].TokenFile)
	}
	c.Web.Admin.Certificate, c.Web.Admin.Key = below(base, c.Web.Admin.Certificate), below(base, c.Web.Admin.Key)
	if c.SMS.CallbackURL == "" && c.Web.Public.URL != "" {
		c.SMS.CallbackURL = c.publicURL()
	}
	for i := range c.Trunks {
		c.Trunks[i].PasswordFile = below(base, c.Trunks[i].PasswordFile)
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "decroche.db")
	}
	if c.ARI.Host == "" {
		c.ARI.Host = c.ARI.Bind
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", c.file, err)
	}
	return &c, nil
}

func below(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

func (c *config) validate() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Service == "" {
		say("service: name the file of the service definition")
	}
	if strings.Trim(c.Node, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || c.Node == "" {
		say("node: %q: use small letters, digits and dashes", c.Node)
	}
	for name, ip := range map[string]string{"sip.bind": c.SIP.Bind, "ari.bind": c.ARI.Bind} {
		if net.ParseIP(ip) == nil {
			say("%s: %q is not an address", name, ip)
		}
	}
	for name, port := range map[string]int{"sip.port": c.SIP.Port, "ari.port": c.ARI.Port} {
		if port < 1 || port > 65535 {
			say("%s: %d is not a port (1-65535)", name, port)
		}
	}
	for key, address := range map[string]string{"web.listen": c.Web.Listen, "web.public.listen": c.Web.Public.Listen, "web.admin.listen": c.Web.Admin.Listen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			say("%s: %q: write an address and a port, such as 127.0.0.1:8080", key, address)
		}
	}
	if u, err := url.Parse(c.publicURL()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		say("web.public.url: %q: write how citizens reach the pages, such as https://rappel.example.fr", c.Web.Public.URL)
	}
	if a := c.Web.Admin; a.URL != "" {
		if u, err := url.Parse(a.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.HasSuffix(a.URL, "/") {
			say("web.admin.url: %q: write how people reach the administration site, such as https://admin.example.fr", a.URL)
		}
	}
	if a := c.Web.Admin; (a.Certificate == "") != (a.Key == "") {
		say("web.admin: certificate and key go together: name both files, or neither behind a proxy that has them")
	}
	if theme := c.Web.Admin.Theme; theme != "" {
		if _, err := os.Stat(filepath.Join(theme, "theme.css")); err != nil {
			say("web.admin.theme: %w: name a folder that has theme.css", err)
		}
	}
	for i, o := range c.Web.Admin.Others {
		if u, err := url.Parse(o.URL); err != nil || u.Host == "" || o.Name == "" || o.TokenFile == "" {
			say("web.admin.others[%d]: write a name, the url of the other line's web.listen, and the token_file (0600) with its api-token", i)
		}
	}
	if o := c.Web.Admin.OpenID; o.Issuer != "" && (o.Client == "" || o.SecretFile == "" || c.Web.Admin.URL == "") {
		say("web.admin.openid: write the client, the secret_file (0600) and web.admin.url too: the provider sends people back there")
	}
	if a := c.Web.Admin; a.ACME.On && (a.Certificate != "" || !strings.HasPrefix(a.URL, "https://")) {
		say("web.admin.acme: write web.admin.url with https, which the certificate is for, and no certificate of your own")
	}
	if a := c.Web.Admin; a.Recorder != "" {
		if n, err := call.ParseNumber(a.Recorder); err != nil || n == call.Withheld {
			say("web.admin.recorder: %q: write a number of yours that citizens are not told, such as 01 99 00 39 49", a.Recorder)
		}
	}
	for key, list := range map[string][]string{"web.public.proxies": c.Web.Public.Proxies, "web.admin.proxies": c.Web.Admin.Proxies} {
		if _, err := proxies.Parse(list); err != nil {
			say("%s: %w", key, err)
		}
	}
	if c.CallsOut != "" && !slices.ContainsFunc(c.Trunks, func(t trunk) bool { return t.Name == c.CallsOut && t.Server != "" }) {
		say("calls_out: %q is no trunk with a server: name one of the trunks, and give it a server", c.CallsOut)
	}
	for _, a := range c.Agents {
		if len(a.ID) < 3 || strings.Trim(string(a.ID), "0123456789") != "" {
			say("agent %q: an id is the number of the agent's phone, three digits or more", a.ID)
		}
		if strings.ContainsAny(a.Name, "\"<>\r\n") {
			say("agent %s: the name must not hold quotes, angle brackets or line breaks", a.ID)
		}
	}
	if err := routing.CheckRoster(c.roster()); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *config) roster() []routing.Agent {
	list := make([]routing.Agent, len(c.Agents))
	for i, a := range c.Agents {
		list[i] = routing.Agent{ID: a.ID, Name: a.Name, Team: a.Team, Skills: a.Skills, Languages: a.Languages}
	}
	return list
}

// unknownTeams are the teams whose costs the service knows, and that no agent is of: the price
// of their hours would be that of the others, unnoticed.
func (c *config) unknownTeams(def *service.Definition) (unknown []string) {
	for _, team := range slices.Sorted(maps.Keys(def.Indicators.Costs.Teams)) {
		if !slices.ContainsFunc(c.Agents, func(a agent) bool { return a.Team == team }) {
			unknown = append(unknown, team)
		}
	}
	return unknown
}

// unnamedProxies are the keys of the proxies that people come by, and that are not named.
func (c *config) unnamedProxies() (keys []string) {
	if w := c.Web.Public; strings.HasPrefix(w.URL, "https://") && len(w.Proxies) == 0 {
		keys = append(keys, "web.public.proxies")
	}
	if w := c.Web.Admin; strings.HasPrefix(w.URL, "https://") && w.Certificate == "" && !w.ACME.On && len(w.Proxies) == 0 {
		keys = append(keys, "web.admin.proxies")
	}
	return keys
}

// warn tells of what is allowed, and most likely a mistake.
func (c *config) warn(def *service.Definition, log *slog.Logger) {
	if unknown := c.unknownTeams(def); len(unknown) > 0 {
		log.Warn("no agent is of a team whose hours have a cost: write the team as in \"agents\", or take it out of \"indicators\"",
			"teams", unknown, "service", c.Service, "configuration", c.file)
	}
	if keys := c.unnamedProxies(); len(keys) > 0 {
		log.Warn("all visitors behind a proxy that is not named count as one, and share the limits of one: write the addresses of the proxy",
			"keys", keys, "configuration", c.file)
	}
}

func (c *config) app() string { return "decroche-" + c.Node }

func (c *config) sounds() string {
	if c.Sounds != "" {
		return c.Sounds
	}
	return filepath.Join(c.Data, "sounds")
}
func (c *config) music() string { return filepath.Join(c.Data, "music") }
func (c *config) ariURL() string {
	return fmt.Sprintf("http://%s/ari", net.JoinHostPort(c.ARI.Host, fmt.Sprint(c.ARI.Port)))
}
func (c *config) secretDir() string { return filepath.Join(c.Data, "secrets") }

// secret reads a secret of the data folder; the first to ask makes it. The file is 0600.
func (c *config) secret(name string) (string, error) {
	path := filepath.Join(c.secretDir(), name)
	if _, err := os.Stat(path); err == nil {
		return readSecret(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of secrets: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("make the secret %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(rand.Text() + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("make the secret %s: %w", name, err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) { // two processes make one
		return "", fmt.Errorf("make the secret %s: %w", name, err)
	}
	return readSecret(path)
}

func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", fmt.Errorf("the secret in %s is empty: remove the file to have it made again", path)
	}
	return text, nil
}

// asterisk is the configuration Asterisk is rendered with.
func (c *config) asterisk(a asteriskconfig.Asterisk) (asteriskconfig.Config, error) {
	password, err := c.secret("ari-password")
	if err != nil {
		return asteriskconfig.Config{}, err
	}
	out := asteriskconfig.Config{
		Dir: filepath.Join(c.Data, "asterisk"), Node: c.Node,
		SIPBind: c.SIP.Bind, SIPPort: c.SIP.Port, RTPFrom: c.SIP.RTPFrom, RTPTo: c.SIP.RTPTo,
		ARIBind: c.ARI.Bind, ARIPort: c.ARI.Port, ARIUser: "decroche", ARIPassword: password,
		App: c.app(), Sounds: c.sounds(), Music: c.music(), HoldLimit: c.HoldLimit,
		Modules: a.Modules, Documentation: a.Documentation,
	}
	for _, t := range c.Trunks {
		at := asteriskconfig.Trunk{
			Name: t.Name, Match: t.Match, Server: t.Server, Register: t.Register,
			Username: t.Username, Domain: t.Domain, Codecs: t.Codecs,
		}
		if at.Check, err = time.ParseDuration(cmp.Or(t.Check, defaultTrunkCheck)); err != nil {
			return out, fmt.Errorf("trunk %q: check %q: write a duration such as 20s, or 0 for never", t.Name, t.Check)
		}
		if t.PasswordFile != "" {
			if at.Password, err = readSecret(t.PasswordFile); err != nil {
				return out, fmt.Errorf("trunk %q: %w", t.Name, err)
			}
		}
		out.Trunks = append(out.Trunks, at)
	}
	return out, out.Validate()
}
