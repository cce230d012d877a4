package softphone

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"decroche/e2e/port"
)

var asterisk struct {
	once sync.Once
	run  *exchange
	err  error
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for speech more than they compute.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	code := m.Run()
	if asterisk.run != nil {
		asterisk.run.stop()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// exchange is a real Asterisk, one for the whole package.
type exchange struct {
	dir    string // its configuration and its sounds
	server string // "127.0.0.1:PORT"
	cmd    *exec.Cmd
	out    bytes.Buffer
	ended  chan struct{}
}

// startedExchange gives the exchange; a test without one fails and says what to install.
func startedExchange(t *testing.T) *exchange {
	t.Helper()
	asterisk.once.Do(func() { asterisk.run, asterisk.err = startExchange() })
	if asterisk.err != nil {
		t.Fatal(asterisk.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(asterisk.run.dir, "log", "messages"))
			t.Logf("Asterisk said:\n%s", tail(log, 4000))
		}
	})
	return asterisk.run
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func startExchange() (*exchange, error) {
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	tree := filepath.Join(cache, "asterisk-sid")
	lib := filepath.Join(tree, "usr/lib/x86_64-linux-gnu")
	if _, err := os.Stat(filepath.Join(tree, "usr/sbin/asterisk")); err != nil {
		return nil, fmt.Errorf("these tests need a real Asterisk: %w\nInstall it with `make setup`, or: "+
			"debootstrap --variant=minbase --include=asterisk sid %s; DECROCHE_CACHE names another folder than /var/cache/decroche", err, tree)
	}
	dir, err := os.MkdirTemp("", "softphone")
	if err != nil {
		return nil, err
	}
	at, err := port.Take()
	if err != nil {
		return nil, err
	}
	x := &exchange{dir: dir, server: fmt.Sprintf("127.0.0.1:%d", at), ended: make(chan struct{})}
	if err := x.configure(tree, lib, at); err != nil {
		return nil, err
	}
	x.cmd = exec.Command(filepath.Join(tree, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", lib,
		filepath.Join(tree, "usr/sbin/asterisk"), "-C", filepath.Join(dir, "asterisk.conf"), "-f")
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.out
	if err := x.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Asterisk: %w", err)
	}
	go func() {
		_ = x.cmd.Wait()
		close(x.ended)
	}()
	if err := x.ready(); err != nil {
		x.stop()
		return nil, err
	}
	return x, nil
}

func (x *exchange) ready() error {
	p, err := New(Config{Server: x.server, User: "probe"})
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		try, cancelTry := context.WithTimeout(ctx, 300*time.Millisecond)
		err := p.Ping(try)
		cancelTry()
		if err == nil {
			return nil
		}
		select {
		case <-x.ended:
			return fmt.Errorf("Asterisk ended at once: %s", x.out.String())
		case <-ctx.Done():
			return fmt.Errorf("Asterisk is not ready after 30 s: %w\n%s", err, x.out.String())
		default:
		}
	}
}

func (x *exchange) stop() {
	_ = x.cmd.Process.Kill()
	<-x.ended
	_ = os.RemoveAll(x.dir)
}

func (x *exchange) configure(tree, lib string, port int) error {
	for _, sub := range []string{"log", "run", "db", "spool", "data", "keys", "sounds", "moh"} {
		if err := os.MkdirAll(filepath.Join(x.dir, sub), 0o755); err != nil {
			return err
		}
	}
	conf := map[string]string{
		"asterisk.conf": fmt.Sprintf(`[directories]
astetcdir => %[1]s
astmoddir => %[2]s/asterisk/modules
astvarlibdir => %[1]s/data
astdbdir => %[1]s/db
astkeydir => %[1]s/keys
astdatadir => %[1]s/data
astagidir => %[1]s/data
astspooldir => %[1]s/spool
astrundir => %[1]s/run
astlogdir => %[1]s/log
[options]
documentation_language = en_US
`, x.dir, lib),
		"modules.conf":     modulesConf,
		"logger.conf":      "[general]\ndateformat=%F %T.%3q\n[logfiles]\nmessages => notice,warning,error,verbose(3)\n",
		"rtp.conf":         "[general]\nrtpstart=20000\nrtpend=24000\nstrictrtp=no\n",
		"musiconhold.conf": fmt.Sprintf("[default]\nmode=files\ndirectory=%s/moh\n", x.dir),
		"extensions.conf":  strings.ReplaceAll(extensionsConf, "@", x.dir+"/sounds"),
		"pjsip.conf":       pjsipConf(port),
	}
	for name, text := range conf {
		if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Join(tree, "usr/share/asterisk/documentation"), filepath.Join(x.dir, "data/documentation")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, p := range prompts() {
		if err := os.WriteFile(filepath.Join(x.dir, "sounds", p.Name+".alaw"), EncodeAlaw(p.PCM), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(x.dir, "moh/music.alaw"), EncodeAlaw(music(8*time.Second)), 0o644)
}

const modulesConf = `[modules]
autoload=no
preload => res_sorcery_config.so
load => res_sorcery_memory.so
load => res_sorcery_astdb.so
load => res_timing_timerfd.so
load => res_pjproject.so
load => res_pjsip.so
load => res_pjsip_session.so
load => res_pjsip_sdp_rtp.so
load => res_pjsip_authenticator_digest.so
load => res_pjsip_endpoint_identifier_user.so
load => res_pjsip_registrar.so
load => res_pjsip_dtmf_info.so
load => res_pjsip_caller_id.so
load => res_pjsip_refer.so
load => res_pjsip_pubsub.so
load => res_pjsip_rfc3326.so
load => res_pjsip_nat.so
load => res_pjsip_header_funcs.so
load => res_rtp_asterisk.so
load => res_musiconhold.so
load => chan_pjsip.so
load => codec_alaw.so
load => codec_ulaw.so
load => format_pcm.so
load => bridge_simple.so
load => bridge_softmix.so
load => bridge_builtin_features.so
load => pbx_config.so
load => app_dial.so
load => app_echo.so
load => app_playback.so
load => app_read.so
load => app_verbose.so
load => func_callerid.so
load => func_logic.so
`

const extensionsConf = `[test]
; two prompts, music, two more
exten => tour,1,Answer()
 same => n,Wait(0.5)
 same => n,Playback(@/welcome)
 same => n,Playback(@/wait2)
 same => n,StartMusicOnHold()
 same => n,Wait(2)
 same => n,StopMusicOnHold()
 same => n,Playback(@/wait5)
 same => n,Wait(1)
 same => n,Playback(@/goodbye)
 same => n,Hangup()
exten => menu,1,Answer()
 same => n,Read(KEY,@/welcome,1,,1,5)
 same => n,GotoIf($["${KEY}"="1"]?one)
 same => n,GotoIf($["${KEY}"="2"]?two)
 same => n,Playback(@/goodbye)
 same => n,Hangup()
 same => n(one),Playback(@/wait2)
 same => n,Hangup()
 same => n(two),Playback(@/wait5)
 same => n,Hangup()
exten => pin,1,Answer()
 same => n,Read(PIN,@/welcome,5,,1,5)
 same => n,GotoIf($["${PIN}"="47110"]?good)
 same => n,Playback(@/wait5)
 same => n,Hangup()
 same => n(good),Playback(@/wait2)
 same => n,Hangup()
exten => echo,1,Answer()
 same => n,Echo()
exten => music,1,Answer()
 same => n,MusicOnHold()
exten => forbidden,1,Hangup(21)
exten => full,1,Hangup(42)
exten => ring,1,Ringing()
 same => n,Wait(30)
exten => _20XX,1,Dial(PJSIP/${EXTEN},20)
 same => n,Hangup(${HANGUPCAUSE})
`

func pjsipConf(port int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `[global]
type=global
[udp]
type=transport
protocol=udp
bind=127.0.0.1:%d
`, port)
	endpoint := "[%s]\ntype=endpoint\ncontext=test\ndisallow=all\nallow=%s\ndirect_media=no\ntrust_id_inbound=yes\ndtmf_mode=%s\n"
	fmt.Fprintf(&b, endpoint, "caller", "alaw", "auto")
	fmt.Fprintf(&b, endpoint, "infocaller", "alaw", "info")
	fmt.Fprintf(&b, endpoint, "ulawcaller", "ulaw", "auto")
	for i := range 30 {
		user := fmt.Sprint(2001 + i)
		fmt.Fprintf(&b, endpoint, user, "alaw", "auto")
		fmt.Fprintf(&b, "auth=%[1]s\naors=%[1]s\n[%[1]s]\ntype=auth\nauth_type=userpass\nusername=%[1]s\npassword=secret%[1]s\n[%[1]s]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n", user)
	}
	return b.String()
}

// prompts are made up: syllables of changing pitch with pauses; wait2 and wait5 begin alike.
var prompts = sync.OnceValue(func() []Prompt {
	entre := speech(1, 1200*time.Millisecond)
	return []Prompt{
		{Name: "welcome", PCM: speech(2, 2500*time.Millisecond)},
		{Name: "wait2", PCM: append(append([]int16{}, entre...), speech(3, 1300*time.Millisecond)...)},
		{Name: "wait5", PCM: append(append([]int16{}, entre...), speech(4, 900*time.Millisecond)...)},
		{Name: "goodbye", PCM: speech(5, 1500*time.Millisecond)},
	}
})

// files are the prompts as their files have them.
var files = sync.OnceValue(func() *Index {
	ps := slices.Clone(prompts())
	for i := range ps {
		ps[i].PCM = DecodeAlaw(EncodeAlaw(ps[i].PCM))
	}
	return NewIndex(ps)
})

func speech(seed uint64, length time.Duration) []int16 {
	rng := rand.New(rand.NewPCG(seed, 7))
	out := make([]int16, 0, samples(length)+rate)
	for len(out) < samples(length) {
		n := rate/10 + rng.IntN(rate/8)
		shape := chord(n, 0.5*rate/float64(n))
		for i, v := range chord(n, 90+rng.Float64()*120, 300+rng.Float64()*500, 900+rng.Float64()*1400) {
			out = append(out, int16(4000*shape[i]*(v+0.1*(rng.Float64()-0.5))))
		}
		out = append(out, make([]int16, rng.IntN(rate/20))...)
	}
	return out[:samples(length)]
}

// chord adds sines, each by its recurrence, which is quicker than math.Sin.
func chord(n int, freqs ...float64) []float64 {
	out := make([]float64, n)
	for _, f := range freqs {
		c, s1, s2 := 2*math.Cos(2*math.Pi*f/rate), 0., -math.Sin(2*math.Pi*f/rate)
		for i := range out {
			out[i] += s1
			s1, s2 = c*s1-s2, s1
		}
	}
	return out
}

func music(length time.Duration) []int16 {
	out := make([]int16, samples(length))
	notes := []float64{262, 330, 392, 523, 392, 330}
	for i := range out {
		x, f := float64(i)/rate, notes[i/(rate/4)%len(notes)]
		out[i] = int16(2500 * (math.Sin(2*math.Pi*f*x) + 0.4*math.Sin(4*math.Pi*f*x)))
	}
	return out
}

// phone opens a telephone that is closed with the test.
func phone(t *testing.T, cfg Config) *Phone {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func caller(t *testing.T, x *exchange) *Phone {
	return phone(t, Config{Server: x.server, User: "caller"})
}

var lastAgent atomic.Int32

// agent is a registered telephone with a number of its own.
func agent(t *testing.T, x *exchange) (p *Phone, user string) {
	t.Helper()
	user = fmt.Sprint(2001 + lastAgent.Add(1)%28) // 2029 and 2030 are taken
	return agentWith(t, x, Config{User: user}), user
}

func agentWith(t *testing.T, x *exchange, cfg Config) *Phone {
	t.Helper()
	cfg.Server, cfg.Password = x.server, "secret"+cfg.User
	p := phone(t, cfg)
	if err := p.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func dial(t *testing.T, p *Phone, to string) *Call {
	t.Helper()
	c, err := p.Dial(within(t, 10*time.Second), to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func wait[T any](t *testing.T, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not happen within 10 s", what)
	}
	return v
}
