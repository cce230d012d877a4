package public

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/callback"
)

func TestTheLinkShowsThePromiseAndNeverTheWholeNumber(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		link := o.link(p)
		r := o.reader()
		for _, page := range []string{link, link + "?lang=en", link + "/deplacer", link + "/annuler", link + "/deplacer?lang=en", link + "/annuler?lang=en"} {
			r.get(page)
			if r.status != 200 {
				t.Errorf("%s: status %d", page, r.status)
			}
			r.lacks("0639980012", "06 39 98 00 12", "639980012", "+33639980012", "c1")
		}
		r.get(link).wants(200, "Votre rappel", "aujourd'hui, entre 11 h et 11 h 15", "06 •• •• •• 12", "numéro qui se termine par 12", "Titre de séjour", "Changer d'horaire", "Annuler ce rappel")
		r.get(link+"?lang=en").wants(200, "Your callback", "today, between 11 a.m. and 11:15 a.m.", "Residence permit", "Cancel this callback")
	})
}

func TestAPromiseIsShownWhereItStands(t *testing.T) {
	for name, c := range map[string]struct {
		kind   callback.Kind
		change func(p *callback.Promise)
		says   string
		lacks  string
	}{
		"a place":      {callback.Place, func(*callback.Promise) {}, "Dès que votre tour vient", "Demander un rappel"},
		"in line":      {callback.Slot, func(p *callback.Promise) { p.State = callback.InLine }, "entre 11 h et 11 h 15", "Demander un rappel"},
		"calling":      {callback.Slot, func(p *callback.Promise) { p.State = callback.Calling }, "Nous vous appelons en ce moment", "Annuler ce rappel"},
		"missed":       {callback.Slot, func(p *callback.Promise) { p.Tries, p.Due = 1, time.Now().Add(time.Hour) }, "Nouvel essai aujourd'hui, à partir de 11 h 05", "entre 11 h"},
		"missed, soon": {callback.Slot, func(p *callback.Promise) { p.Tries, p.Due = 1, time.Now() }, "Nouvel essai dès qu'un agent est libre", "entre 11 h"},
		"carried over": {callback.Place, func(p *callback.Promise) { p.Due = time.Now().Add(24 * time.Hour) }, "demain, à partir de 10 h 05", "Dès que"},
		"kept":         {callback.Slot, settled(callback.Kept), "Ce rappel a eu lieu", "Annuler ce rappel"},
		"answered":     {callback.Slot, settled(callback.Answered), "Vous nous avez déjà parlé", "Annuler ce rappel"},
		"cancelled":    {callback.Slot, settled(callback.Cancelled), "Ce rappel est annulé", "Changer d'horaire"},
		"unreachable":  {callback.Slot, settled(callback.Unreachable), "Nous n'avons pas réussi à vous joindre", "Annuler ce rappel"},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				p := o.promise(mobile, c.kind)
				p = o.desk.change(p.ID, c.change)
				o.reader().get(o.link(p)).wants(200, "Votre rappel", c.says).lacks(c.lacks, "page.state")
				o.reader().get(o.link(p)+"?lang=en").wants(200, "Your callback").lacks("page.state", "Votre")
			})
		})
	}
}

func settled(s callback.State) func(p *callback.Promise) {
	return func(p *callback.Promise) { p.State, p.Settled = s, time.Now() }
}

func TestAGetChangesNothing(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		o.desk.before = func(op string) {
			if op != "promise" && op != "slots" {
				t.Errorf("a GET did: %s", op)
			}
		}
		link, r := o.link(p), o.reader()
		slot := strconv.FormatInt(o.desk.free(callback.Request{Number: mobile, Queue: "etrangers"}, "")[0].Unix(), 10)
		query := "?slot=" + slot + "&version=1&seen=" + seen(p)
		for _, method := range []string{"GET", "HEAD"} {
			for _, page := range []string{"", "/deplacer", "/annuler", query, "/deplacer" + query, "/annuler" + query} {
				r.do(method, link+page, nil)
			}
		}
		if o.texts() != 0 || o.desk.only(t) != p {
			t.Errorf("it is %+v now, and %d texts were sent", o.desk.only(t), o.texts())
		}
	})
}

func TestACitizenCancelsAndASecondTimeIsNoHarm(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		r := o.reader().get(o.link(p)+"/annuler").wants(200, "Annuler ce rappel ?", "Oui, annuler ce rappel", "Non, garder ce rappel")
		action, form := r.filled()
		first := r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé", "C'est noté", "Demander un rappel")
		at, body := first.at, first.body
		if again := r.do("POST", action, form); again.at != at || again.body != body {
			t.Errorf("the same form gives another answer: %s\n%s", again.at, again.body)
		}
		if p := o.desk.only(t); p.State != callback.Cancelled || p.Version != 2 {
			t.Errorf("it is %+v", p)
		}
		r.get(o.link(p)+"/annuler").wants(200, "Votre rappel", "Ce rappel a changé entre-temps")
	})
}

func TestACitizenMovesAndASecondTimeIsNoHarm(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		r := o.reader().get(o.link(p)+"/deplacer").wants(200, "Changer d'horaire", "aujourd'hui, entre 11 h et 11 h 15", "Dès que possible")
		slot := r.slots()[8]
		action, form := r.filled("slot", slot)
		first := r.do("POST", action, form).wants(200, "Votre rappel", "votre rappel est déplacé")
		at, body := first.at, first.body
		if again := r.do("POST", action, form); again.at != at || again.body != body {
			t.Errorf("the same form gives another answer: %s\n%s", again.at, again.body)
		}
		moved := o.desk.only(t)
		if strconv.FormatInt(moved.Slot.Unix(), 10) != slot || moved.Version != 2 {
			t.Errorf("it is %+v", moved)
		}
		// The link of the first message still leads to it, and so does the new one.
		r.get(o.link(p)).wants(200, "Votre rappel")
		r.get(o.link(moved)+"/deplacer").submit("slot", "place").wants(200, "Votre rappel", "Dès que votre tour vient")
		r.get(o.link(moved) + "/deplacer").lacks("Dès que possible")
	})
}

func TestAMoveToAnHourThatIsGoneOrMissingIsChosenAgain(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		r := o.reader().get(o.link(p) + "/deplacer")
		taken := r.slots()[1]
		action, _ := r.filled()
		r.submit().wants(422, "Changer d'horaire", "Choisissez quand")
		unix, _ := strconv.ParseInt(taken, 10, 64)
		if _, _, err := o.desk.Ask(t.Context(), callback.Request{Number: another, Queue: "etrangers", Kind: callback.Slot, Slot: time.Unix(unix, 0)}); err != nil {
			t.Fatal(err)
		}
		_, form := r.filled("slot", taken)
		r.do("POST", action, form).wants(422, "Changer d'horaire", "n'est plus libre", `aria-describedby="slot-error"`)
		r.submit("slot", r.slots()[4]).wants(200, "Votre rappel", "votre rappel est déplacé")
	})
}

func TestAChangeOfWhatIsNotThereAnyMoreShowsWhatIs(t *testing.T) {
	for _, page := range []string{"/deplacer", "/annuler"} {
		inOffice(t, func(t *testing.T, o *office) {
			p := o.promise(mobile, callback.Slot)
			r := o.reader().get(o.link(p) + page)
			action, form := r.filled()
			if page == "/deplacer" {
				form.Set("slot", r.slots()[1])
			}
			elsewhere := o.reader().get(o.link(p) + "/deplacer")
			elsewhere.submit("slot", elsewhere.slots()[9])
			before := o.desk.only(t)
			r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel a changé entre-temps")
			if o.desk.only(t) != before {
				t.Errorf("%s changed what the citizen had not seen", page)
			}
		})
	}
}

func TestWhatTheLineDoesMeanwhileDoesNotHinderTheCitizen(t *testing.T) {
	for _, page := range []string{"/deplacer", "/annuler"} {
		inOffice(t, func(t *testing.T, o *office) {
			p := o.promise(mobile, callback.Slot)
			r := o.reader().get(o.link(p) + page)
			action, form := r.filled()
			if page == "/deplacer" {
				form.Set("slot", r.slots()[1])
			}
			o.desk.change(p.ID, func(p *callback.Promise) { p.State = callback.InLine })
			r.do("POST", action, form).wants(200, "Votre rappel", "C'est noté")
		})
	}
}

func TestAPromiseThatIsBeingKeptIsNotChanged(t *testing.T) {
	for _, page := range []string{"/deplacer", "/annuler"} {
		inOffice(t, func(t *testing.T, o *office) {
			p := o.promise(mobile, callback.Slot)
			r := o.reader().get(o.link(p) + page)
			action, form := r.filled()
			if page == "/deplacer" {
				form.Set("slot", r.slots()[1])
			}
			o.desk.change(p.ID, func(p *callback.Promise) { p.State = callback.Calling })
			r.do("POST", action, form).wants(200, "Votre rappel", "Nous sommes en train de vous appeler")
			r.get(o.link(p)+page).wants(200, "Votre rappel", "Nous sommes en train de vous appeler")
		})
	}
}

func TestAChangeThatComesBetweenReadingAndWritingIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"moved":   {callback.ErrChanged, "Ce rappel a changé entre-temps"},
		"settled": {callback.ErrSettled, "Ce rappel a changé entre-temps"},
		"calling": {callback.ErrCalling, "Nous sommes en train de vous appeler"},
	} {
		for _, page := range []string{"/deplacer", "/annuler"} {
			t.Run(name+page, func(t *testing.T) {
				inOffice(t, func(t *testing.T, o *office) {
					p := o.promise(mobile, callback.Slot)
					r := o.reader().get(o.link(p) + page)
					action, form := r.filled()
					if page == "/deplacer" {
						form.Set("slot", r.slots()[1])
					}
					o.desk.before = func(op string) {
						o.desk.err = nil
						if op == "move" || op == "cancel" {
							o.desk.err = c.err
						}
					}
					r.do("POST", action, form).wants(200, "Votre rappel", c.says)
				})
			})
		}
	}
}

func TestTwoMovesAtOnceAreOneAndTheOtherIsToldSo(t *testing.T) {
	o := newOffice(t, time.Now)
	p := o.promise(mobile, callback.Slot)
	r := o.reader().get(o.link(p) + "/deplacer")
	slots := r.slots()
	action, form := r.filled()
	// Both have read the promise before either writes.
	var both, wg sync.WaitGroup
	both.Add(2)
	o.desk.before = func(op string) {
		if op == "move" {
			both.Done()
			both.Wait()
		}
	}
	said := make([]string, 2)
	for i := range said {
		wg.Go(func() {
			mine := url.Values{"version": form["version"], "seen": form["seen"], "slot": {slots[len(slots)-1-i]}}
			said[i] = o.reader().do("POST", action, mine).wants(200, "Votre rappel").body
		})
	}
	wg.Wait()
	won := 0
	for _, s := range said {
		switch {
		case strings.Contains(s, "votre rappel est déplacé"):
			won++
		case !strings.Contains(s, "Ce rappel a changé entre-temps"):
			t.Errorf("one was told neither: %s", s)
		}
	}
	if got := o.desk.only(t); won != 1 || got.Version != 2 {
		t.Errorf("%d moves won; it is %+v", won, got)
	}
}

func TestTheSameMoveTwiceAtOnceIsOneAndBothAreToldSo(t *testing.T) {
	o := newOffice(t, time.Now)
	p := o.promise(mobile, callback.Slot)
	r := o.reader().get(o.link(p) + "/deplacer")
	action, form := r.filled("slot", r.slots()[len(r.slots())-1])
	var both, wg sync.WaitGroup
	both.Add(2)
	o.desk.before = func(op string) {
		if op == "move" {
			both.Done()
			both.Wait()
		}
	}
	for range 2 {
		wg.Go(func() { o.reader().do("POST", action, form).wants(200, "Votre rappel", "votre rappel est déplacé") })
	}
	wg.Wait()
	if got := o.desk.only(t); got.Version != 2 {
		t.Errorf("it is %+v", got)
	}
}

func TestALinkThatIsForgedUnknownOrTooOldSaysWhatToDo(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		link, r := o.link(p), o.reader()
		forged := link[:len(link)-1] + string("01"[(link[len(link)-1]&1)^1])
		unknown := o.link(callback.Promise{ID: "ZZZZZZZZZZ", By: p.By})
		want := r.get(forged).wants(404, "Cette page n'existe pas", "Demander un rappel").body
		if got := r.get(unknown).wants(404, "Cette page n'existe pas").body; got != want {
			t.Error("a forged link and one of an unknown promise can be told apart")
		}
		for _, page := range []string{"/annuler", "/deplacer"} {
			r.do("POST", forged+page, url.Values{"slot": {"place"}, "version": {"1"}}).wants(404, "Cette page n'existe pas")
		}
		if o.desk.only(t) != p {
			t.Error("a forged link changed the promise")
		}
		o.desk.change(p.ID, func(p *callback.Promise) { p.State, p.Settled = callback.Kept, time.Now() })
		time.Sleep(49 * time.Hour)
		r.get(link).wants(410, "Ce lien n'est plus valable", "faites une nouvelle demande", "Demander un rappel").lacks("06 ••")
		time.Sleep(48 * time.Hour)
		r.get(link).wants(410, "Ce lien n'est plus valable")
		r.do("POST", link+"/annuler", url.Values{"version": {"2"}}).wants(410, "Ce lien n'est plus valable")
	})
}

func TestAPromiseCanBeCancelledWhenTheServiceNoLongerCallsBack(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		def := *o.def
		def.Callback.On = false
		o.def = &def
		r := o.reader().get(o.link(p)).wants(200, "Votre rappel", "Annuler ce rappel").lacks("Changer d'horaire")
		r.get(o.link(p)+"/annuler").submit().wants(200, "Votre rappel", "Ce rappel est annulé").lacks("Demander un rappel")
	})
}

func TestWhenThePromiseCannotBeReadItIsSaid(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		r := o.reader().get(o.link(p) + "/annuler")
		action, form := r.filled()
		o.desk.err = errors.New("the database is away")
		r.get(o.link(p)).wants(503, "Un incident technique nous empêche de répondre")
		r.do("POST", action, form).wants(503, "Un incident technique nous empêche de répondre")
		o.desk.err = nil
		r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé")
	})
}
