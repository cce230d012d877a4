package softphone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/port"
)

func TestCallCommandPrintsWhatItHearsAndPressesTheKeys(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	var catalogue []CataloguePrompt
	for _, p := range prompts() {
		catalogue = append(catalogue, CataloguePrompt{Name: p.Name, Lang: "fr", Text: "text of " + p.Name, Path: filepath.Join(x.dir, "sounds", p.Name+".alaw")})
	}
	for _, info := range []bool{false, true} {
		user := map[bool]string{false: "caller", true: "infocaller"}[info]
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			wav := filepath.Join(t.TempDir(), "heard.wav")
			err := RunCall(t.Context(), CallOptions{
				Server: x.server, Number: "menu", User: user, From: user, Keys: "2", INFO: info, Save: wav, Prompts: catalogue,
			}, &out)
			t.Logf("\n%s", &out)
			if err != nil {
				t.Fatal(err)
			}
			// On a busy machine the sound may stumble a moment before the key.
			want := `(?s)answered\n.*♪ welcome \(fr\): text of welcome\n.*welcome \(fr\) was cut after [0-2]\..*♪ wait5 \(fr\): text of wait5\n.*end: the line hung up\n`
			if !regexp.MustCompile(want).MatchString(out.String()) || !strings.Contains(out.String(), " press 2\n") {
				t.Error("that is not what the caller met")
			}
			if fi, err := os.Stat(wav); err != nil || fi.Size() < 2*2*rate {
				t.Errorf("what it saved: %v, %v", fi, err)
			}
		})
	}
}

func TestCallCommandShowsMusicAndEndsInTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := RunCall(t.Context(), CallOptions{Server: startedExchange(t).server, Number: "music", User: "caller", Wait: 2 * time.Second}, &out)
	if err != nil || !strings.Contains(out.String(), "«music» ") || !strings.Contains(out.String(), "the time is up") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestCallCommandShowsASilence(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := RunCall(t.Context(), CallOptions{Server: startedExchange(t).server, Number: "echo", User: "caller", Wait: 2700 * time.Millisecond}, &out)
	if err != nil || !strings.Contains(out.String(), "silence 2.") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestCallCommandSaysInWordsWhyACallFailed(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	nobody, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ server, number, keys, want string }{
		{fmt.Sprintf("127.0.0.1:%d", nobody), "3939", "", "nobody listens on"},
		{x.server, "nowhere", "", "does not know this number"},
		{x.server, "forbidden", "", "does not let this caller in"},
		{x.server, "full", "", "takes no call now"},
		{x.server, "menu", "1,soon", `"soon" is neither keys`},
		{"not an address", "3939", "", "not an address"},
	} {
		err := RunCall(t.Context(), CallOptions{Server: c.server, Number: c.number, User: "caller", Keys: c.keys}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.number, c.keys, err, c.want)
		}
	}
}

func TestCallCommandHangsUpWhenItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Second, func() { cancel(errors.New("the user pressed Ctrl-C")) })
	var out bytes.Buffer
	if err := RunCall(ctx, CallOptions{Server: startedExchange(t).server, Number: "music", User: "caller"}, &out); err != nil || !strings.Contains(out.String(), "end: stopped") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestKeysAndWaitsAreRead(t *testing.T) {
	got, err := parseKeys("1, 2s,34#,500ms,*")
	want := []step{{keys: "1"}, {wait: 2 * time.Second}, {keys: "34#"}, {wait: 500 * time.Millisecond}, {keys: "*"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v", got, err)
	}
}
