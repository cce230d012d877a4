package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"decroche/privacy"
	"decroche/web/api"
)

type privacyCmd struct {
	Erase  eraseCmd    `cmd:"" help:"Erase a person from everything, and print a receipt. The number is read from the standard input."`
	Export exportCmd   `cmd:"" help:"Write what is held of a person to a file. The number is read from the standard input."`
	Log    receiptsCmd `cmd:"" help:"Show what was erased, exported and purged."`
}

// stdinNumber reads a number where no list of processes and no history of commands shows it.
func stdinNumber(in io.Reader, say io.Writer) (string, error) {
	fmt.Fprint(say, "number: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if line = strings.TrimSpace(line); line == "" {
		return "", errors.Join(errors.New("no number was given: write it on the standard input"), noEOF(err))
	}
	return line, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type eraseCmd struct{}

// Run erases a person.
func (eraseCmd) Run(e *env) error {
	number, err := stdinNumber(os.Stdin, e.stderr)
	if err != nil {
		return err
	}
	var r privacy.Receipt
	if err := e.ask("POST", "/api/privacy/erase", api.Person{Number: number, By: who()}, &r); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "receipt %d of %s: erased\n", r.ID, r.At.Format("2006-01-02 15:04:05"))
	for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(e.stdout, "  %-30s %d\n", kind, r.Counts[kind])
	}
	if len(r.Counts) == 0 {
		fmt.Fprintln(e.stdout, "  nothing was held of this number")
	}
	return nil
}

type exportCmd struct {
	Out string `required:"" placeholder:"FILE" help:"Where to write it, as JSON; the file is readable by you alone."`
}

// Run exports what is held of a person.
func (cmd exportCmd) Run(e *env) error {
	number, err := stdinNumber(os.Stdin, e.stderr)
	if err != nil {
		return err
	}
	var held privacy.Held
	if err := e.ask("POST", "/api/privacy/export", api.Person{Number: number, By: who()}, &held); err != nil {
		return err
	}
	f, err := os.OpenFile(cmd.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	enc := json.NewEncoder(f)
	enc.SetIndent("", "  ")
	if err := errors.Join(enc.Encode(held), f.Close()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	n := 0
	for _, rows := range held {
		n += len(rows)
	}
	fmt.Fprintf(e.stdout, "%s: %d rows of %d kinds\n", cmd.Out, n, len(held))
	return nil
}

type receiptsCmd struct{}

// Run lists the log of personal data.
func (receiptsCmd) Run(e *env) error {
	var list []privacy.Receipt
	if err := e.ask("GET", "/api/privacy/log", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "RECEIPT\tAT\tWHAT\tBY\tROWS")
	for _, r := range list {
		var rows []string
		for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
			rows = append(rows, fmt.Sprintf("%s: %d", kind, r.Counts[kind]))
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", r.ID, shortTime(r.At), r.What, r.By, strings.Join(rows, ", "))
	}
	return w.Flush()
}
