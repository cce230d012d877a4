package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/rig"
)

// invites sends an INVITE with an offer of media by hand, and returns the answer to it: a telephone
// for deaf people offers real-time text (RFC 4103), which no telephone of ours speaks.
func invites(t *testing.T, r *rig.Rig, id string, media ...string) (status, answer string) {
	t.Helper()
	exchange, err := net.ResolveUDPAddr("udp", r.SIP)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(rig.Trunk)}, exchange)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	me, body := conn.LocalAddr().String(), ""
	for _, line := range append([]string{"v=0", "o=- 1 1 IN IP4 " + rig.Trunk, "s=-", "c=IN IP4 " + rig.Trunk, "t=0 0"}, media...) {
		body += line + "\r\n"
	}
	send := func(method, to, more string) {
		msg := fmt.Sprintf("%s sip:+33199003939@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:+33639980001@%s>;tag=%s\r\nTo: %s\r\n"+
			"Call-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:+33639980001@%s>\r\n%s", method, r.SIP, me, id, method, me, id, to, id, method, me, more)
		if _, err := conn.Write([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	send("INVITE", "<sip:+33199003939@"+r.SIP+">", fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	room := make([]byte, 8192)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(room)
		if err != nil {
			t.Fatalf("no final answer to %s: %v", id, err)
		}
		answer = string(room[:n])
		status, _, _ = strings.Cut(strings.TrimPrefix(answer, "SIP/2.0 "), "\r\n")
		if strings.HasPrefix(answer, "SIP/2.0 ") && !strings.HasPrefix(status, "1") {
			to := regexp.MustCompile(`(?m)^To: (.*)\r$`).FindStringSubmatch(answer)
			send("ACK", to[1], "Content-Length: 0\r\n\r\n")
			if strings.HasPrefix(status, "2") {
				send("BYE", to[1], "Content-Length: 0\r\n\r\n")
			}
			return status, answer
		}
	}
}

// Asterisk's SIP stack has no T.140: a call that offers text beside its voice is answered by voice,
// and one that offers text alone is refused in words that a telephone understands.
func TestRealTimeTextIsDeclinedCleanly(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	voice, text := []string{"m=audio 40000 RTP/AVP 8 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000"}, []string{"m=text 40002 RTP/AVP 98", "a=rtpmap:98 t140/1000"}
	status, answer := invites(t, r, "both", append(voice, text...)...)
	if !strings.HasPrefix(status, "200") || !strings.Contains(answer, "m=text 0 ") || !strings.Contains(answer, "m=audio ") || strings.Contains(answer, "m=audio 0 ") {
		t.Errorf("voice and text are answered\n%s", answer)
	}
	if status, answer = invites(t, r, "text", text...); !strings.HasPrefix(status, "488") {
		t.Errorf("text alone is answered %s\n%s", status, answer)
	}
}
