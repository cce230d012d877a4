// Command bundle makes one file of a script and the modules that it imports: go generate ./web/admin.
// The modules are those that setup/install.sh has fetched, as web/public/testdata/browser/package-lock.json names them.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("write the script and the file to make")
	}
	cache := cmp.Or(os.Getenv("DECROCHE_CACHE"), "/var/cache/decroche")
	out, err := bundle(args[0], filepath.Join(cache, "browser", "node_modules"))
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], out, 0o644)
}

// bundle gives the script with its modules in it, and their licences at its end.
func bundle(script, modules string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{script}, Bundle: true, MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Target: api.ES2020, Format: api.FormatIIFE, Platform: api.PlatformBrowser, NodePaths: []string{modules}, LegalComments: api.LegalCommentsEndOfFile,
		Define: map[string]string{"global": "globalThis"}, Charset: api.CharsetUTF8,
	})
	var errs []error
	for _, e := range result.Errors {
		errs = append(errs, errors.New(e.Text))
	}
	if len(errs) > 0 || len(result.OutputFiles) != 1 {
		return nil, fmt.Errorf("bundle %s: %w (setup/install.sh test fetches the modules)", script, errors.Join(errs...))
	}
	return result.OutputFiles[0].Contents, nil
}
