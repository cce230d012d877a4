// Package ari is a client of the Asterisk REST Interface: commands over HTTP, events
// over one websocket per application. It knows channels, bridges and playbacks, and
// nothing of what they are used for.
//
// # Who owns what
//
// Client.Run owns the websocket: one goroutine reads it, one hands out. A Mailbox
// belongs to whoever opened it. Commands may come from any goroutine.
//
// # Order
//
// Ids are made by the caller: open a mailbox for an id, then create the channel, bridge or
// playback of that id, and no event of it is missed. A mailbox has its events in the
// order Asterisk sent them. An event nobody claimed goes to Run's unclaimed function, one at
// a time; what follows it about the same ids waits until that function has returned, so
// a function that opens a mailbox there misses nothing and sees nothing twice.
//
// After each connect, Run pushes *Resync to the mailboxes, then calls onUp while events
// already go to their mailboxes, then hands out what nobody claimed. Events that onUp's
// mailboxes claim late are moved to them, in order.
//
// # Failure
//
// Asterisk replays nothing: what happens while the websocket is down is lost. So a mailbox
// gets *Down when the connection is lost and *Resync when it is back, or when it was
// full, and its owner then reads its channels again. Commands never retry (but for StopPlayback); a 2xx on
// play or music means accepted, not done. Errors are *Error, which match ErrNotFound,
// ErrConflict, ErrUnauthorized and ErrUnavailable; a channel that is not found hung up.
//
// # Blocking commands
//
// Asterisk runs the commands of a channel one after the other, behind a playback: while
// a sound plays, Answer, AddToBridge and RemoveFromBridge on that channel wait until
// the whole list has played (and time out here). StopPlayback first; then they
// take a millisecond. Hangup does not wait.
package ari

//go:generate go run ./gen -from gen/testdata -to models_gen.go
// To take a newer Asterisk's description: go run ./gen -trim -from /usr/share/asterisk/rest-api -to gen/testdata
