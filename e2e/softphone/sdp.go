package softphone

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// direction is who sends, as SDP words it from the side of who says it.
type direction string

const (
	sendrecv direction = "sendrecv"
	sendonly direction = "sendonly"
	recvonly direction = "recvonly"
	inactive direction = "inactive"
)

func (d direction) sends() bool    { return d == sendrecv || d == sendonly }
func (d direction) receives() bool { return d == sendrecv || d == recvonly }

// answering is the direction to answer to an offer with d, when we would like want.
func (d direction) answering(want direction) direction {
	sends, receives := d.receives() && want.sends(), d.sends() && want.receives()
	switch {
	case sends && receives:
		return sendrecv
	case sends:
		return sendonly
	case receives:
		return recvonly
	}
	return inactive
}

// media is one audio description of an SDP body.
type media struct {
	addr   netip.AddrPort
	codecs []*codec // as offered, best first
	event  uint8    // payload type of telephone-event, 0 when there is none
	dir    direction
}

func (m media) body(version uint64) []byte {
	var b strings.Builder
	ip := m.addr.Addr()
	family := "IP4"
	if ip.Is6() {
		family = "IP6"
	}
	fmt.Fprintf(&b, "v=0\r\no=- 1 %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", version, family, ip, family, ip)
	fmt.Fprintf(&b, "m=audio %d RTP/AVP", m.addr.Port())
	for _, c := range m.codecs {
		fmt.Fprintf(&b, " %d", c.payload)
	}
	if m.event != 0 {
		fmt.Fprintf(&b, " %d", m.event)
	}
	b.WriteString("\r\n")
	for _, c := range m.codecs {
		fmt.Fprintf(&b, "a=rtpmap:%d %s/8000\r\n", c.payload, c.name)
	}
	if m.event != 0 {
		fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", m.event, m.event)
	}
	fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", m.dir)
	return []byte(b.String())
}

// parseMedia reads the first audio description; what the telephone does not know is passed over.
func parseMedia(body []byte) (media, error) {
	m := media{dir: sendrecv}
	var host string
	port, inAudio, seenAudio := 0, false, false
	for line := range strings.SplitSeq(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n") {
		kind, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		switch {
		case kind == "m":
			inAudio = strings.HasPrefix(value, "audio ") && !seenAudio
			if inAudio {
				seenAudio = true
				port = m.readAudio(value)
			}
		case seenAudio && !inAudio: // another medium
		case kind == "c":
			if f := strings.Fields(value); len(f) == 3 {
				host = f[2]
			}
		case kind == "a":
			m.readAttribute(value)
		}
	}
	ip, err := netip.ParseAddr(host)
	if !seenAudio || err != nil {
		return m, fmt.Errorf("read the session description: no audio with an address in %q", body)
	}
	m.addr = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	return m, nil
}

func (m *media) readAudio(value string) (port int) {
	f := strings.Fields(value)
	if len(f) < 4 {
		return 0
	}
	port, _ = strconv.Atoi(f[1])
	for _, pt := range f[3:] {
		n, err := strconv.ParseUint(pt, 10, 8)
		if c := codecOfPayload(uint8(n)); err == nil && c != nil {
			m.codecs = append(m.codecs, c)
		}
	}
	return port
}

func (m *media) readAttribute(value string) {
	switch d := direction(value); d {
	case sendrecv, sendonly, recvonly, inactive:
		m.dir = d
		return
	}
	if rest, ok := strings.CutPrefix(value, "rtpmap:"); ok {
		pt, name, _ := strings.Cut(rest, " ")
		if strings.EqualFold(name, "telephone-event/8000") {
			n, _ := strconv.ParseUint(pt, 10, 8)
			m.event = uint8(n)
		}
	}
}

// shared is the first codec of ours that the other side knows too.
func (m media) shared(ours []*codec) *codec {
	for _, c := range m.codecs {
		for _, o := range ours {
			if c == o {
				return c
			}
		}
	}
	return nil
}

func udpAddrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
