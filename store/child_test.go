package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
	"decroche/store"
	"decroche/store/storetest"
)

const childURL, childDir, childWork = "DECROCHE_TEST_STORE_URL", "DECROCHE_TEST_STORE_DIR", "DECROCHE_TEST_STORE_WORK"

// isChild runs the process that is killed: it appends or promises without end, and says which
// number it knows to be written.
func isChild() bool {
	if os.Getenv(childURL) == "" {
		return false
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{URL: os.Getenv(childURL), DataDir: os.Getenv(childDir)})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	epoch, err := db.AcquireEpoch(ctx, "n")
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	if os.Getenv(childWork) == "promises" {
		for n := 1; ; n++ {
			if err := promiseAndCall(ctx, db, epoch, n); err != nil {
				fmt.Println("failed:", err)
				os.Exit(1)
			}
			fmt.Println(n)
		}
	}
	said := make(chan int, 1)
	go func() {
		for n := range said {
			if db.Journal().Flush(ctx) == nil && db.Checkpoints().Flush(ctx) == nil {
				fmt.Println(n)
			}
		}
	}()
	for n := 1; ; n++ {
		db.Journal().Append(call.Event{At: time.Now(), Call: "c", Kind: call.EventQueued, Data: json.RawMessage(strconv.Itoa(n))})
		if err := db.Checkpoints().Save(ctx, call.Checkpoint{Call: "c", Step: strconv.Itoa(n)}); err != nil {
			fmt.Println("failed:", err)
		}
		select {
		case said <- n: // both were handed over before Flush is called
		default:
		}
		time.Sleep(20 * time.Microsecond)
	}
}

func killedWhileItWrites(t *testing.T, e storetest.Engine) {
	url, dir := e.URL(t), t.TempDir()
	flushed := runAndKill(t, url, dir, "journal", 25)
	db := storetest.Open(t, url, func(o *store.Options) { o.DataDir = dir })
	next := 1
	err := db.Journal().Read(t.Context(), store.Filter{Call: "c"}, func(e store.Entry) error {
		if string(e.Data) != strconv.Itoa(next) {
			return fmt.Errorf("fact %s is at the place of %d", e.Data, next)
		}
		next++
		return nil
	})
	if err != nil || next-1 < flushed {
		t.Errorf("%d facts are in the journal and %d were flushed (%v)", next-1, flushed, err)
	}
	open, err := db.Checkpoints().Open(t.Context())
	if err != nil || len(open) != 1 {
		t.Fatalf("%d calls are open (%v), want 1", len(open), err)
	}
	if step, err := strconv.Atoi(open[0].Step); err != nil || step < flushed {
		t.Errorf("the checkpoint is at %s and %d was flushed", open[0].Step, flushed)
	}
	if epoch, err := db.AcquireEpoch(t.Context(), "n"); err != nil || epoch != 2 {
		t.Errorf("the next epoch is %d (%v), want 2", epoch, err)
	}
}

// promiseAndCall makes promise n and begins to keep it.
func promiseAndCall(ctx context.Context, db *store.DB, epoch int64, n int) error {
	p := callback.Promise{
		ID: callback.ID(strconv.Itoa(n)), Number: call.Number(fmt.Sprintf("+3363998%04d", n)), Queue: "q",
		Kind: callback.Slot, Asked: killNoon, Joined: killNoon, Slot: killNoon, Due: killNoon,
	}
	msg := sms.Message{Key: "promise:" + string(p.ID), To: p.Number, Text: "x", Purpose: sms.Confirmed}
	if _, _, err := db.Promises().Ask(ctx, p, callback.Bounds{}, callback.Change{Send: []sms.Message{msg}}); err != nil {
		return err
	}
	if _, err := db.Promises().TakeDue(ctx, "n", []string{"q"}, killNoon, 1); err != nil {
		return err
	}
	_, err := db.Promises().Begin(ctx, callback.Attempt{Promise: p.ID, Node: "n", Epoch: epoch, Started: killNoon})
	return err
}

var killNoon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

// killedWhileItPromises looks at what a killed process leaves: every promise that it has said,
// with its message and its attempt, and nothing by halves.
func killedWhileItPromises(t *testing.T, e storetest.Engine) {
	ctx, url, dir := t.Context(), e.URL(t), t.TempDir()
	said := runAndKill(t, url, dir, "promises", 15)
	db := storetest.Open(t, url, func(o *store.Options) { o.DataDir = dir })
	kept, err := db.Promises().Promises(ctx, callback.Filter{Limit: 1000})
	if err != nil || len(kept) < said || len(kept) > said+1 {
		t.Fatalf("%d promises are kept and %d were said (%v)", len(kept), said, err)
	}
	open, err := db.Promises().Open(ctx, "n")
	if err != nil {
		t.Fatal(err)
	}
	begun := map[callback.ID]bool{}
	for _, a := range open {
		begun[a.Promise] = true
	}
	for _, p := range kept {
		if n, _ := strconv.Atoi(string(p.ID)); (n <= said || begun[p.ID]) != (p.State == callback.Calling) || begun[p.ID] != (p.Attempts == 1) {
			t.Errorf("promise %d of %d that were said is %s with %d attempts", n, said, p.State, p.Attempts)
		}
	}
	if out, err := db.SMS().Outbox(ctx, 1000); err != nil || len(out) != len(kept) {
		t.Errorf("%d messages are kept with %d promises (%v)", len(out), len(kept), err)
	}
	if taken, err := db.Promises().Taken(ctx, "q", killNoon, killNoon.Add(time.Hour)); err != nil || taken[killNoon] != len(kept) {
		t.Errorf("%v are taken by %d promises (%v)", taken, len(kept), err)
	}
}

// runAndKill kills the child in the middle of its work and returns the last number it said.
func runAndKill(t *testing.T, url, dir, work string, lines int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, childDir+"="+dir, childWork+"="+work)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	sc := bufio.NewScanner(out)
	for i := 0; sc.Scan(); i++ {
		if strings.HasPrefix(sc.Text(), "failed") {
			t.Errorf("the child %s", sc.Text())
		}
		if n, err := strconv.Atoi(sc.Text()); err == nil {
			last = n // lines that came before the kill count too
		}
		if i == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || last == 0 {
		t.Fatalf("the child ended by itself, at %d", last)
	}
	return last
}
