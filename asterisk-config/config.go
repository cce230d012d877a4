// Package asteriskconfig renders Asterisk's configuration, finds an Asterisk to run
// and says how to run it. The templates beside this file are the whole of what
// Asterisk reads: SIP, ARI, the dialplan and its fallback while no controller is there.
package asteriskconfig

import (
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed templates/*.conf
var templates embed.FS

// Config is what the templates need.
type Config struct {
	// Dir is Asterisk's own folder: etc, lib, spool, run and log are made below it.
	Dir string
	// Node names this Asterisk in channel ids.
	Node string
	// SIPBind and SIPPort are where SIP is served, over UDP and TCP.
	SIPBind string
	SIPPort int
	// RTPFrom and RTPTo bound the UDP ports of media.
	RTPFrom, RTPTo int
	// ARIBind is loopback unless controller and Asterisk are on two machines of one private network.
	ARIBind string
	ARIPort int
	ARIUser string
	// ARIPassword is written to a file of mode 0600 and nowhere else.
	ARIPassword string
	// App is the Stasis application, one per node.
	App string
	// Sounds holds decroche-hold-fr and its like; Music the files of the default class.
	Sounds, Music string
	// HoldLimit is how many seconds the dialplan keeps a caller while no controller is there.
	HoldLimit int
	Trunks    []Trunk
	// Modules is Asterisk's folder of modules; Documentation its XML description, without which it does not start.
	Modules, Documentation string
	// ExtraModules are loaded beside those the line needs (the benchmark's baseline loads app_queue).
	ExtraModules []string
	// Extra is appended to the files named, "extensions.conf" (the benchmark's baseline).
	Extra map[string]string
}

// Trunk is an operator's SIP trunk.
type Trunk struct {
	Name string
	// Match are the addresses (or networks) its requests come from.
	Match []string
	// Server is where calls go out to, and where Register registers: "host" or "host:port".
	Server string
	// Register, with Username and Password, for operators that ask for it.
	Register           bool
	Username, Password string
	// Domain is the domain of our From header where the operator asks for its own.
	Domain string
	// Codecs in the order offered; default alaw, ulaw.
	Codecs []string
	// Check is how often Server is asked (OPTIONS) whether it is there, in whole seconds, 5 s to 10 min; 0:
	// never, for operators that do not answer.
	Check time.Duration
}

var (
	trunkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)
	host      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)
	username  = regexp.MustCompile(`^[A-Za-z0-9._~+*=@-]{1,80}$`)
	// A value must not be able to end its line in Asterisk's files, nor to lose its ends there.
	password = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
)

// codecs are those whose sounds are ready-coded: Asterisk never transcodes.
var codecs = []string{"alaw", "ulaw", "g722"}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c.Trunks) == 0 {
		errs = append(errs, errors.New("no trunk: no call could come in; name at least one under trunks"))
	}
	seen := map[string]bool{}
	for _, t := range c.Trunks {
		if !trunkName.MatchString(t.Name) {
			errs = append(errs, fmt.Errorf("trunk %q: a name has small letters, digits and dashes", t.Name))
		}
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("trunk %q is there twice", t.Name))
		}
		seen[t.Name] = true
		if len(t.Match) == 0 && !t.Register {
			errs = append(errs, fmt.Errorf("trunk %q: give the operator's addresses under match, or register: true", t.Name))
		}
		if t.Register && (t.Server == "" || t.Username == "" || t.Password == "") {
			errs = append(errs, fmt.Errorf("trunk %q: to register, give server, username and password_file", t.Name))
		}
		for _, m := range t.Match {
			if net.ParseIP(m) == nil {
				if _, _, err := net.ParseCIDR(m); err != nil {
					errs = append(errs, fmt.Errorf("trunk %q: match %q is neither an address nor a network such as 192.0.2.0/28", t.Name, m))
				}
			}
		}
		errs = append(errs, t.values()...)
	}
	for _, path := range []string{c.Dir, c.Sounds, c.Music} {
		if strings.ContainsAny(path, ";&|,()[]{}$\"\r\n") {
			errs = append(errs, fmt.Errorf("folder %q: its name has a character that Asterisk's files cannot hold", path))
		}
	}
	if c.RTPFrom < 1024 || c.RTPTo <= c.RTPFrom || c.RTPTo > 65535 {
		errs = append(errs, fmt.Errorf("rtp ports %d-%d: give a range within 1024-65535", c.RTPFrom, c.RTPTo))
	}
	return errors.Join(errs...)
}

// values says which of the trunk's values Asterisk could not be given.
func (t Trunk) values() []error {
	var errs []error
	say := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("trunk %q: "+format, append([]any{t.Name}, args...)...))
	}
	if t.Server != "" && !host.MatchString(t.Server) {
		say("server %q is not a host or host:port", t.Server)
	}
	if t.Check != 0 && (t.Check < 5*time.Second || t.Check > 10*time.Minute || t.Check%time.Second != 0) {
		say("check %s: give whole seconds from 5s to 10m, or 0 for never", t.Check)
	}
	if t.Domain != "" && !host.MatchString(t.Domain) {
		say("domain %q is not a domain", t.Domain)
	}
	if t.Username != "" && !username.MatchString(t.Username) {
		say("username %q: letters, digits and . _ ~ + * = @ - can be sent", t.Username)
	}
	if t.Username != "" && t.Password == "" {
		say("a username needs a password_file")
	}
	if t.Password != "" && !password.MatchString(t.Password) {
		say("the password in password_file is not one line of printable ASCII")
	}
	for _, name := range t.Codecs {
		if !slices.Contains(codecs, name) {
			say("codec %q is not one of %s", name, strings.Join(codecs, ", "))
		}
	}
	return errs
}

// value writes a value for Asterisk's files, where a semicolon begins a comment.
func value(s string) string { return strings.ReplaceAll(s, ";", `\;`) }

// modules is what the line needs. Asterisk sorts them by what each requires.
var modules = strings.Fields(`
	res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd
	res_pjproject res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_authenticator_digest
	res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
	res_pjsip_registrar res_pjsip_outbound_registration res_pjsip_dtmf_info res_pjsip_caller_id res_pjsip_nat
	res_pjsip_rfc3326 res_pjsip_header_funcs res_pjsip_refer res_pjsip_pubsub res_pjsip_acl res_pjsip_dlg_options res_pjsip_empty_info
	res_pjsip_maintenance chan_pjsip res_rtp_asterisk res_srtp res_crypto res_security_log
	codec_alaw codec_ulaw codec_g722 codec_resample codec_a_mu format_pcm format_wav format_sln
	res_musiconhold bridge_simple bridge_native_rtp bridge_holding bridge_softmix
	res_http_websocket res_pjsip_transport_websocket res_websocket_client res_stasis res_stasis_answer res_stasis_playback res_stasis_recording res_stasis_snoop res_stasis_device_state
	res_ari res_ari_model res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels res_ari_device_states
	res_ari_endpoints res_ari_events res_ari_playbacks res_ari_recordings res_ari_sounds
	app_stasis app_playback app_exec pbx_config func_logic func_timeout func_strings func_callerid func_channel func_talkdetect
`)

// ModuleList is what modules.conf loads: what is needed and this Asterisk has.
func (c Config) ModuleList() []string {
	var list []string
	for _, m := range append(modules[:len(modules):len(modules)], c.ExtraModules...) {
		if _, err := os.Stat(filepath.Join(c.Modules, m+".so")); err == nil {
			list = append(list, m)
		}
	}
	return list
}

// unused are files that Asterisk complains about when it does not find them.
var unused = strings.Fields(`acl.conf ccss.conf features.conf manager.conf pjproject.conf udptl.conf
	websocket_client.conf res_stun_monitor.conf`)

// Render writes Asterisk's configuration below Dir. Files that hold secrets are 0600.
// uid and gid own the tree; -1 leaves it to who runs this.
func (c Config) Render(uid, gid int) error {
	if err := c.Validate(); err != nil {
		return err
	}
	for i := range c.Trunks {
		if len(c.Trunks[i].Codecs) == 0 {
			c.Trunks[i].Codecs = []string{"alaw", "ulaw"}
		}
	}
	for _, d := range []string{"", "etc", "lib", "lib/keys", "lib/sounds", "spool", "spool/recording", "run", "log"} {
		dir := filepath.Join(c.Dir, d)
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("make Asterisk's folder: %w", err)
		}
		if err := chown(dir, uid, gid); err != nil {
			return err
		}
	}
	docs := filepath.Join(c.Dir, "lib/documentation")
	if err := os.Remove(docs); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("renew the link to Asterisk's documentation: %w", err)
	}
	if err := os.Symlink(c.Documentation, docs); err != nil {
		return fmt.Errorf("link Asterisk's documentation: %w", err)
	}
	all, err := template.New("").Funcs(template.FuncMap{"join": strings.Join, "value": value}).ParseFS(templates, "templates/*.conf")
	if err != nil {
		return fmt.Errorf("parse Asterisk's templates: %w", err)
	}
	for _, t := range all.Templates() {
		if t.Name() == "" {
			continue
		}
		var b strings.Builder
		if err := t.Execute(&b, c); err != nil {
			return fmt.Errorf("render Asterisk's %s: %w", t.Name(), err)
		}
		b.WriteString(c.Extra[t.Name()])
		if err := c.write(t.Name(), b.String(), uid, gid); err != nil {
			return fmt.Errorf("write Asterisk's %s: %w", t.Name(), err)
		}
	}
	for name, text := range c.Extra {
		if all.Lookup(name) != nil {
			continue
		}
		if err := c.write(name, text, uid, gid); err != nil {
			return fmt.Errorf("write Asterisk's %s: %w", name, err)
		}
	}
	for _, name := range unused {
		if err := c.write(name, "; Not used by decroche.\n", uid, gid); err != nil {
			return fmt.Errorf("write Asterisk's %s: %w", name, err)
		}
	}
	return nil
}

func (c Config) write(name, text string, uid, gid int) error {
	path := filepath.Join(c.Dir, "etc", name)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := chown(path+".new", uid, gid); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func chown(path string, uid, gid int) error {
	if uid < 0 || os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chown(path, uid, gid); err != nil {
		return fmt.Errorf("give %s to Asterisk's user: %w", path, err)
	}
	return nil
}
