package e2e

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// direct is a number of the tests' service that leads straight to the queue titres.
const direct = "+33199003942"

// callFrom is a caller at an address, with whatever an operator may send.
type callFrom struct {
	local, from string // address, From header
	headers     map[string]string
	number      string // as it is in the request
	trunk       string // as the journal says; "" for the first one
}

func (c callFrom) String() string {
	return fmt.Sprintf("From %s %v to %s", c.from, c.headers, c.number)
}

// shows places the call, and returns what the agent's phone showed.
func (c callFrom) shows(t *testing.T, r *rig.Rig, desk *softphone.Phone) *softphone.Ringing {
	t.Helper()
	if c.local == "" {
		c.local = rig.Trunk
	}
	p, err := softphone.New(softphone.Config{User: "operator", Local: c.local, Server: r.SIP, FromHeader: c.from, Headers: c.headers})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l := r.DialFrom(p, c.number)
	ring := r.Rings(desk, 10*time.Second)
	l.HangsUp()
	<-ring.Cancelled()
	return ring
}

// arrivals are the first facts of the calls placed so far.
func arrivals(t *testing.T, r *rig.Rig, n int) []rig.Fact {
	t.Helper()
	var facts []rig.Fact
	r.Eventually(10*time.Second, "the journal has every call", func() error {
		if facts = r.Facts(call.EventArrived); len(facts) != n {
			return fmt.Errorf("%d of %d", len(facts), n)
		}
		return nil
	})
	return facts
}

func TestNumbersAreReadInEveryFormOperatorsSendThem(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: `trunks:
  - {name: operator, match: [127.0.0.2]}
  - {name: second, match: [127.0.0.64/28, 127.0.0.5], codecs: [ulaw]}
`})
	desk := r.Available("2003")
	const e164 = "+33639980001"
	var pseudonym any
	calls := []callFrom{
		{from: "<sip:+33639980001@operator.example>", number: direct},
		{from: "<sip:0639980001@operator.example>", number: "0199003942"},
		{from: "<sip:0033639980001@operator.example>", number: "0033199003942"},
		{from: "<sip:33639980001@operator.example>", number: "33199003942"},
		{from: `"Mme Dupont" <sip:0639980001@operator.example;user=phone>`, number: direct},
		{from: `"0155" <sip:+33639980001@operator.example>`, number: direct, local: "127.0.0.66", trunk: "second"},
		{from: "<sip:account@operator.example>", number: direct, headers: map[string]string{"P-Asserted-Identity": `"Dupont" <sip:+33639980001@operator.example>`}},
		{from: "<sip:+33639980001;npdi@operator.example;user=phone>", number: direct, local: "127.0.0.5", trunk: "second"},
	}
	for _, c := range calls {
		if number, _ := c.shows(t, r, desk).Caller(); number != e164 {
			t.Errorf("%s: the agent is shown %q", c, number)
		}
	}
	for i, f := range arrivals(t, r, len(calls)) {
		c := calls[i]
		if c.trunk == "" {
			c.trunk = "operator"
		}
		if f.Data["from"] != "+33…01" || f.Data["to"] != direct || f.Data["trunk"] != c.trunk || f.Data["withheld"] != false {
			t.Errorf("%s: the journal says %v", c, f.Data)
		}
		if pseudonym == nil {
			pseudonym = f.Data["caller"]
		}
		if f.Data["caller"] != pseudonym || pseudonym == "" {
			t.Errorf("%s: the pseudonym is %v and was %v", c, f.Data["caller"], pseudonym)
		}
	}
}

func TestAWithheldNumberStaysWithheld(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2003")
	sent := filepath.Join(r.Dir, "asterisk", "log", "sip.pcap") // every message to and from the agents' phones
	asterisk(t, r, "module load res_pjsip_logger.so")
	asterisk(t, r, "pjsip set logger host "+rig.Desk)
	asterisk(t, r, "pjsip set logger pcap "+sent)
	const digits = "639980077"
	anonymous := `"Anonymous" <sip:anonymous@anonymous.invalid>`
	calls := []callFrom{
		{from: anonymous, number: direct},
		{from: anonymous, number: direct, headers: map[string]string{"P-Asserted-Identity": "<sip:+33" + digits + "@operator.example>", "Privacy": "id"}},
		{from: "<sip:0" + digits + "@operator.example>", number: direct, headers: map[string]string{"Privacy": "id"}},
		{from: "<sip:0" + digits + "@operator.example>", number: direct, headers: map[string]string{"Privacy": "user; id; critical"}},
		{from: anonymous, number: direct, headers: map[string]string{"Remote-Party-ID": "<sip:+33" + digits + "@operator.example>;party=calling;privacy=full"}},
		{from: "<sip:unavailable@operator.example>", number: direct},
	}
	for _, c := range calls {
		if number, name := c.shows(t, r, desk).Caller(); number != "anonymous" || strings.Contains(name, digits) {
			t.Errorf("%s: the agent is shown %q %q", c, name, number)
		}
	}
	for i, f := range arrivals(t, r, len(calls)) {
		c := calls[i]
		if f.Data["withheld"] != true || f.Data["from"] != "withheld" || f.Data["caller"] != nil {
			t.Errorf("%s: the journal says %v", c, f.Data)
		}
	}
	if journal := r.Must("journal"); strings.Contains(journal, digits) {
		t.Error("the journal has the number")
	}
	if strings.Contains(r.ControllerLog(), digits) {
		t.Error("the controller's log has the number")
	}
	logs, _ := filepath.Glob(filepath.Join(r.Dir, "asterisk", "log", "*"))
	talked := false
	for _, file := range logs {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		talked = talked || strings.Contains(string(raw), "INVITE sip:2003@")
		if strings.Contains(string(raw), digits) {
			t.Errorf("the number is in %s", filepath.Base(file))
		}
	}
	if !talked {
		t.Error("what was sent to the agent's phone was not logged: this test proves nothing")
	}
}

// operator is a SIP registrar that asks for a password, and refuses every call as busy.
type operator struct {
	conn           *net.UDPConn
	user, password string

	mu      sync.Mutex
	contact string // of the registration
	refused int
	called  map[string]string // of the last call: request line under "", headers
}

func newOperator(t *testing.T, ip, user, password string) *operator {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{conn: conn, user: user, password: password}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() { defer close(done); o.serve() }()
	return o
}

func (o *operator) addr() string { return o.conn.LocalAddr().String() }

func (o *operator) serve() {
	buf := make([]byte, 65536)
	for {
		n, from, err := o.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		req := map[string]string{"": lines[0]}
		for _, l := range lines[1:] {
			name, value, _ := strings.Cut(l, ":")
			if _, twice := req[name]; !twice {
				req[name] = strings.TrimSpace(value)
			}
		}
		if status, extra := o.answer(req); status != "" {
			reply := "SIP/2.0 " + status + "\r\n"
			for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
				if name == "To" && !strings.Contains(req["To"], "tag=") {
					req["To"] += ";tag=op"
				}
				reply += name + ": " + req[name] + "\r\n"
			}
			_, _ = o.conn.WriteToUDP([]byte(reply+extra+"Content-Length: 0\r\n\r\n"), from)
		}
	}
}

func (o *operator) answer(req map[string]string) (status, extra string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	method, rest, _ := strings.Cut(req[""], " ")
	uri, _, _ := strings.Cut(rest, " ")
	switch method {
	case "OPTIONS":
		return "200 OK", ""
	case "REGISTER", "INVITE":
		if !o.allowed(method, uri, req["Authorization"]) {
			o.refused++
			return "401 Unauthorized", `WWW-Authenticate: Digest realm="operator", nonce="n0", algorithm=MD5` + "\r\n"
		}
		if method == "INVITE" {
			o.called = req
			return "486 Busy Here", ""
		}
		o.contact = req["Contact"]
		return "200 OK", "Contact: " + req["Contact"] + ";expires=600\r\n"
	}
	return "", ""
}

var quoted = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

func (o *operator) allowed(method, uri, authorization string) bool {
	got := map[string]string{}
	for _, m := range quoted.FindAllStringSubmatch(authorization, -1) {
		got[m[1]] = m[2]
	}
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	want := sum(sum(o.user+":operator:"+o.password) + ":n0:" + sum(method+":"+uri))
	return got["username"] == o.user && got["response"] == want
}

func (o *operator) registered() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.contact
}

func (o *operator) lastCall() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.called
}

// originate has Asterisk call a number over a trunk, as the line will to call people back.
func originate(t *testing.T, r *rig.Rig, number, trunk, present string) {
	t.Helper()
	q := url.Values{
		"endpoint": {"PJSIP/" + number + "@trunk-" + trunk}, "app": {"decroche-n1"}, "appArgs": {"test"},
		"callerId": {"<" + present + ">"}, "timeout": {"10"},
	}
	status, body := askARI(t, r, http.MethodPost, "/ari/channels?"+q.Encode(), r.Secret("ari-password"))
	if status != http.StatusOK {
		t.Fatalf("call out over %s: %d %s", trunk, status, body)
	}
}

func TestATrunkThatRegistersTakesCallsByItsLineAndCallsOut(t *testing.T) {
	t.Parallel()
	const password = `p;w"d [x]= y`
	op := newOperator(t, "127.0.0.7", "0033199003900", password)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain, err := softphone.New(softphone.Config{User: "x", Local: "127.0.0.8", Server: "127.0.0.1:5060"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plain.Close)
	r := rig.Start(t, rig.Options{Config: fmt.Sprintf(`trunks:
  - {name: operator, match: [127.0.0.2]}
  - {name: registered, server: %q, register: true, username: "0033199003900", password_file: %s, domain: operator.example}
  - {name: plain, server: %q, match: [127.0.0.8]}
`, op.addr(), file, plain.Addr())})
	var contact string
	r.Eventually(20*time.Second, "the trunk is registered", func() error {
		if contact = op.registered(); contact == "" {
			return errors.New("not registered")
		}
		return nil
	})
	contact = strings.Trim(contact, "<>")
	if !strings.Contains(contact, ";line=") {
		t.Fatalf("the contact %q has no line", contact)
	}

	desk := r.Available("2003")
	p, err := softphone.New(softphone.Config{User: "x", Local: "127.0.0.77", Server: r.SIP})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	from := softphone.From("<sip:0639980001@operator.example>")
	l := r.DialFrom(p, contact, from, softphone.To(direct)) // the account is called; To has the number
	if number, _ := r.Rings(desk, 10*time.Second).Caller(); number != "+33639980001" {
		t.Errorf("the agent is shown %q", number)
	}
	l.HangsUp()
	l = r.DialFrom(p, strings.Replace(contact, "0033199003900", "0199003942", 1), from) // the number is called
	r.Rings(desk, 10*time.Second)
	l.HangsUp()
	for _, f := range r.Facts(call.EventArrived) {
		if f.Data["trunk"] != "registered" || f.Data["to"] != direct {
			t.Errorf("the journal says %v", f.Data)
		}
	}
	var refused *softphone.Rejected
	if _, err := p.Dial(t.Context(), strings.Replace(contact, ";line=", ";line=x", 1), from); !errors.As(err, &refused) {
		t.Errorf("a call with a made-up line: %v, want it refused", err)
	}

	originate(t, r, "+33639980002", "registered", line)
	r.Eventually(10*time.Second, "the operator is called", func() error {
		if op.lastCall() == nil {
			return errors.New("not called")
		}
		return nil
	})
	got := op.lastCall()
	if !strings.HasPrefix(got[""], "INVITE sip:+33639980002@"+op.addr()) {
		t.Errorf("the request is %q", got[""])
	}
	if !strings.Contains(got["From"], "<sip:0033199003900@operator.example>") {
		t.Errorf("From is %q, and the operator knows us by our account", got["From"])
	}
	if !strings.Contains(got["P-Asserted-Identity"], "<sip:"+line+"@") {
		t.Errorf("P-Asserted-Identity is %q, want the number the service presents", got["P-Asserted-Identity"])
	}

	originate(t, r, "+33639980002", "plain", line)
	ring := r.Rings(plain, 10*time.Second)
	if number, _ := ring.Caller(); number != line {
		t.Errorf("a person who is called sees %q, want the number the service presents", number)
	}
	if err := ring.Reject(486); err != nil {
		t.Error(err)
	}
}
