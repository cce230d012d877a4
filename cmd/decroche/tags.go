package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"decroche/call"
	"decroche/tags"
	"decroche/web/api"
)

// assembleTags makes the office that knows what callers want known of them.
func (s *server) assembleTags() error {
	secret, err := s.c.secret("tag-key")
	if err != nil {
		return err
	}
	s.tags = &tags.Office{Store: s.db.Tags(), Service: s.def.Load, Journal: s.live, Secret: []byte(secret), Log: s.log}
	s.journey.Tags, s.office.Registers["tags"] = s.tags, s.tags
	return nil
}

type tagsCmd struct {
	List   tagsListCmd   `cmd:"" default:"withargs" help:"The callers who have tags."`
	Of     tagsOfCmd     `cmd:"" help:"What is known of one caller. The number is read from the standard input."`
	Set    tagsSetCmd    `cmd:"" help:"Tag a caller who has agreed to it. The number is read from the standard input."`
	Remove tagsRemoveCmd `cmd:"" help:"Take a tag back. The number is read from the standard input."`
}

type tagsListCmd struct {
	JSON bool `help:"As JSON."`
}

// Run prints everybody who has tags.
func (cmd tagsListCmd) Run(e *env) error {
	var list []api.Tagged
	if err := e.ask("GET", "/api/tags", nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	return e.printTags(list...)
}

func (e *env) printTags(list ...api.Tagged) error {
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tTAG\tVALUE\tUNTIL\tBY\tREASON")
	for _, p := range list {
		for _, t := range p.Tags {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Number, t.Kind, t.Value, shortTime(t.Until), t.By, t.Reason)
		}
	}
	return w.Flush()
}

// askTags posts a change of a caller's tags, or a question about them.
func (e *env) askTags(path string, body api.NewTag) error {
	number, err := stdinNumber(os.Stdin, e.stderr)
	if err != nil {
		return err
	}
	body.Number = number
	var now api.Tagged
	if err := e.ask("POST", path, body, &now); err != nil {
		return err
	}
	return e.printTags(now)
}

type tagsOfCmd struct{}

// Run prints a caller's tags.
func (tagsOfCmd) Run(e *env) error { return e.askTags("/api/tags/of", api.NewTag{}) }

type tagsSetCmd struct {
	Tag     string `arg:"" help:"vulnerable, deaf, language, overseas or offline."`
	Value   string `help:"The language, of a tag language."`
	Reason  string `required:"" help:"Why, in a few words."`
	Agent   string `required:"" help:"Who sets it."`
	Days    int    `help:"How long it lasts; a year when it is not said."`
	Consent bool   `help:"The caller has agreed."`
}

// Run tags a caller.
func (cmd tagsSetCmd) Run(e *env) error {
	return e.askTags("/api/tags", api.NewTag{
		Tag: tags.Kind(cmd.Tag), Value: cmd.Value, Reason: cmd.Reason, Agent: call.AgentID(cmd.Agent), Days: cmd.Days, Consent: cmd.Consent,
	})
}

type tagsRemoveCmd struct {
	Tag   string `arg:"" help:"vulnerable, deaf, language, overseas or offline."`
	Agent string `required:"" help:"Who takes it back."`
}

// Run takes a tag back.
func (cmd tagsRemoveCmd) Run(e *env) error {
	return e.askTags("/api/tags/remove", api.NewTag{Tag: tags.Kind(cmd.Tag), Agent: call.AgentID(cmd.Agent)})
}
