package main

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"decroche/call"
	"decroche/e2e/softphone"
	"decroche/service"
	"decroche/speech"
	"decroche/web/api"
)

type callCmd struct {
	Number string        `arg:"" help:"The number to dial."`
	Keys   string        `help:"Keys to press, each after a prompt; with times: 1,2s,3."`
	Server string        `help:"Asterisk's SIP address; the deployment's by default."`
	From   string        `default:"+33639980001" help:"The caller's number; anonymous to withhold it."`
	Wait   time.Duration `default:"40s" help:"How long to stay on the line."`
	Save   string        `placeholder:"FILE" help:"Save what is heard as a WAV file."`
	Info   bool          `help:"Send keys by SIP INFO instead of RFC 4733."`
}

// Run places the call and prints what is heard.
func (cmd callCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	if _, err := call.ParseNumber(cmd.Number); err != nil {
		return fmt.Errorf("dial %q: %w", cmd.Number, err)
	}
	if cmd.Server == "" {
		cmd.Server = net.JoinHostPort(c.SIP.Bind, fmt.Sprint(c.SIP.Port))
	}
	prompts, err := e.knownPrompts(c)
	if err != nil {
		return err
	}
	return softphone.RunCall(e.ctx, softphone.CallOptions{
		Number: cmd.Number, Keys: cmd.Keys, Server: cmd.Server, From: cmd.From, Wait: cmd.Wait, Save: cmd.Save,
		INFO: cmd.Info, Prompts: prompts,
	}, e.stdout)
}

type phoneCmd struct {
	Agent  string        `help:"Be the telephone of this agent; without it, a citizen's, where the operator's trunk sends our calls."`
	Keys   string        `help:"Keys to press in each call, each after a prompt; with times: 2s,1."`
	Server string        `help:"Asterisk's SIP address; the deployment's by default."`
	Wait   time.Duration `default:"2m" help:"How long to stay in each call."`
	Save   string        `placeholder:"FILE" help:"Save what was heard in the last call as a WAV file."`
}

// Run waits for calls, answers them and prints what is heard.
func (cmd phoneCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	o := softphone.CallOptions{
		Server: cmp.Or(cmd.Server, net.JoinHostPort(c.SIP.Bind, fmt.Sprint(c.SIP.Port))), Keys: cmd.Keys, Wait: cmd.Wait, Save: cmd.Save,
	}
	if cmd.Agent != "" {
		o.User = cmd.Agent
		if o.Password, err = readSecret(filepath.Join(c.secretDir(), "agents", filepath.Base(cmd.Agent))); err != nil {
			return fmt.Errorf("%w (it is made when the controller starts with the agent in %s)", err, c.file)
		}
	} else {
		for _, t := range c.Trunks {
			if t.Name == c.callsOut() {
				o.Listen = t.Server
			}
		}
		if o.Listen == "" {
			return fmt.Errorf("no trunk in %s has a server: nobody is called", c.file)
		}
	}
	if o.Prompts, err = e.knownPrompts(c); err != nil {
		return err
	}
	return softphone.AwaitCalls(e.ctx, o, e.stdout)
}

// knownPrompts are the sounds that may be heard, to be recognised by. They are rendered
// already where the line has run.
func (e *env) knownPrompts(c *config) ([]softphone.CataloguePrompt, error) {
	def, err := service.ParseFile(c.Service)
	if err != nil {
		return nil, err
	}
	lib, err := c.library(def.Languages)
	if err != nil {
		return nil, err
	}
	var known []softphone.CataloguePrompt
	add := func(s call.Sound, err error) {
		if err == nil {
			known = append(known, softphone.CataloguePrompt{Name: s.Name, Lang: string(s.Lang), Text: s.Text, Path: s.Path + ".alaw"})
		}
	}
	for _, lang := range def.Languages {
		for _, id := range speech.IDs(lang) {
			add(lib.System(e.ctx, id, lang))
		}
	}
	var news []api.Message
	if err := e.ask("GET", "/api/messages", nil, &news); err == nil { // the line may run elsewhere
		for _, m := range news {
			for lang, text := range m.Text {
				add(lib.Text(e.ctx, fmt.Sprintf("message:%d", m.ID), lang, text))
			}
		}
	}
	v := voice{lib, &server{c: c}}
	for name, text := range def.Prompts {
		for lang, phrase := range text {
			add(v.Phrase(e.ctx, name, lang, phrase))
		}
	}
	for id, text := range def.Wording {
		for lang, phrase := range text {
			add(v.line(e.ctx, def, id, lang, phrase))
		}
	}
	return known, nil
}
