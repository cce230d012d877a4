package phone

import "decroche/call"

// Measured on Asterisk 22.10.1: of a call that came in, ChannelDestroyed is never told, for
// the application lets the channel go with StasisEnd. What says why is ChannelHangupRequest,
// which comes before: 60 µs, and in the same order.
//
//	plain BYE                        cause 0
//	BYE with Reason: Q.850;cause=N   cause N (res_pjsip_rfc3326)
//	no RTP for rtp_timeout           soft, 1
//	SIGTERM to Asterisk              soft, 4
//	a command of ours                soft, 32

// Flags of a soft hang-up, one that began on Asterisk's side: its cause is no Q.850 cause.
const (
	softDevice   = 1 << 0 // the driver gave the channel up: no sound came any more
	softShutdown = 1 << 2 // Asterisk stops
)

// leftBecause says why a call ended whose channel was asked to hang up.
func leftBecause(cause int, soft bool) error {
	if soft {
		if cause&(softDevice|softShutdown) != 0 {
			return call.ErrCutOff
		}
		return call.ErrHangup
	}
	switch cause {
	case 0, 16, 31: // none told, normal clearing, normal
		return call.ErrHangup
	case 127: // between networks, unspecified: what gateways make of an ordinary end
		return call.ErrHangup
	}
	return call.ErrCutOff
}
