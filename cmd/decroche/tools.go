package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"decroche/call"
	"decroche/routing/wait"
	"decroche/service"
	"decroche/speech"
)

type checkCmd struct {
	File string `arg:"" help:"The service definition."`
	JSON bool   `help:"As JSON."`
}

// The codes checkCmd exits with besides 0.
const (
	exitFindings   exitCode = 1
	exitUnreadable exitCode = 2
)

// Run lints a definition with the real lengths of its prompts.
func (cmd checkCmd) Run(e *env) error {
	def, err := service.ParseFile(cmd.File)
	if err == nil {
		err = unheardWording(def)
	}
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitUnreadable
	}
	dur, err := cmd.durations(e, def)
	if err != nil {
		fmt.Fprintln(e.stderr, "decroche: the prompts cannot be measured:", err)
		return exitUnreadable
	}
	findings := service.Lint(def, dur)
	format := "text"
	if cmd.JSON {
		format = "json"
	}
	text, err := service.Report(findings, format)
	if err != nil {
		return err
	}
	fmt.Fprint(e.stdout, text)
	if len(findings) > 0 {
		return exitFindings
	}
	return nil
}

// durations renders what is said and gives its real length. The sounds are kept in the cache folder.
func (cmd checkCmd) durations(e *env, def *service.Definition) (func(string, call.Lang) time.Duration, error) {
	lib, err := speech.Open(speech.Options{Dir: filepath.Join(e.Cache, "check-sounds"), Langs: def.Languages})
	if err != nil {
		return nil, err
	}
	v := voice{lib, &server{c: &config{Service: cmd.File}}}
	sound := func(prompt string, lang call.Lang) (call.Sound, error) {
		if phrase, ok := def.Prompts[prompt][lang]; ok {
			return v.Phrase(e.ctx, prompt, lang, phrase)
		}
		return v.line(e.ctx, def, prompt, lang, def.Wording[prompt][lang])
	}
	for _, texts := range []map[string]service.Text{def.Prompts, def.Wording} {
		for prompt, text := range texts { // all of them, so that an error comes before the findings
			for lang := range text {
				if _, err := sound(prompt, lang); err != nil {
					return nil, err
				}
			}
		}
	}
	return func(prompt string, lang call.Lang) time.Duration {
		s, err := sound(prompt, lang)
		if err != nil {
			return 0
		}
		return s.Duration
	}, nil
}

type waitCmd struct {
	Replay replayCmd `cmd:"" help:"Run estimators over a log of past calls (CSV, or Asterisk's queue_log) and print their errors."`
}

type replayCmd struct {
	File string `arg:"" help:"The log; - for standard input."`
	JSON bool   `help:"As JSON."`
}

// Run replays the log.
func (cmd replayCmd) Run(e *env) error {
	var in io.Reader = os.Stdin
	if cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return fmt.Errorf("read the log of calls: %w", err)
		}
		defer f.Close()
		in = f
	}
	report, err := wait.Replay(in, wait.FormatAuto, wait.ReplayOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	if cmd.JSON {
		return json.NewEncoder(e.stdout).Encode(report)
	}
	_, err = io.WriteString(e.stdout, report.Text())
	return err
}
