package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// about runs a command of decroche that reads a number.
func about(r *rig.Rig, number string, args ...string) (string, error) {
	cmd := r.Command(context.Background(), args...)
	cmd.Stdin = strings.NewReader(number + "\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A citizen asks the service what it holds of them, and then to be forgotten.
func TestAPersonIsGivenTheirDataAndForgotten(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	p := mobile(t, r, softphone.Manner{})
	asks(t, r, p.Phone).Ends(20 * time.Second)
	other := r.Dial(line, nth(7))
	other.Hears("fr/bienvenue", 10*time.Second)
	other.HangsUp()

	file := filepath.Join(t.TempDir(), "person.json")
	out, err := about(r, "06 39 98 00 00 00", "privacy", "export", "--out", file)
	if err == nil || !strings.Contains(out, "number") {
		t.Errorf("a number that is none: %v, %s", err, out)
	}
	held := map[string][]map[string]any{}
	r.Eventually(10*time.Second, "the person's data is given", func() error {
		_ = os.Remove(file)
		if out, err := about(r, p.number, "privacy", "export", "--out", file); err != nil {
			return errors.New(out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		clear(held)
		if err := json.Unmarshal(text, &held); err != nil {
			return err
		}
		if len(held["promises to call back"]) != 1 || len(held["text messages sent"]) == 0 || len(held["contacts"]) != 1 {
			return errors.New(string(text))
		}
		return nil
	})
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others can read the person's data: %v, %v", st, err)
	}

	if out, err := about(r, p.number, "privacy", "erase"); err == nil || !strings.Contains(out, "cancel it first") {
		t.Errorf("a person who is promised a call is erased: %v, %s", err, out)
	}
	r.Must("callbacks", "cancel", string(onePromise(t, r).ID))
	r.Eventually(30*time.Second, "the person is erased", func() error { // once the message that it is cancelled is sent
		out, err := about(r, p.number, "privacy", "erase")
		if err != nil || !strings.Contains(out, "receipt") || !strings.Contains(out, "contacts") {
			return errors.New(out)
		}
		return nil
	})
	if list := promises(t, r, "all"); len(list) != 0 {
		t.Errorf("promises are left: %v", list)
	}
	_ = os.Remove(file)
	if out, err := about(r, p.number, "privacy", "export", "--out", file); err != nil {
		t.Fatal(out)
	}
	if text, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(text)) != "{}" {
		t.Errorf("still held: %s (%v)", text, err)
	}
	if log := r.Must("privacy", "log"); !strings.Contains(log, "erased") || !strings.Contains(log, "exported") || strings.Contains(log, p.number[4:]) {
		t.Errorf("the log says\n%s", log)
	}
	calls := 0
	for _, f := range r.Journal() {
		if f.Kind == "arrived" {
			calls++
		}
	}
	if calls != 2 {
		t.Errorf("%d calls are counted, want 2", calls)
	}
}
