package service

import (
	"os"
	"strings"
	"testing"
)

func TestThePointWithTheMostDigitsInCommonIsTheNearest(t *testing.T) {
	d := &Definition{Points: map[string]*Point{
		"nord": {ID: "nord", Postcodes: []string{"59"}}, "lille": {ID: "lille", Postcodes: []string{"59000", "598"}}, "reunion": {ID: "reunion", Postcodes: []string{"974"}},
	}}
	for postcode, want := range map[string]string{"59000": "lille", "59800": "lille", "59123": "nord", "97400": "reunion", "97110": "", "75012": ""} {
		got := ""
		if p := d.Nearest(postcode); p != nil {
			got = p.ID
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", postcode, got, want)
		}
	}
}

func TestPointsThatCannotServeAreRefused(t *testing.T) {
	source, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[string]string{
		"{prompt: lieu-port, postcodes: [5]}":           `"5" in "postcodes" of point "port-arzon" is not a postcode`,
		"{prompt: lieu-port, postcodes: [56a]}":         `"56a" in "postcodes" of point "port-arzon" is not a postcode`,
		"{prompt: lieu-port, postcodes: [56]}":          `postcode 56 is served by point "arzon" already`,
		"{prompt: lieu-nulle-part, postcodes: [56470]}": `prompt "lieu-nulle-part", named by point "port-arzon", is not defined`,
		"{postcodes: [56470]}":                          `key "prompt" is missing in point "port-arzon"`,
	} {
		_, err := Parse("x.yaml", []byte(strings.Replace(string(source), "{prompt: lieu-port, postcodes: [56470, 56340]}", after, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", after, err, want)
		}
	}
}
