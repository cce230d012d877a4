// Package softphone is a telephone without a loudspeaker: SIP and RTP over UDP, for
// tests that must hear what a caller hears, and for `decroche call`.
//
// A Phone owns one SIP socket; each Call owns one RTP socket, one goroutine that reads
// it and one place in the pacer that sends 20 ms of sound to all calls of the process.
// What arrives is laid on a time line that begins with the INVITE (Recording), gaps
// included, so that "when was which prompt heard" has an answer (Index, Listener).
//
// Ordering: Dial returns once the call is answered and its ACK is sent; sound received
// before (early media) is on the recording. Done closes after the RTP goroutine has
// ended. Phone.Close hangs up what is still up, at most 500 ms each and all at once,
// then waits for every goroutine it started; Vanish does the same without a word to
// the other side, like a phone whose plug is pulled. A failure of the network ends
// nothing by itself: requests time out and say so.
//
// Sound is G.711 A-law (the default) or µ-law, 8 kHz, mono.
package softphone
