package softphone

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// stream is the RTP side of one call.
type stream struct {
	conn *net.UDPConn
	log  *slog.Logger
	done chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	remote  netip.AddrPort
	codec   *codec
	event   uint8
	sending bool
	started bool
	ended   time.Time // of the call; the zero time while it is up
	closed  bool      // all that came before ended was heard
	out     rtp.Header
	voice   voice
	keys    []*keypress
	line    timeline
	fresh   chan struct{} // closed and replaced when sound has come
	pressed strings.Builder
	lastKey uint32 // RTP timestamp of the last key heard

	frame  [frameSamples]int16
	packet [12 + frameSamples]byte
	sent   int
}

// voice is what the telephone says: nothing, a tone, or PCM once.
type voice struct {
	freq, phase float64
	pcm         []int16
	said        chan struct{} // closed when pcm was sent
}

// keypress is one RFC 4733 event on its way.
type keypress struct {
	code    uint8
	tone    int // frames
	gap     int // frames after it
	frame   int
	ts      uint32
	endSent chan struct{}
}

func openStream(local string, log *slog.Logger) (*stream, error) {
	ip, err := netip.ParseAddr(local)
	if err != nil {
		return nil, fmt.Errorf("open an RTP port on %q: %w", local, err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return nil, fmt.Errorf("open an RTP port on %s: %w", local, err)
	}
	wantArrivalTimes(conn)
	return &stream{
		conn: conn, log: log, done: make(chan struct{}), fresh: make(chan struct{}),
		out:  rtp.Header{Version: 2, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32()},
		line: timeline{start: time.Now(), codec: pcma},
	}, nil
}

func (s *stream) addr() netip.AddrPort { return udpAddrPort(s.conn.LocalAddr()) }

// set follows what was agreed by SDP; the first time it starts to send and to listen.
func (s *stream) set(remote netip.AddrPort, c *codec, event uint8, sending bool) {
	s.mu.Lock()
	s.remote, s.codec, s.event, s.sending = remote, c, event, sending
	first := !s.started && s.ended.IsZero()
	if first {
		s.started = true
		s.line.codec = c
	}
	s.mu.Unlock()
	if first {
		go s.read()
		clock.add(s)
	}
}

// close ends sending and reading; what was heard stays.
func (s *stream) close() {
	s.mu.Lock()
	if !s.ended.IsZero() {
		s.mu.Unlock()
		return
	}
	s.ended = time.Now()
	started := s.started
	for _, k := range s.keys {
		close(k.endSent)
	}
	s.keys = nil
	s.hush()
	s.mu.Unlock()
	clock.remove(s)
	if started {
		s.hearOut()
	} else {
		close(s.done)
	}
	_ = s.conn.Close()
	s.mu.Lock()
	s.closed = true
	close(s.fresh)
	s.mu.Unlock()
}

// hearOut has the reader take what came before the call ended, which on a busy machine still lies in
// the socket: the end of the last words. A packet of our own, behind all that, ends the reader.
func (s *stream) hearOut() {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Second)) // it may be lost
	if _, err := s.conn.WriteToUDPAddrPort(nil, s.addr()); err != nil {
		s.log.Debug("the reader is stopped without a packet", "error", err)
	}
	<-s.done
}

// tick sends the next 20 ms.
func (s *stream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() || !s.remote.IsValid() || s.remote.Port() == 0 {
		return
	}
	defer func() { s.out.Timestamp += frameSamples }()
	if len(s.keys) > 0 {
		if s.key() {
			return
		}
	}
	if !s.sending {
		return
	}
	payload := s.packet[12:]
	if s.nextVoice() {
		s.codec.encodeTo(payload, s.frame[:])
	} else {
		for i := range payload {
			payload[i] = s.codec.silence
		}
	}
	s.out.PayloadType = s.codec.payload
	s.out.Marker = s.sent == 0
	s.write(payload)
}

// write sends one packet whose payload may already lie in s.packet.
func (s *stream) write(payload []byte) {
	n, err := s.out.MarshalTo(s.packet[:])
	if err != nil {
		s.log.Error("marshal an RTP header", "error", err)
		return
	}
	copy(s.packet[n:], payload)
	s.out.SequenceNumber++
	s.sent++
	if _, err := s.conn.WriteToUDPAddrPort(s.packet[:n+len(payload)], s.remote); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("send RTP", "error", err)
	}
}

// nextVoice fills s.frame, or says that there is nothing to say.
func (s *stream) nextVoice() bool {
	v := &s.voice
	switch {
	case v.pcm != nil:
		n := copy(s.frame[:], v.pcm)
		clear(s.frame[n:])
		if v.pcm = v.pcm[n:]; len(v.pcm) == 0 {
			s.hush()
		}
		return true
	case v.freq > 0:
		for i := range s.frame {
			s.frame[i] = int16(8000 * math.Sin(v.phase))
			v.phase += 2 * math.Pi * v.freq / rate
		}
		v.phase = math.Mod(v.phase, 2*math.Pi)
		return true
	}
	return false
}

// hush ends what is said.
func (s *stream) hush() {
	if s.voice.said != nil {
		close(s.voice.said)
	}
	s.voice = voice{}
}

// key sends the frame of the key that is pressed; false while in the gap after it.
func (s *stream) key() bool {
	k := s.keys[0]
	k.frame++
	if k.frame > k.tone {
		if k.frame > k.tone+k.gap {
			close(k.endSent)
			s.keys = s.keys[1:]
			if len(s.keys) > 0 {
				return s.key()
			}
		}
		return false
	}
	if k.frame == 1 {
		k.ts = s.out.Timestamp
	}
	duration := uint16(k.frame * frameSamples)
	end := k.frame == k.tone
	payload := []byte{k.code, 10, byte(duration >> 8), byte(duration)}
	times := 1
	if end {
		payload[1] |= 0x80
		times = 3 // RFC 4733, 2.5.1.4
	}
	keep := s.out.Timestamp
	s.out.PayloadType, s.out.Timestamp, s.out.Marker = s.event, k.ts, k.frame == 1
	for range times {
		s.write(payload)
	}
	s.out.Timestamp, s.out.Marker = keep, false
	return true
}

// read takes what comes until the packet of hearOut.
func (s *stream) read() {
	defer close(s.done)
	buf, oob := make([]byte, 2048), make([]byte, 128)
	var h rtp.Header
	for {
		n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier packet: the other side may come back
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if n == 0 && from == s.addr() {
			return
		}
		at := arrivalTime(oob[:oobn])
		hn, err := h.Unmarshal(buf[:n])
		if err != nil || h.Version != 2 || n < hn || (h.PayloadType >= 64 && h.PayloadType < 96) { // RTCP
			continue
		}
		payload := buf[hn:n]
		if h.Padding && len(payload) > 0 {
			payload = payload[:max(len(payload)-int(payload[len(payload)-1]), 0)]
		}
		s.take(at, from, &h, payload)
	}
}

func (s *stream) take(at time.Time, from netip.AddrPort, h *rtp.Header, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.ended.IsZero() && at.After(s.ended):
	case from != s.remote:
		s.line.strays++
	case s.event != 0 && h.PayloadType == s.event:
		if len(payload) >= 4 && payload[1]&0x80 != 0 && h.Timestamp != s.lastKey && int(payload[0]) < len(keyNames) {
			s.lastKey = h.Timestamp
			s.pressed.WriteByte(keyNames[payload[0]])
		}
	case codecOfPayload(h.PayloadType) != nil:
		s.line.packet(at, h.SSRC, h.SequenceNumber, h.Timestamp, h.PayloadType, payload)
		close(s.fresh)
		s.fresh = make(chan struct{})
	}
}

// delays says when what was heard came.
func (s *stream) delays() marks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.line.marks)
}

// heard copies what was heard from the sample pos on; whole adds silence up to now.
func (s *stream) heard(pos int, whole bool) (wire []byte, fresh <-chan struct{}, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := time.Now().Add(-3 * frameTime) // what is on its way is not silence yet
	if !s.ended.IsZero() {
		end = s.ended
	}
	if pos < len(s.line.wire) {
		wire = append(wire, s.line.wire[pos:]...)
	}
	for whole && pos+len(wire) < samples(end.Sub(s.line.start)) {
		wire = append(wire, s.line.codec.silence)
	}
	return wire, s.fresh, s.closed
}
