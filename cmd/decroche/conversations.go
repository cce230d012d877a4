package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"decroche/call"
	"decroche/chat"
	"decroche/sms"
	"decroche/web/api"
	"decroche/web/public"
)

// assembleChats makes the office that answers in writing.
func (s *server) assembleChats(signer *public.Signer) {
	s.chats = &chat.Office{
		Store: s.db.Conversations(), Service: s.def.Load, Journal: s.live, Blocked: s.db.SMS().Blocked, Changed: s.deskChanged, Log: s.log,
		RelayURL: func(lang call.Lang) string {
			if def := s.def.Load(); !def.Callback.On || def.RelayNumber() == call.Withheld {
				return ""
			}
			return signer.RelayURL(lang)
		},
	}
	s.desk.inbox.Talk = func(ctx context.Context, in sms.Incoming) (bool, error) {
		return s.chats.Texted(ctx, in, cmp.Or(s.langOf(ctx, in.From), s.def.Load().Languages[0]))
	}
}

// pagesChats is what the public pages need of conversations.
type pagesChats struct {
	*chat.Office
	chat.Store
}

type conversationsCmd struct {
	List  conversationsListCmd  `cmd:"" default:"withargs" help:"The conversations in writing; who waits for longest first."`
	Show  conversationsShowCmd  `cmd:"" help:"One conversation, with its messages."`
	Say   conversationsSayCmd   `cmd:"" help:"Answer in a conversation."`
	Close conversationsCloseCmd `cmd:"" help:"Close a conversation."`
}

type conversationsListCmd struct {
	State string `default:"open" help:"open, waiting, answered, closed or all."`
	Queue string `help:"Only this queue."`
	JSON  bool   `help:"As JSON."`
}

// Run prints the conversations.
func (cmd conversationsListCmd) Run(e *env) error {
	query := url.Values{"state": {cmd.State}}
	if cmd.Queue != "" {
		query.Set("queue", cmd.Queue)
	}
	var list []api.Conversation
	if err := e.ask("GET", "/api/conversations?"+query.Encode(), nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tSINCE\tBY\tNUMBER\tQUEUE\tLANGUAGE\tAGENT\tMESSAGES")
	for _, c := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", c.ID, c.State, shortTime(c.Since), c.Channel, c.Number, c.Queue, c.Lang, c.Agent, c.Last)
	}
	return w.Flush()
}

type conversationsShowCmd struct {
	ID   string `arg:"" help:"The conversation."`
	JSON bool   `help:"As JSON."`
}

// Run prints one conversation.
func (cmd conversationsShowCmd) Run(e *env) error {
	var c api.Conversation
	if err := e.ask("GET", "/api/conversations/"+url.PathEscape(cmd.ID), nil, &c); err != nil {
		return err
	}
	return e.tellConversation(c, cmd.JSON)
}

func (e *env) tellConversation(c api.Conversation, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(e.stdout).Encode(c)
	}
	fmt.Fprintf(e.stdout, "%s  %s since %s, by %s %s, agent %s\n", c.ID, c.State, shortTime(c.Since), c.Channel, c.Number, cmp.Or(string(c.Agent), "none"))
	for _, m := range c.Messages {
		who := cmp.Or(string(m.Agent), string(m.Author))
		fmt.Fprintf(e.stdout, "%s  %s%s: %s\n", shortTime(m.At), who, strings.TrimRight(" "+string(m.SMS), " "), strings.ReplaceAll(m.Text, "\n", "\n    "))
	}
	return nil
}

type conversationsSayCmd struct {
	ID       string `arg:"" help:"The conversation."`
	Text     string `arg:"" help:"What is answered."`
	Agent    string `required:"" help:"Who answers."`
	TakeOver bool   `help:"Take it over from another agent."`
	JSON     bool   `help:"As JSON."`
}

// Run answers.
func (cmd conversationsSayCmd) Run(e *env) error {
	var c api.Conversation
	body := api.NewMessage{Agent: call.AgentID(cmd.Agent), Text: cmd.Text, TakeOver: cmd.TakeOver}
	if err := e.ask("POST", "/api/conversations/"+url.PathEscape(cmd.ID)+"/messages", body, &c); err != nil {
		return err
	}
	return e.tellConversation(c, cmd.JSON)
}

type conversationsCloseCmd struct {
	ID    string `arg:"" help:"The conversation."`
	Agent string `required:"" help:"Who closes it."`
}

// Run closes one.
func (cmd conversationsCloseCmd) Run(e *env) error {
	var c api.Conversation
	if err := e.ask("POST", "/api/conversations/"+url.PathEscape(cmd.ID)+"/close", api.NewMessage{Agent: call.AgentID(cmd.Agent)}, &c); err != nil {
		return err
	}
	return e.tellConversation(c, false)
}
