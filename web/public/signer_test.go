package public

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/callback"
)

func newSigner() *Signer {
	return &Signer{Key: []byte("a key of the tests, long enough"), Base: "https://rappel.example.fr"}
}

func TestALinkIsShortAndLeadsBackToItsPromise(t *testing.T) {
	s := newSigner()
	rapid.Check(t, func(t *rapid.T) {
		id := callback.ID(rapid.StringMatching(`[0-9A-HJKMNP-TV-Z]{10}`).Draw(t, "id"))
		by := time.Unix(rapid.Int64Range(epoch.Unix(), time.Date(2044, 11, 1, 0, 0, 0, 0, time.UTC).Unix()).Draw(t, "by"), 0)
		url := s.PromiseURL(callback.Promise{ID: id, By: by})
		token, ok := strings.CutPrefix(url, "https://rappel.example.fr/p/")
		if !ok || len(token) != 25 || strings.Trim(token, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Fatalf("the link is %q", url)
		}
		if got, err := s.openPromise(token, by.Add(48*time.Hour)); err != nil || got != id {
			t.Fatalf("two days after the window: %q, %v, want %q", got, err, id)
		}
		if got, err := s.openPromise(token, by.Add(72*time.Hour)); !errors.Is(err, errExpired) || got != id {
			t.Fatalf("three days after the window: %q, %v", got, err)
		}
	})
}

func TestTheLinkOfASettledPromiseCountsFromThen(t *testing.T) {
	s := newSigner()
	settled := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	p := callback.Promise{ID: "K3AB000001", By: settled.AddDate(0, 0, 10), Settled: settled}
	if _, err := s.openPromise(strings.TrimPrefix(s.PromiseURL(p), s.Base+"/p/"), settled.AddDate(0, 0, 4)); !errors.Is(err, errExpired) {
		t.Errorf("four days after it was settled: %v", err)
	}
}

func TestALinkThatWasAlteredIsNotOurs(t *testing.T) {
	s := newSigner()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	token := strings.TrimPrefix(s.PromiseURL(callback.Promise{ID: "K3AB000001", By: now}), s.Base+"/p/")
	if _, err := s.openPromise(token, now); err != nil {
		t.Fatal(err)
	}
	forged := []string{"", "0", token + "0", "0" + token, token[1:], token[:24], strings.ToLower(token), strings.Repeat("z", 25), "-" + token[1:], token[:24] + "_", token[:24] + "é", strings.Repeat("0", 25)}
	for i := range token {
		for _, c := range "0aZ9" {
			if altered := token[:i] + string(c) + token[i+1:]; altered != token {
				forged = append(forged, altered)
			}
		}
	}
	for _, f := range forged {
		if id, err := s.openPromise(f, now); !errors.Is(err, errForged) {
			t.Errorf("%q is taken for the link of %q (%v)", f, id, err)
		}
	}
	other := newSigner()
	other.Key = []byte("another key, as long as the first")
	if _, err := other.openPromise(token, now); !errors.Is(err, errForged) {
		t.Errorf("under another key: %v", err)
	}
}

func TestWhatIsMadeForOnePurposeProvesNothingToAnother(t *testing.T) {
	s := newSigner()
	now := time.Now()
	sealed := s.seal(booking{Proof: "p", Until: now.Add(time.Hour).Unix()})
	if _, err := s.openPromise(sealed, now); !errors.Is(err, errForged) {
		t.Errorf("a booking as a link: %v", err)
	}
	token := strings.TrimPrefix(s.PromiseURL(callback.Promise{ID: "K3AB000001", By: now}), s.Base+"/p/")
	if _, err := s.open(token, now); !errors.Is(err, errForged) {
		t.Errorf("a link as a booking: %v", err)
	}
}

func TestAnIDThatCannotBeWrittenHasNoLink(t *testing.T) {
	for _, id := range []callback.ID{"", "K3AB", "K3AB00000U", "k3ab000001", "K3AB0000012"} {
		if url := newSigner().PromiseURL(callback.Promise{ID: id, By: time.Now()}); url != "" {
			t.Errorf("%q has the link %q", id, url)
		}
	}
}

func TestASecretThatIsTooShortIsRefusedAtStart(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("pages are served with a key of three bytes")
		}
	}()
	(&Server{Signer: &Signer{Key: []byte("abc")}}).Handler()
}

func TestABookingIsSealedAndEnds(t *testing.T) {
	s := newSigner()
	now := time.Now()
	b := booking{Proof: "p", Queue: "accueil", Number: mobile, Until: now.Add(patience).Unix()}
	token := s.seal(b)
	if got, err := s.open(token, now); err != nil || got != b {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := s.open(token, now.Add(patience)); !errors.Is(err, errExpired) || got.Queue != "accueil" {
		t.Errorf("after its time: %+v, %v", got, err)
	}
	for i := range token {
		altered := []byte(token)
		altered[i] ^= 1
		if _, err := s.open(string(altered), now); !errors.Is(err, errForged) {
			t.Errorf("altered at %d: %v", i, err)
		}
	}
}

func FuzzALinkThatIsAcceptedIsTheOneWeWouldMake(f *testing.F) {
	s := newSigner()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f.Add(strings.TrimPrefix(s.PromiseURL(callback.Promise{ID: "K3AB000001", By: now}), s.Base+"/p/"))
	f.Add(strings.Repeat("z", 25))
	f.Add("../../etc/passwd")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := s.openPromise(token, now)
		if err != nil && !errors.Is(err, errExpired) {
			return
		}
		for day := range 1 << dayBits {
			if again, ok := linkToken(s.promises, string(id), epoch.AddDate(0, 0, day)); ok && again == token {
				return
			}
		}
		t.Fatalf("%q was taken for the link of %q", token, id)
	})
}

func FuzzABookingThatIsAcceptedWasSealedByUs(f *testing.F) {
	s := newSigner()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b := booking{Proof: "p", Number: mobile, Until: now.Add(time.Hour).Unix()}
	f.Add(s.seal(b)) // no two are alike
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := s.open(token, now); err == nil && got != b {
			t.Fatalf("%q was taken for %+v", token, got)
		}
	})
}
