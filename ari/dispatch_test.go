package ari

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// filled makes an event of a type with every field set, ids all different.
func filled(t *testing.T, e Event) string {
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Interface().(type) {
		case Date:
			v.Set(reflect.ValueOf(Date{time.UnixMilli(1_795_000_000_123).UTC()}))
			return
		case json.RawMessage:
			v.Set(reflect.ValueOf(json.RawMessage(`{"id":"not-an-id","target_uri":"channel:nor-this","o":{"id":"no"}}`)))
			return
		}
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.String:
			n++
			v.SetString(fmt.Sprintf("x:%d \"é\\{", n))
		}
	}
	fill(reflect.ValueOf(e).Elem())
	h := reflect.ValueOf(e).Elem().FieldByName("Header").Addr().Interface().(*Header)
	h.Kind = reflect.TypeOf(e).Elem().Name()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var kinds = []string{
	"StasisStart", "StasisEnd", "ChannelDestroyed", "ChannelHangupRequest", "ChannelDtmfReceived", "ChannelStateChange",
	"ChannelHold", "ChannelUnhold", "ChannelEnteredBridge", "ChannelLeftBridge", "BridgeDestroyed", "BridgeBlindTransfer",
	"BridgeAttendedTransfer", "ChannelTransfer", "PlaybackStarted", "PlaybackContinuing", "PlaybackFinished", "Dial",
	"ApplicationReplaced", "ApplicationMoveFailed", "DeviceStateChanged", "EndpointStateChange", "PeerStatusChange", "ContactStatusChange",
}

func TestScanFindsTheSameTypeAndIdsAsAFullDecode(t *testing.T) {
	var s scanner
	for _, kind := range kinds {
		e := newEvent(kind)
		if e == nil {
			t.Fatalf("%s is not generated", kind)
		}
		msg := filled(t, e)
		if err := s.scan([]byte(msg)); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got := newEvent(kind)
		if err := json.Unmarshal([]byte(msg), got); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		var ids []string
		for _, id := range s.ids {
			ids = append(ids, string(id))
		}
		full := got.IDs()
		sort.Strings(ids)
		sort.Strings(full)
		if string(s.kind) != kind || !slices.Equal(ids, full) {
			t.Errorf("%s: scan found %s %q, decode %q", kind, s.kind, ids, full)
		}
		if got.Type() != kind || got.Time().UnixMilli() != 1_795_000_000_123 {
			t.Errorf("%s: type %s time %v", kind, got.Type(), got.Time())
		}
	}
}

func FuzzScanNeverAcceptsWhatJSONRefusesToWalkNorPanics(f *testing.F) {
	f.Add([]byte(digit("c1", "5")))
	f.Add([]byte(`{"type":"a","b":[1,{"id":"\u00e9\"x"}],"channelvars":{"id":"n"}} `))
	f.Add([]byte(`{"a":"\`))
	f.Add([]byte(strings.Repeat(`{"a":`, 100)))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var s scanner
		err := s.scan(msg)
		var o map[string]any
		if json.Unmarshal(msg, &o) == nil && o != nil && err != nil && strings.Count(string(msg), "{")+strings.Count(string(msg), "[") < maxDepth {
			t.Fatalf("scan refuses %q: %v", msg, err)
		}
	})
}

func TestEventAboutTwoMailboxesReachesEachOnce(t *testing.T) {
	c := New(Config{})
	a, b := c.Open("t1", "t2"), c.Open("br")
	again := c.Open("t2")
	take(t, c, `{"type":"BridgeAttendedTransfer","transferer_first_leg":{"id":"t1"},"transferer_second_leg":{"id":"t2"},"transferer_first_leg_bridge":{"id":"br"}}`)
	for _, m := range []*Mailbox{a, b, again} {
		if len(m.ch) != 1 {
			t.Fatalf("%d events, want 1 each", len(m.ch))
		}
	}
}

func TestRemovedIdAndClosedMailboxGetNoMore(t *testing.T) {
	c := New(Config{})
	m := c.Open("a", "b")
	m.Add("c")
	m.Remove("a")
	take(t, c, digit("a", "1"))
	take(t, c, digit("c", "2"))
	m.Close()
	m.Close()
	take(t, c, digit("b", "3"))
	m.Add("d")
	e, err := m.Next(t.Context())
	if err != nil || e.IDs()[0] != "c" {
		t.Fatalf("event %v, error %v", e, err)
	}
	if _, err := m.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatalf("error %v after Close", err)
	}
	if s := c.Stats(); s.Held != 2 || s.Mailboxes != 0 || len(c.d.byID) != 0 {
		t.Fatalf("stats %+v, claims %v", s, c.d.byID)
	}
}

func TestLossBehindAnUnreadResyncIsCoveredByAnother(t *testing.T) {
	c := New(Config{MailboxSize: 2})
	m := c.Open("a")
	for _, k := range []string{"1", "2", "lost", "lost"} {
		take(t, c, digit("a", k))
	}
	<-m.Events()
	<-m.Events() // the Resync is next
	take(t, c, digit("a", "3"))
	take(t, c, digit("a", "lost")) // behind 3: the first Resync does not cover it
	want[*Resync](t, m.Events())
	want[*ChannelDtmfReceived](t, m.Events())
	want[*Resync](t, m.Events())
	if m.Lost() != 3 {
		t.Fatalf("lost %d", m.Lost())
	}
}

func TestTooManyHeldEventsEndTheConnection(t *testing.T) {
	c := New(Config{})
	c.d.heldN = 3
	r := runner{Client: c}
	var s scanner
	for i := range 3 {
		if err := r.take(&s, []byte(digit(fmt.Sprint(i), "1"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.take(&s, []byte(digit("4", "1"))); !errors.Is(err, errBacklog) {
		t.Fatalf("error %v", err)
	}
	c.d.discard()
	if c.Stats().Discarded != 3 {
		t.Fatalf("stats %+v", c.Stats())
	}
}

func take(t *testing.T, c *Client, msg string) {
	t.Helper()
	r := runner{Client: c}
	if err := r.take(new(scanner), []byte(msg)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkScan(b *testing.B) {
	msg := []byte(digit("1795000000.1", "5"))
	var s scanner
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.scan(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeAndDispatch is all that one event costs, from its bytes to its mailbox, with
// 1,000 mailboxes open.
func BenchmarkDecodeAndDispatch(b *testing.B) {
	c := New(Config{MailboxSize: 4})
	boxes := make([]*Mailbox, 1000)
	msgs := make([][]byte, len(boxes))
	for i := range boxes {
		id := fmt.Sprintf("1795000000.%d", i)
		boxes[i], msgs[i] = c.Open(id), []byte(digit(id, "5"))
	}
	r := runner{Client: c}
	var s scanner
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i % len(boxes)
		if err := r.take(&s, msgs[k]); err != nil {
			b.Fatal(err)
		}
		<-boxes[k].Events()
	}
}
