package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/store"
	"decroche/web/api"
)

// The commands of this file speak with the running controller over its HTTP interface.

// ask sends a request to the controller and reads its answer into out.
func (e *env) ask(method, path string, body, out any) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	token, err := readSecret(filepath.Join(c.secretDir(), "api-token"))
	if err != nil {
		return fmt.Errorf("%w (has the controller run with this data folder? it makes the token)", err)
	}
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(e.ctx, method, "http://"+c.Web.Listen+path, &payload)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", rand.Text())
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return fmt.Errorf("the controller does not answer on %s: %w: is it running?", c.Web.Listen, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if json.Unmarshal(raw, &refused) != nil || refused.Error == "" {
			refused.Error = res.Status
		}
		return fmt.Errorf("the controller refuses: %s", refused.Error)
	}
	return json.Unmarshal(raw, out)
}

type reloadCmd struct{}

// Run asks the controller to read its files again.
func (reloadCmd) Run(e *env) error {
	var out struct{ Status string }
	if err := e.ask("POST", "/api/reload", nil, &out); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, out.Status)
	return nil
}

type agentCmd struct {
	List        agentListCmd  `cmd:"" default:"1" help:"The agents and their state."`
	Available   agentStateCmd `cmd:"" help:"Takes calls (*10 on the phone)."`
	Pause       agentStateCmd `cmd:"" help:"Takes no calls for a while (*11)."`
	WrapupDone  agentStateCmd `cmd:"" help:"Has finished what follows a call (*12)."`
	WrapUp      wrapUpCmd     `cmd:"" help:"Say what a call was about, and whether it is resolved."`
	Survey      surveyCmd     `cmd:"" help:"Hand a call over to the survey: the caller is asked when the agent hangs up."`
	SignOut     agentStateCmd `cmd:"" help:"Goes home (*13)."`
	Credentials credsCmd      `cmd:"" help:"Where the password of the agent's phone is."`
}

type agentListCmd struct {
	JSON bool `help:"As JSON."`
}

// Run prints the agents.
func (cmd agentListCmd) Run(e *env) error {
	var list []routing.AgentStatus
	if err := e.ask("GET", "/api/agents", nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tNAME\tSTATE\tREASON\tSINCE\tANSWERED\tMISSED\tCALL\tPUBLIC\tSKILLS")
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", a.ID, a.Name, a.State, a.Reason, a.Since.Local().Format("15:04:05"), a.Answered, a.Missed, cmp.Or(a.Call, a.LastCall), a.Public, skills(a.Skills))
	}
	return w.Flush()
}

func skills(m map[string]int) string {
	raw, _ := json.Marshal(m) // sorted by key
	return strings.NewReplacer("{", "", "}", "", "\"", "", ",", " ").Replace(string(raw))
}

type agentStateCmd struct {
	Agent  string `arg:"" help:"The agent's number."`
	Reason string `arg:"" optional:"" help:"A word shown to colleagues."`
}

var agentStates = map[string]routing.AgentState{
	"available": routing.Available, "pause": routing.Paused, "wrapup-done": routing.WrapUpDone, "sign-out": routing.SignedOut,
}

// Run sets the state that the subcommand names.
func (cmd agentStateCmd) Run(e *env, verb agentVerb) error {
	var st routing.AgentStatus
	body := api.AgentState{State: agentStates[string(verb)], Reason: cmd.Reason}
	if err := e.ask("POST", "/api/agents/"+url.PathEscape(cmd.Agent)+"/state", body, &st); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s %s: %s", st.ID, st.Name, st.State)
	if st.Next != "" {
		fmt.Fprintf(e.stdout, ", then %s", st.Next)
	}
	fmt.Fprintln(e.stdout)
	return nil
}

// agentVerb is the subcommand's name.
type agentVerb string

type wrapUpCmd struct {
	Call       string `arg:"" help:"The call, as 'decroche agent list' shows it."`
	Agent      string `help:"The agent's number; by default who talked last on the call."`
	Reason     string `help:"The reason it turned out to have: one of the service's."`
	Resolved   bool   `xor:"word" help:"The citizen has what they called for."`
	Unresolved bool   `xor:"word" help:"They have not."`
}

// Run tells what the agent says of the call.
func (cmd wrapUpCmd) Run(e *env) error {
	body := api.WrapUp{Agent: call.AgentID(cmd.Agent), Reason: cmd.Reason}
	if cmd.Resolved || cmd.Unresolved {
		body.Resolved = &cmd.Resolved
	}
	var said api.WrapUp
	if err := e.ask("POST", "/api/calls/"+url.PathEscape(cmd.Call)+"/wrap-up", body, &said); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "call %s, agent %s:", cmd.Call, said.Agent)
	if said.Reason != "" {
		fmt.Fprintf(e.stdout, " reason %s", said.Reason)
	}
	if said.Resolved != nil {
		fmt.Fprintf(e.stdout, " %s", map[bool]string{true: "resolved", false: "not resolved"}[*said.Resolved])
	}
	fmt.Fprintln(e.stdout)
	return nil
}

type surveyCmd struct {
	Call string `arg:"" help:"The call, as 'decroche agent list' shows it."`
}

// Run hands the call over.
func (cmd surveyCmd) Run(e *env) error {
	var said api.HandedOver
	if err := e.ask("POST", "/api/calls/"+url.PathEscape(cmd.Call)+"/survey", nil, &said); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "call %s: the caller is asked when the agent hangs up\n", said.Call)
	return nil
}

type credsCmd struct {
	Agent string `arg:"" help:"The agent's number."`
}

// Run tells how to set up the agent's phone; the password stays in its file.
func (cmd credsCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	path := filepath.Join(c.secretDir(), "agents", filepath.Base(cmd.Agent))
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("agent %s has no password yet: it is made when the controller starts with the agent in %s", cmd.Agent, c.file)
	}
	fmt.Fprintf(e.stdout, "user %s  server %s:%d  password in %s\n", cmd.Agent, c.SIP.Bind, c.SIP.Port, path)
	return nil
}

type queuesCmd struct{}

// Run prints the queues.
func (queuesCmd) Run(e *env) error {
	var list []routing.QueueStatus
	if err := e.ask("GET", "/api/queues", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE\tWAITING\tLONGEST\tESTIMATE\tTALKING\tSIGNED IN\tAVAILABLE\tANSWERED\tABANDONED\tREFUSED")
	for _, q := range list {
		estimate := "unknown"
		if q.Estimate.Known {
			estimate = q.Estimate.Point.Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", q.ID, q.Waiting, q.LongestWait.Round(time.Second), estimate, q.Talking, q.SignedIn, q.Available, q.Answered, q.Abandoned, q.Refused)
	}
	return w.Flush()
}

type messageCmd struct {
	Publish publishCmd `cmd:"" help:"Say a message to every caller, from now to its end."`
	List    listCmd    `cmd:"" help:"The messages."`
	Stop    stopCmd    `cmd:"" help:"End a message at once."`
}

type publishCmd struct {
	Text    string `required:"" help:"What is said."`
	Lang    string `default:"fr" help:"The language of --text."`
	TextFr  string `help:"The French wording, when --text is in another language."`
	Queue   string `help:"Only for callers of this queue."`
	Replace bool   `help:"Say it in place of the journey: nobody gets further."`
	Offer   string `help:"What is offered after it: callback, exit (to end the call), or link: and the name of a link."`
	Instead int64  `placeholder:"ID" help:"The message whose place it takes when it begins: with the same words, callers are not told twice."`
	From    string `help:"When it begins: 14:30, or 2026-11-30T14:30:00+01:00; now by default."`
	Until   string `required:"" help:"When it ends: 18:00, or 2026-11-30T18:00:00+01:00."`
}

// Run publishes the message.
func (cmd publishCmd) Run(e *env) error {
	text := map[call.Lang]string{call.Lang(cmd.Lang): cmd.Text}
	if cmd.TextFr != "" {
		text["fr"] = cmd.TextFr
	}
	body := api.Message{Text: text, Queue: cmd.Queue, Replace: cmd.Replace, Offer: cmd.Offer, Instead: cmd.Instead, From: cmd.From, Until: cmd.Until, By: who()}
	var m api.Message
	if err := e.ask("POST", "/api/messages", body, &m); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "message %d is heard until %s; to end it before: decroche message stop %d\n", m.ID, m.Until, m.ID)
	return nil
}

// who names the person at the keyboard, for the history of messages.
func who() string {
	if u := os.Getenv("SUDO_USER"); u != "" {
		return u
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

type listCmd struct {
	All bool `help:"Those that are over too."`
}

// Run prints the messages.
func (cmd listCmd) Run(e *env) error {
	path := "/api/messages"
	if cmd.All {
		path += "?all=1"
	}
	var list []api.Message
	if err := e.ask("GET", path, nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNOW\tUNTIL\tQUEUE\tREPLACES\tBY\tTEXT")
	for _, m := range list {
		now := map[bool]string{true: "heard", false: "silent"}[m.Active]
		if m.Held {
			now = "waits for a second person"
		}
		if m.Stopped != "" {
			now = "stopped by " + m.StoppedBy
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%t\t%s\t%s\n", m.ID, now, m.Until, m.Queue, m.Replace, m.By, m.Text["fr"])
	}
	return w.Flush()
}

type stopCmd struct {
	ID int64 `arg:"" help:"The message's number."`
}

// Run stops a message.
func (cmd stopCmd) Run(e *env) error {
	var m api.Message
	if err := e.ask("POST", fmt.Sprintf("/api/messages/%d/stop?by=%s", cmd.ID, url.QueryEscape(who())), nil, &m); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "message %d is not heard any more\n", m.ID)
	return nil
}

type journalCmd struct {
	Call  string        `help:"Only this call."`
	Since time.Duration `default:"24h" help:"How far back."`
}

// Run prints the journal, a fact a line, as JSON.
func (cmd journalCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	db, err := store.Open(e.ctx, store.Options{URL: c.Database, PasswordFile: c.DatabasePasswordFile, DataDir: c.Data, Tool: true})
	if err != nil {
		return err
	}
	defer db.Close()
	out := json.NewEncoder(e.stdout)
	filter := store.Filter{Call: call.ID(cmd.Call), Since: time.Now().Add(-cmd.Since)}
	return db.Journal().Read(e.ctx, filter, func(entry store.Entry) error {
		return out.Encode(map[string]any{
			"id": entry.ID, "at": entry.At.Format(time.RFC3339Nano), "call": entry.Call, "kind": entry.Kind, "data": entry.Data,
		})
	})
}
