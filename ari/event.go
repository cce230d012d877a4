package ari

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Event is something that happened: one of the generated types, *Down or *Resync.
// Switch on its Go type.
type Event interface {
	// Type is Asterisk's name of the event.
	Type() string
	// IDs are the channels, bridges and playbacks it is about.
	IDs() []string
	// Time is when Asterisk made it, by Asterisk's clock.
	Time() time.Time
}

// Header is what every event has.
type Header struct {
	Kind        string `json:"type"`
	Application string `json:"application"`
	Timestamp   Date   `json:"timestamp"`
	AsteriskID  string `json:"asterisk_id"`
}

// Type is Asterisk's name of the event.
func (h *Header) Type() string { return h.Kind }

// Time is when Asterisk made the event.
func (h *Header) Time() time.Time { return h.Timestamp.Time }

// Down says that the connection is lost: until Resync no event will come, though the
// channels live on.
type Down struct {
	// Err is why.
	Err error
	at  time.Time
}

// Resync says that events may have been lost: read again what you own.
type Resync struct {
	Reason ResyncReason
	at     time.Time
}

// ResyncReason says why a Resync was sent.
type ResyncReason string

const (
	// Reconnected: the connection was lost and is back.
	Reconnected ResyncReason = "reconnected"
	// Overflowed: the mailbox was full.
	Overflowed ResyncReason = "overflowed"
	// Undecodable: an event about one of the mailbox's ids could not be read.
	Undecodable ResyncReason = "undecodable"
)

// Type is "Down", which no Asterisk event is called.
func (*Down) Type() string { return "Down" }

// IDs is empty: it concerns all that the mailbox claims.
func (*Down) IDs() []string { return nil }

// Time is when the loss was noticed, by this machine's clock.
func (d *Down) Time() time.Time { return d.at }

// Type is "Resync", which no Asterisk event is called.
func (*Resync) Type() string { return "Resync" }

// IDs is empty: it concerns all that the mailbox claims.
func (*Resync) IDs() []string { return nil }

// Time is when it was sent, by this machine's clock.
func (r *Resync) Time() time.Time { return r.at }

// Date is a time as Asterisk writes it: 2026-11-22T21:24:57.847+0000.
type Date struct{ time.Time }

const dateLayout = "2006-01-02T15:04:05.000-0700"

// UnmarshalJSON reads Asterisk's form and RFC 3339.
func (d *Date) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == "" {
		d.Time = time.Time{}
		return nil
	}
	t, err := time.Parse(dateLayout, s)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, s); err != nil {
			return fmt.Errorf("read date %q: %w", s, err)
		}
	}
	d.Time = t
	return nil
}

// MarshalJSON writes Asterisk's form.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.Format(dateLayout)) }

// Var is the value of a variable that ari.conf's channelvars makes part of every
// channel, or "".
func (c Channel) Var(name string) string {
	var vars map[string]json.RawMessage
	if json.Unmarshal(c.Channelvars, &vars) != nil {
		return ""
	}
	var s string
	if json.Unmarshal(vars[name], &s) != nil {
		return ""
	}
	return s
}

func appendID(ids []string, id string) []string {
	if id == "" || slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// appendTarget adds the id in a target_uri: "channel:ID" or "bridge:ID".
func appendTarget(ids []string, uri string) []string {
	_, id, _ := strings.Cut(uri, ":")
	return appendID(ids, id)
}
