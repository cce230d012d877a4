// Package browser finds the real browser that pages are tested in, and what drives it.
package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// howToInstall ends every complaint about what is missing.
const howToInstall = "run 'setup/install.sh test' as root: it installs Chromium, Node.js and the modules"

// Program is where a program is: "node", "chromium". Without it the test fails.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no %s on this machine: %s", name, howToInstall)
	}
	return path
}

// Modules is the folder of axe-core and playwright-core, as the lock names them; setup/install.sh keeps
// it outside the repository.
func Modules(t testing.TB, lock []byte) string {
	t.Helper()
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	dir := filepath.Join(cache, "browser")
	installed, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatalf("the browser's modules are not installed: %v: %s", err, howToInstall)
	}
	if string(installed) != string(lock) {
		t.Fatalf("the browser's modules in %s are not those of web/public/testdata/browser/package-lock.json: %s", dir, howToInstall)
	}
	return dir
}
