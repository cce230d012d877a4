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
	"decroche/store"
	"decroche/store/storetest"
)

const childURL, childDir = "DECROCHE_TEST_STORE_URL", "DECROCHE_TEST_STORE_DIR"

// isChild runs the process that is killed: it appends without end and says which number it
// knows to be written.
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
	if _, err := db.AcquireEpoch(ctx, "n"); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
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
	flushed := runAndKill(t, url, dir, 25)
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

// runAndKill kills the child in the middle of its work and returns the last number it said.
func runAndKill(t *testing.T, url, dir string, lines int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, childDir+"="+dir)
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
