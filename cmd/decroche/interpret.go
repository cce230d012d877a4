package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"

	"decroche/call"
	"decroche/phone"
	"decroche/web/api"
)

// interpret asks the interpreter of a language into a call.
func (s *server) interpret(ctx context.Context, id call.ID, lang string) error {
	i := s.def.Load().Interpreters[lang]
	if i == nil {
		return fmt.Errorf("%w: the service has no interpreter %q", api.ErrNoInterpreter, lang)
	}
	err := s.x.Invite(ctx, id, call.Guest{Name: lang, Number: i.Number, Trunk: cmp.Or(i.Trunk, s.c.callsOut()), Show: s.def.Load().Present})
	if errors.Is(err, phone.ErrNoTalk) || errors.Is(err, phone.ErrGuestThere) {
		err = fmt.Errorf("%w: %w", api.ErrNoInterpreter, err)
	}
	return err
}

// guest tells the journal what becomes of an interpreter, and what it costs.
func (s *server) guest(id call.ID, e call.GuestEvent) {
	data := map[string]any{"what": e.What, "name": e.Name, "agent": e.Agent}
	switch e.What {
	case call.GuestUnreached:
		data["why"] = e.Result
	case call.GuestLeft:
		data["talk_ms"] = e.Talked.Milliseconds()
		if i := s.def.Load().Interpreters[e.Name]; i != nil && i.PerMinute > 0 {
			data["cost"] = math.Round(i.PerMinute*e.Talked.Minutes()*1e4) / 1e4
		}
	}
	s.live.Append(call.NewEvent(id, call.EventInterpreter, data))
}

type interpreterCmd struct {
	Call  string `arg:"" help:"The call that an agent talks on: decroche agent list has it."`
	Lang  string `arg:"" optional:"" help:"The language, a name in \"interpreters\" of the definition."`
	Leave bool   `help:"Let the interpreter go."`
}

// Run asks an interpreter into a call, or lets them go.
func (cmd interpreterCmd) Run(e *env) error {
	var said api.Interpreted
	if err := e.ask("POST", "/api/calls/"+url.PathEscape(cmd.Call)+"/interpreter", api.NewInterpreter{Lang: cmd.Lang, Leave: cmd.Leave}, &said); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "call %s: interpreter %s %s\n", said.Call, said.Lang, said.State)
	return nil
}
