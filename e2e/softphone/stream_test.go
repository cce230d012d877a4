package softphone

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// The last words of a call are heard when the machine is too busy to have read them before its end.
func TestWhatCameBeforeTheEndIsHeardAfterIt(t *testing.T) {
	t.Parallel()
	s, err := openStream("127.0.0.1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("udp", s.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	s.set(udpAddrPort(peer.LocalAddr()), pcma, 101, false)
	const packets = 50
	sound := bytes.Repeat([]byte{0x11}, frameSamples)
	send := func(seq uint16) {
		h := rtp.Header{Version: 2, PayloadType: pcma.payload, SequenceNumber: seq, Timestamp: uint32(seq) * frameSamples, SSRC: 1}
		packet, err := h.Marshal()
		if err == nil {
			_, err = peer.Write(append(packet, sound...))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock() // the reader waits with the first packet in its hands
	for seq := range uint16(packets) {
		send(seq)
	}
	ended := make(chan struct{})
	go func() {
		s.close()
		close(ended)
	}()
	time.Sleep(10 * time.Millisecond)
	s.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(500 * time.Millisecond):
		t.Fatal("the end of the call waits for nothing")
	}
	if wire, _, closed := s.heard(0, false); bytes.Count(wire, sound) != packets || !closed {
		t.Errorf("heard %d packets of %d, closed: %v", bytes.Count(wire, sound), packets, closed)
	}
}
