package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestGeneratedFileIsWhatTheKeptDescriptionGives(t *testing.T) {
	a, err := readAPI("testdata")
	if err != nil {
		t.Fatal(err)
	}
	src, err := a.generate()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../models_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(src, have) {
		t.Fatal("models_gen.go is not what gen/testdata gives: run go generate in ari")
	}
}

// TestGeneratedFileFitsTheAsteriskThatIsInstalled regenerates from the real
// description, where one is found. A newer Asterisk may add fields; a type that changed or a
// required field that went breaks us.
func TestGeneratedFileFitsTheAsteriskThatIsInstalled(t *testing.T) {
	kept, err := readAPI("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want, err := kept.generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range descriptions() {
		real, err := readAPI(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := real.generate()
		if err == nil && bytes.Equal(got, want) {
			continue
		}
		t.Logf("%s differs from gen/testdata (%v); take it over with: go run ./gen -trim -from %s -to gen/testdata && go generate", dir, err, dir)
		for _, d := range breaks(kept, real) {
			t.Errorf("%s: %s", dir, d)
		}
	}
}

func TestTrimmedDescriptionTrimsToItself(t *testing.T) {
	a, err := readAPI("testdata")
	if err != nil {
		t.Fatal(err)
	}
	files, err := a.trim()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) != len(files) {
		t.Fatalf("%d files kept, %d trimmed (%v)", len(names), len(files), err)
	}
	for name, content := range files {
		if have, err := os.ReadFile(filepath.Join("testdata", name)); err != nil || !bytes.Equal(have, content) {
			t.Errorf("%s is not trimmed (%v)", name, err)
		}
	}
}

func TestDriftOfTypeOrRequiredFieldIsFound(t *testing.T) {
	kept := &api{models: map[string]*model{"M": {Name: "M", Properties: []property{{"a", "string", true}, {"b", "int", false}, {"c", "int", true}}}}}
	real := &api{models: map[string]*model{"M": {Name: "M", Properties: []property{{"a", "int", true}, {"d", "int", true}}}}}
	if got := breaks(kept, real); len(got) != 2 {
		t.Fatalf("found %q, want the type of a and the loss of c", got)
	}
}

func TestFolderWithoutADescriptionIsAClearError(t *testing.T) {
	if err := run(t.TempDir(), "x.go", false); err == nil {
		t.Fatal("no error")
	}
}

// descriptions are the folders with a real description on this machine.
func descriptions() (dirs []string) {
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	for _, dir := range []string{
		os.Getenv("ASTERISK_REST_API"), "/usr/share/asterisk/rest-api", filepath.Join(cache, "asterisk-sid/usr/share/asterisk/rest-api"),
	} {
		if _, err := os.Stat(filepath.Join(dir, "events.json")); dir != "" && err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// breaks lists what real no longer gives as kept describes it.
func breaks(kept, real *api) (out []string) {
	for name, m := range kept.models {
		r := real.models[name]
		if r == nil {
			continue // an older Asterisk, which never sends it
		}
		types := map[string]string{}
		for _, p := range r.Properties {
			types[p.Name] = p.Type
		}
		for _, p := range m.Properties {
			switch t := types[p.Name]; {
			case t == "" && p.Required:
				out = append(out, name+"."+p.Name+" is gone")
			case t != "" && t != p.Type:
				out = append(out, name+"."+p.Name+" is "+t+", was "+p.Type)
			}
		}
	}
	return out
}
