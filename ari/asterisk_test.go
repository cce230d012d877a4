package ari

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/e2e/port"
)

// asterisk is a real Asterisk of this test's own, in a temporary folder.
type asterisk struct {
	t    *testing.T
	dir  string
	port int // ARI, TCP
	sip  int // SIP, UDP
	cmd  *exec.Cmd
}

const howToInstall = `no Asterisk to test with. Either
  debootstrap --variant=minbase --include=asterisk sid /var/cache/decroche/asterisk-sid
(or another folder in place of /var/cache/decroche, named by DECROCHE_CACHE), or name an Asterisk's
tree or program by DECROCHE_ASTERISK. make test does the first.`

// program finds Asterisk: a tree to run with its own loader, or an installed program.
func program(t *testing.T) (tree, bin string) {
	t.Helper()
	cache := cmp.Or(os.Getenv("DECROCHE_CACHE"), "/var/cache/decroche")
	for _, path := range []string{os.Getenv("DECROCHE_ASTERISK"), filepath.Join(cache, "asterisk-sid")} {
		if st, err := os.Stat(path); path == "" || err != nil {
			continue
		} else if !st.IsDir() {
			return "", path
		}
		if bin := filepath.Join(path, "usr/sbin/asterisk"); exists(bin) {
			return path, bin
		}
	}
	if bin, err := exec.LookPath("asterisk"); err == nil {
		return "", bin
	}
	t.Fatal(howToInstall)
	return "", ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func startAsterisk(t *testing.T) *asterisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "ari") // short: Asterisk's socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &asterisk{t: t, dir: dir, port: port.Must(t), sip: port.Must(t)}
	tree, _ := program(t)
	a.configure(tree)
	a.start()
	t.Cleanup(func() {
		a.kill()
		if said, _ := os.ReadFile(filepath.Join(a.dir, "out")); t.Failed() {
			t.Logf("Asterisk said:\n%s", said)
		}
	})
	return a
}

func (a *asterisk) start() {
	a.t.Helper()
	tree, bin := program(a.t)
	conf := filepath.Join(a.dir, "etc/asterisk.conf")
	a.cmd = exec.Command(bin, "-C", conf, "-f", "-n")
	if tree != "" {
		a.cmd = exec.Command(tree+"/usr/lib64/ld-linux-x86-64.so.2", "--library-path", tree+"/usr/lib/x86_64-linux-gnu", bin, "-C", conf, "-f", "-n")
	}
	out, err := os.Create(filepath.Join(a.dir, "out"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer out.Close()
	a.cmd.Stdout, a.cmd.Stderr = out, out
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	c := a.client()
	for range 1200 { // a minute
		if _, err = c.Ping(a.t.Context()); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond) // polls the start of another process
	}
	said, _ := os.ReadFile(out.Name())
	a.t.Fatalf("asterisk does not start: %v\n%s", err, said)
}

func (a *asterisk) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

func (a *asterisk) client(change ...func(*Config)) *Client {
	cfg := Config{
		URL: fmt.Sprintf("http://127.0.0.1:%d/ari", a.port), App: "app", Username: "ari", Password: "secret",
		Log: slog.New(slog.DiscardHandler), BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
	}
	for _, c := range change {
		c(&cfg)
	}
	c := New(cfg)
	a.t.Cleanup(c.Close)
	return c
}

func (a *asterisk) configure(tree string) {
	mods, err := filepath.Glob(tree + "/usr/lib/*/asterisk/modules")
	if err != nil || len(mods) == 0 {
		a.t.Fatalf("no Asterisk modules in %s/usr/lib/*/asterisk/modules (%v)", tree, err)
	}
	for _, d := range []string{"etc", "lib/keys", "spool", "run", "log", "moh", "other", "snd"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			a.t.Fatal(err)
		}
	}
	// Asterisk checks its configuration against its documentation.
	if err := os.Symlink(tree+"/usr/share/asterisk/documentation", filepath.Join(a.dir, "lib/documentation")); err != nil {
		a.t.Fatal(err)
	}
	for name, text := range map[string]string{
		"asterisk.conf": "[directories]\nastetcdir => DIR/etc\nastmoddir => " + mods[0] + "\nastvarlibdir => DIR/lib\nastdbdir => DIR/lib\n" +
			"astkeydir => DIR/lib\nastdatadir => DIR/lib\nastspooldir => DIR/spool\nastrundir => DIR/run\nastlogdir => DIR/log\n",
		"modules.conf": "[modules]\nautoload=no\nload=" + strings.Join(strings.Fields(modules), ".so\nload=") + ".so\n",
		"ari.conf":     "[general]\nenabled=yes\nchannelvars=MARK\nwebsocket_write_timeout=2000\n[ari]\ntype=user\npassword=secret\n",
		"http.conf":    fmt.Sprintf("[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport=%d\n", a.port),
		"extensions.conf": "[t]\nexten => heard,1,Answer()\n same => n,MixMonitor(DIR/mix.wav,r(DIR/heard-${NAME}.wav))\n same => n,Wait(60)\n" +
			"exten => keys,1,Answer()\n same => n,Wait(0.3)\n same => n,SendDTMF(5)\n same => n,Wait(60)\n" +
			"exten => idle,1,Answer()\n same => n,Wait(60)\n" +
			"exten => call,1,Answer()\n same => n,Stasis(app,in,two)\n same => n,Wait(60)\n",
		"musiconhold.conf": "[default]\nmode=files\ndirectory=DIR/moh\n[other]\nmode=files\ndirectory=DIR/other\n",
		"pjsip.conf":       fmt.Sprintf("[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:%d\n", a.sip),
		"sorcery.conf": "[res_pjsip]\nendpoint=config,pjsip.conf,criteria=type=endpoint\nendpoint=memory\n" +
			"auth=config,pjsip.conf,criteria=type=auth\nauth=memory\naor=config,pjsip.conf,criteria=type=aor\naor=memory\n" +
			"contact=memory\n",
		"logger.conf": "[logfiles]\nconsole => warning,error\n",
	} {
		text = strings.ReplaceAll(text, "DIR", a.dir)
		if err := os.WriteFile(filepath.Join(a.dir, "etc", name), []byte(text), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	a.tone("moh/m", 440, 20*time.Second)
	a.tone("other/m", 600, 20*time.Second)
	a.tone("snd/a", 1000, 600*time.Millisecond)
	a.tone("snd/b", 1500, 400*time.Millisecond)
	a.tone("snd/c", 2000, 200*time.Millisecond)
	a.tone("snd/long", 2500, 20*time.Second)
}

const modules = `res_timing_timerfd res_musiconhold res_stasis res_stasis_answer res_stasis_playback res_stasis_recording
	res_stasis_snoop res_stasis_device_state res_http_websocket res_websocket_client res_ari res_ari_model
	res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels res_ari_device_states res_ari_endpoints
	res_ari_events res_ari_playbacks app_stasis app_mixmonitor app_senddtmf pbx_config func_channel func_callerid
	bridge_simple bridge_holding bridge_softmix bridge_builtin_features bridge_builtin_interval_features chan_bridge_media
	format_sln format_wav codec_alaw codec_ulaw codec_resample res_sorcery_config res_sorcery_memory
	res_sorcery_astdb res_statsd res_crypto res_pjproject res_rtp_asterisk res_pjsip res_pjsip_session res_pjsip_sdp_rtp chan_pjsip
	res_pjsip_endpoint_identifier_user res_pjsip_authenticator_digest res_pjsip_registrar res_pjsip_pubsub
	res_pjsip_refer`

// sound is the URI of a sound made by configure.
func (a *asterisk) sound(name string) string { return "sound:" + filepath.Join(a.dir, "snd", name) }

// tone writes a sine as signed linear 8 kHz.
func (a *asterisk) tone(name string, hz float64, d time.Duration) {
	pcm := make([]byte, 0, 16*d.Milliseconds())
	for i := range 8 * d.Milliseconds() {
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(8000*math.Sin(2*math.Pi*hz*float64(i)/8000))))
	}
	if err := os.WriteFile(filepath.Join(a.dir, name+".sln"), pcm, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// heard gives the tones in a recording, in order, each one's name in Hz: what a
// channel's far end heard. Silence is "-".
func (a *asterisk) heard(name string) (tones []string) {
	wav, err := os.ReadFile(filepath.Join(a.dir, "heard-"+name+".wav"))
	if err != nil || len(wav) < 44 {
		a.t.Fatalf("no recording: %v", err)
	}
	const block = 800 // 100 ms
	for pcm := wav[44:]; len(pcm) >= 2*block; pcm = pcm[2*block:] {
		best, most := "-", 1e5
		for _, hz := range []int{440, 600, 1000, 1500, 2000, 2500} {
			var re, im float64
			for k := range block {
				x := float64(int16(binary.LittleEndian.Uint16(pcm[2*k:])))
				s, c := math.Sincos(2 * math.Pi * float64(hz*k) / 8000)
				re, im = re+x*c, im+x*s
			}
			if m := math.Hypot(re, im); m > most {
				best, most = fmt.Sprint(hz), m
			}
		}
		if len(tones) == 0 || tones[len(tones)-1] != best {
			tones = append(tones, best)
		}
	}
	return tones
}

// call makes a Local channel into the application, whose far end runs exten, and waits
// until it is there.
func (a *asterisk) call(c *Client, id, exten string) *Mailbox {
	a.t.Helper()
	box := c.Open(id)
	a.t.Cleanup(box.Close)
	a.must(c.Originate(a.t.Context(), Originate{
		ID: id, Endpoint: "Local/" + exten + "@t/n", Args: "out," + id, Variables: map[string]string{"__NAME": id, "MARK": "m1"},
	}))
	until[*StasisStart](a.t, box.Events())
	return box
}

func (a *asterisk) must(_ any, err error) {
	a.t.Helper()
	a.ok(err)
}

func (a *asterisk) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// up runs a client and waits until it is up.
func (a *asterisk) up(c *Client) *running {
	a.t.Helper()
	r := start(a.t, c, func(context.Context, Up) error { return nil })
	if up := receive(a.t, r.ups); up.Info.System == nil || up.Info.System.Version == "" {
		a.t.Fatalf("up: %+v", up)
	}
	return r
}
