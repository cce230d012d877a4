package service

import (
	"testing"

	"decroche/call"
)

func demo(t testing.TB) *Definition {
	t.Helper()
	d, err := ParseFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDemonstrationIsReadAsItIsWritten(t *testing.T) {
	d := demo(t)
	if d.ID != "prefecture-val-d-arzon" || d.Location.String() != "Europe/Paris" || d.Present != "+33199003940" {
		t.Errorf("id %q, location %v, present %v", d.ID, d.Location, string(d.Present))
	}
	n, ok := d.NumberFor("+33199003939")
	if !ok || !n.AlwaysOpen || n.Language != "fr" || n.Queue != "" {
		t.Errorf("the number of the first call is %+v, %v", n, ok)
	}
	if _, ok := d.NumberFor("+33199003999"); ok {
		t.Error("a number that is not in the file was found")
	}
	if _, ok := d.NumberFor(call.Withheld); ok {
		t.Error("a withheld number was found")
	}
	main := d.Menus[d.Entry.Menu]
	if c := main.Choices['1']; c.Queue != "etrangers" || c.Reason != "titre-sejour" {
		t.Errorf("key 1 of the first menu is %+v", c)
	}
	if c := main.Choices['0']; !c.Person || main.Queue != "accueil" || main.Timeout != DefaultMenuTimeout {
		t.Errorf("key 0 is %+v of menu %+v", c, main)
	}
	if q := d.Queues["etrangers"]; q.Needs["etrangers"] != 2 || q.Overflow[0].To != "accueil" || q.RingTimeout != DefaultRing {
		t.Errorf("queue etrangers is %+v", q)
	}
	if d.Hours.Week[5][1] != (Range{From: 13*60 + 30, To: 16*60 + 30}) {
		t.Errorf("Friday is %v", d.Hours.Week[5])
	}
	if at := d.Position("menus.principal.choices.1"); at.Line == 0 {
		t.Error("the place of a choice is not known")
	}
}
