package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/links"
	"decroche/web/api"
)

type callbacksCmd struct {
	List   callbacksListCmd   `cmd:"" default:"withargs" help:"The promises to call back."`
	Show   callbacksShowCmd   `cmd:"" help:"One promise, with its attempts."`
	Add    callbacksAddCmd    `cmd:"" help:"Promise a callback to a citizen."`
	Move   callbacksMoveCmd   `cmd:"" help:"Move a promise to another slot, or to the line."`
	Cancel callbacksCancelCmd `cmd:"" help:"Cancel a promise; the citizen is told by SMS."`
	Slots  callbacksSlotsCmd  `cmd:"" help:"The free slots of a queue."`
}

type callbacksListCmd struct {
	State string `default:"live" help:"live, settled, all, or one state: pending, in_line, calling, kept, unreachable, cancelled, answered."`
	Queue string `help:"Only this queue."`
	JSON  bool   `help:"As JSON."`
}

// Run prints the promises.
func (cmd callbacksListCmd) Run(e *env) error {
	var list []api.Callback
	query := url.Values{"state": {cmd.State}}
	if cmd.Queue != "" {
		query.Set("queue", cmd.Queue)
	}
	if err := e.ask("GET", "/api/callbacks?"+query.Encode(), nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tQUEUE\tREASON\tNUMBER\tPROMISED\tNEXT\tTRIES\tASKED\tFROM")
	for _, p := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", p.ID, state(p), p.Queue, p.Reason, p.Number,
			promised(p.Promise), shortTime(p.Due), p.Tries, shortTime(p.Asked), p.Origin)
	}
	return w.Flush()
}

func state(p api.Callback) string {
	if p.Late {
		return string(p.State) + " (late)"
	}
	return string(p.State)
}

// promised says in a word what was promised.
func promised(p callback.Promise) string {
	if p.Kind == callback.Slot {
		return shortTime(p.Slot)
	}
	return "place in line"
}

func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04")
}

type callbacksShowCmd struct {
	ID   string `arg:"" help:"The promise."`
	JSON bool   `help:"As JSON."`
}

// Run prints one promise.
func (cmd callbacksShowCmd) Run(e *env) error {
	var p api.Callback
	if err := e.ask("GET", "/api/callbacks/"+url.PathEscape(cmd.ID), nil, &p); err != nil {
		return err
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(p)
	}
	return printCallback(e.stdout, p)
}

func printCallback(out io.Writer, p api.Callback) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, row := range [][2]string{
		{"promise", string(p.ID)},
		{"state", strings.TrimSpace(state(p) + " " + p.SettledBy)},
		{"number", p.Number},
		{"through", relayName(p.Relay)},
		{"zone", p.Zone},
		{"queue", p.Queue},
		{"reason", p.Reason},
		{"language", string(p.Lang)},
		{"promised", promised(p.Promise) + ", at the latest " + shortTime(p.By)},
		{"asked", shortTime(p.Asked) + " (" + string(p.Origin) + scored(p.Score) + ")"},
		{"next", shortTime(p.Due)},
		{"contact", string(p.Contact)},
		{"version", fmt.Sprint(p.Version)},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	for _, a := range p.History {
		fmt.Fprintf(w, "attempt %d\t%s  agent %s  %s  call %s\n", a.N, a.Started.Local().Format("2006-01-02 15:04:05"), a.Agent,
			cmp.Or(string(a.Result), "under way"), a.Call)
	}
	return w.Flush()
}

// relayName is the relay centre that is called.
func relayName(n call.Number) string {
	if n == call.Withheld {
		return ""
	}
	return "the relay centre, " + n.Spoken()
}

// scored is the answer to a survey that a promise was made for.
func scored(score int) string {
	if score == 0 {
		return ""
	}
	return fmt.Sprintf(": %d out of 5", score)
}

type callbacksAddCmd struct {
	Number string    `arg:"" help:"The citizen's number."`
	Queue  string    `required:"" help:"The queue that calls back."`
	Slot   string    `help:"10:15, or 2026-11-30T10:15:00+01:00; without it the citizen keeps a place in line from now."`
	Reason string    `help:"A reason of the service."`
	Lang   call.Lang `default:"fr" help:"The citizen's language."`
	Relay  bool      `help:"Call the citizen through the relay centre."`
	Zone   string    `help:"Where the citizen will be, such as Pacific/Noumea; where the number is from by default."`
}

// Run makes a promise.
func (cmd callbacksAddCmd) Run(e *env) error {
	body := api.NewCallback{Number: cmd.Number, Queue: cmd.Queue, Slot: cmd.Slot, Reason: cmd.Reason, Lang: cmd.Lang, Relay: cmd.Relay, Zone: cmd.Zone, By: who()}
	var p api.Callback
	if err := e.ask("POST", "/api/callbacks", body, &p); err != nil {
		return err
	}
	if p.Existing {
		fmt.Fprintln(e.stdout, "this number has a promise already:")
	}
	return printCallback(e.stdout, p)
}

type callbacksMoveCmd struct {
	ID      string `arg:"" help:"The promise."`
	Slot    string `help:"10:15, or 2026-11-30T10:15:00+01:00; without it: a place in line."`
	Version int64  `help:"Only if the promise still has this version."`
}

// Run moves a promise.
func (cmd callbacksMoveCmd) Run(e *env) error {
	var p api.Callback
	body := api.NewCallback{Slot: cmd.Slot, Version: cmd.Version, By: who()}
	if err := e.ask("POST", "/api/callbacks/"+url.PathEscape(cmd.ID)+"/move", body, &p); err != nil {
		return err
	}
	return printCallback(e.stdout, p)
}

type callbacksCancelCmd struct {
	ID string `arg:"" help:"The promise."`
}

// Run cancels a promise.
func (cmd callbacksCancelCmd) Run(e *env) error {
	var p api.Callback
	if err := e.ask("POST", "/api/callbacks/"+url.PathEscape(cmd.ID)+"/cancel?by="+url.QueryEscape(who()), nil, &p); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "promise %s is cancelled\n", p.ID)
	return nil
}

type callbacksSlotsCmd struct {
	Queue  string `arg:"" help:"The queue."`
	Number string `arg:"" help:"The citizen's number: slots are in the citizen's day."`
}

// Run prints the free slots.
func (cmd callbacksSlotsCmd) Run(e *env) error {
	var list []string
	if err := e.ask("GET", "/api/slots?"+url.Values{"queue": {cmd.Queue}, "number": {cmd.Number}}.Encode(), nil, &list); err != nil {
		return err
	}
	for _, at := range list {
		fmt.Fprintln(e.stdout, at)
	}
	return nil
}

type smsCmd struct {
	List  smsListCmd  `cmd:"" default:"1" help:"The messages sent and to be sent, the newest first."`
	Inbox smsInboxCmd `cmd:"" help:"The messages received."`
}

type smsListCmd struct{}

// Run prints the outbox.
func (smsListCmd) Run(e *env) error {
	var list []api.Text
	if err := e.ask("GET", "/api/sms", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCREATED\tTO\tPURPOSE\tSTATE\tTEXT")
	for _, m := range list {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Created.Local().Format("2006-01-02 15:04:05"), m.To, m.Purpose,
			strings.TrimSpace(string(m.State)+" "+m.Error), strings.ReplaceAll(m.Text, "\n", " "))
	}
	return w.Flush()
}

type smsInboxCmd struct{}

// Run prints the inbox.
func (smsInboxCmd) Run(e *env) error {
	var list []api.ReceivedText
	if err := e.ask("GET", "/api/sms/inbox", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tFROM\tHANDLED\tTEXT")
	for _, m := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.At.Local().Format("2006-01-02 15:04:05"), m.From, m.Handled, strings.ReplaceAll(m.Text, "\n", " "))
	}
	return w.Flush()
}

type linksCmd struct {
	List linksListCmd `cmd:"" default:"1" help:"The sites that callers are sent to, and whether they work."`
	Set  linksSetCmd  `cmd:"" help:"Switch a link: off while its site is down, on in spite of its check, or auto."`
}

type linksListCmd struct{}

// Run prints the links.
func (linksListCmd) Run(e *env) error {
	var list []links.Status
	if err := e.ask("GET", "/api/links", nil, &list); err != nil {
		return err
	}
	return printLinks(e.stdout, list)
}

func printLinks(out io.Writer, list []links.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "LINK\tSWITCH\tWORKS\tSINCE\tWHY\tADDRESS")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%s\n", l.ID, l.State, l.Healthy, shortTime(l.Since.Local()), cmp.Or(l.Why, l.LastError), l.URL)
	}
	return w.Flush()
}

type linksSetCmd struct {
	Link  string `arg:"" help:"The link's name in the service definition."`
	State string `arg:"" enum:"auto,on,off" help:"auto, on or off."`
	Why   string `arg:"" optional:"" help:"Why, for colleagues."`
}

// Run switches a link.
func (cmd linksSetCmd) Run(e *env) error {
	var list []links.Status
	body := api.LinkSwitch{State: cmd.State, Why: cmd.Why, By: who()}
	if err := e.ask("POST", "/api/links/"+url.PathEscape(cmd.Link), body, &list); err != nil {
		return err
	}
	return printLinks(e.stdout, list)
}
