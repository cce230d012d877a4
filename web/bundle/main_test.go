package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"decroche/e2e/browser"
)

func TestTheTelephoneOfThePageIsMadeOfItsSource(t *testing.T) {
	lock, err := os.ReadFile("../public/testdata/browser/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	made, err := bundle("../admin/phone.js", filepath.Join(browser.Modules(t, lock), "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../admin/phone.bundle.js")
	if err != nil || !bytes.Equal(made, kept) {
		t.Errorf("web/admin/phone.bundle.js is not what its source makes (%v): run go generate ./web/admin", err)
	}
}
