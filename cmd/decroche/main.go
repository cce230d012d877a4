// Decroche answers the telephone of a public service. This command wires the parts:
// configuration, signals, and one subcommand per thing an operator does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	Config string `short:"c" placeholder:"FILE" help:"The deployment's configuration (YAML)." env:"DECROCHE_CONFIG"`
	Data   string `placeholder:"DIR" help:"Folder of the database, sounds and secrets." env:"DECROCHE_DATA"`
	Cache  string `placeholder:"DIR" help:"Folder of the cached Asterisk." env:"DECROCHE_CACHE" default:"/var/cache/decroche"`

	Up       upCmd       `cmd:"" help:"Run the line: Asterisk and the controller."`
	Asterisk asteriskCmd `cmd:"" help:"Run Asterisk alone, on a rendered configuration."`
	Serve    serveCmd    `cmd:"" help:"Run the controller alone."`
	Call     callCmd     `cmd:"" help:"Place a call with the test telephone and print what is heard."`
	Phone    phoneCmd    `cmd:"" help:"Be a test telephone that answers: an agent's, or a citizen's who is called back."`
	Check    checkCmd    `cmd:"" help:"Hold a service definition against the State's guide."`
	Reload   reloadCmd   `cmd:"" help:"Read the service definition again, without dropping a call."`
	Agent    agentCmd    `cmd:"" help:"Show agents and set their state."`
	Message  messageCmd  `cmd:"" help:"Publish, list and stop incident messages."`
	Queues   queuesCmd   `cmd:"" help:"Show the queues as they are now."`

	Interpreter   interpreterCmd   `cmd:"" help:"Ask an interpreter into a call."`
	Tags          tagsCmd          `cmd:"" help:"What callers want known of them: list, set and take back."`
	Conversations conversationsCmd `cmd:"" help:"List, show, answer and close conversations in writing."`
	Callbacks     callbacksCmd     `cmd:"" help:"List, show, make, move and cancel promises to call back."`
	SMS           smsCmd           `cmd:"" name:"sms" help:"Show the text messages sent and received."`
	Links         linksCmd         `cmd:"" help:"Show and switch the links sent by SMS."`

	User    userCmd    `cmd:"" help:"Accounts of the administration site."`
	Access  accessCmd  `cmd:"" help:"Prove that deaf and hard-of-hearing callers had the hours of everybody."`
	Privacy privacyCmd `cmd:"" help:"Erase a person, export what is held of one, and see what was done."`
	Journal journalCmd `cmd:"" help:"Print the facts of the journal."`
	Report  reportCmd  `cmd:"" help:"Make a report of the indicators, or open one of them."`
	Import  importCmd  `cmd:"" help:"Take past calls into the journal: a CSV, Asterisk's queue_log and CDR."`
	Metrics metricsCmd `cmd:"" help:"Look after the figures."`
	Wait    waitCmd    `cmd:"" help:"Measure wait estimation on past calls."`
}

// env is what a subcommand is given.
type env struct {
	*cli
	ctx            context.Context
	stdout, stderr io.Writer
}

// exitCode ends the program with a code and no further word.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	code := -1
	parser, err := kong.New(
		&c, kong.Name("decroche"), kong.Description("Answers the telephone of a public service."),
		kong.Writers(stdout, stderr), kong.Exit(func(n int) { code = n }), kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(stderr, "decroche:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help has been printed
		return code
	}
	if err != nil {
		fmt.Fprintln(stderr, "decroche:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed.Bind(agentVerb(parsed.Selected().Name))
	err = parsed.Run(&env{cli: &c, ctx: ctx, stdout: stdout, stderr: stderr})
	if exit := exitCode(0); errors.As(err, &exit) {
		return int(exit)
	}
	if err != nil {
		fmt.Fprintln(stderr, "decroche:", err)
		return 1
	}
	return 0
}
