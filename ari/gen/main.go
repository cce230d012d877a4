// Command gen writes ari's event and model types from Asterisk's own description of
// its REST interface, the rest-api/*.json files that Debian's asterisk package puts in
// /usr/share/asterisk/rest-api.
//
//	gen -from DIR -to FILE     write the Go types
//	gen -trim -from DIR -to D  write the part of the description that is used
//
// Only what wanted lists is generated, with the models it refers to. The trimmed
// description (names and types, no prose) lives in testdata, so that the generated
// file can be checked where no Asterisk is installed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	from := flag.String("from", "testdata", "folder with Asterisk's rest-api/*.json")
	to := flag.String("to", "models_gen.go", "file to write, or folder with -trim")
	trim := flag.Bool("trim", false, "write a trimmed description instead of Go")
	flag.Parse()
	if err := run(*from, *to, *trim); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(from, to string, trim bool) error {
	api, err := readAPI(from)
	if err != nil {
		return err
	}
	if !trim {
		src, err := api.generate()
		if err != nil {
			return fmt.Errorf("generate types from %s: %w", from, err)
		}
		return os.WriteFile(to, src, 0o644)
	}
	files, err := api.trim()
	if err != nil {
		return fmt.Errorf("trim the description in %s: %w", from, err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(to, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
