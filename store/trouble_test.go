package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"modernc.org/sqlite"

	"decroche/call"
	"decroche/store"
	"decroche/store/storetest"
)

func fact(i int) call.Event {
	return call.Event{At: time.Now(), Call: "c", Kind: call.EventQueued, Data: json.RawMessage(strconv.Itoa(i))}
}

// bigFact is a fact that fills a disk soon; the space is no part of its number.
func bigFact(i int) call.Event {
	ev := fact(i)
	ev.Data = append(ev.Data, bytes.Repeat([]byte(" "), 4000)...)
	return ev
}

// wantFacts checks that the journal has 0 … n-1, in order.
func wantFacts(t *testing.T, db *store.DB, n int) {
	t.Helper()
	next := 0
	err := db.Journal().Read(t.Context(), store.Filter{}, func(e store.Entry) error {
		if got, err := strconv.Atoi(string(bytes.TrimSpace(e.Data))); err != nil || got != next {
			t.Errorf("at place %d is fact %.40s", next, e.Data)
		}
		next++
		return nil
	})
	if err != nil || next != n {
		t.Errorf("%d facts are in the journal (%v), want %d", next, err, n)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func TestAFullDiskIsToldOfAndNothingIsLostWhenThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "decroche.db")
	free := fillable(t, dir)
	db := storetest.Open(t, url)
	if _, err := db.AcquireEpoch(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for limit := time.Now().Add(time.Minute); db.Healthy() == nil && time.Now().Before(limit); n++ {
		db.Journal().Append(bigFact(n))
		if n%100 == 0 {
			// A group may fail now: what matters is that nothing blocks and Healthy tells.
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_ = db.Journal().Flush(ctx)
			cancel()
		}
	}
	if err := db.Healthy(); err == nil || !strings.Contains(err.Error(), "disk of the database is full") {
		t.Fatalf("after %d facts on a small disk Healthy says %v", n, err)
	}
	for range 200 {
		db.Journal().Append(bigFact(n))
		if err := db.Checkpoints().Save(t.Context(), call.Checkpoint{Call: call.ID(strconv.Itoa(n))}); err != nil {
			t.Fatal(err)
		}
		n++
	}
	free(db)
	if err := db.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFacts(t, db, n)
	if open, err := db.Checkpoints().Open(t.Context()); err != nil || len(open) != 200 {
		t.Errorf("%d calls are open (%v), want 200", len(open), err)
	}
	if err := db.Healthy(); err != nil {
		t.Errorf("with room again Healthy says %v", err)
	}
	if s := db.Stats(); s.Journal.Lost+s.Checkpoints.Lost != 0 {
		t.Errorf("the counters are wrong: %+v", s)
	}
}

// fillable makes the folder a small disk, and returns how to make room on it: a real file
// system of 4 MB where we may mount one, and elsewhere SQLite's own limit of pages, which
// gives the same error.
func fillable(t *testing.T, dir string) (free func(*store.DB)) {
	t.Helper()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700")
	if errors.Is(err, syscall.EPERM) {
		return limitPages(filepath.Join(dir, "decroche.db"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Lazily: a process another test is just starting may still hold a file of it.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return func(*store.DB) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m,mode=0700"); err != nil {
			t.Fatal(err)
		}
	}
}

// limitPages holds every connection to the file to 1 MB until there is room.
func limitPages(path string) (free func(*store.DB)) {
	var pages atomic.Int64
	pages.Store(256)
	limit := func() string { return "PRAGMA max_page_count = " + strconv.FormatInt(pages.Load(), 10) }
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		if !strings.Contains(dsn, path) {
			return nil
		}
		rows, err := conn.QueryContext(context.Background(), limit(), nil)
		if err != nil {
			return err
		}
		return rows.Close()
	})
	return func(db *store.DB) {
		pages.Store(1 << 30)
		if err := db.ExecWriter(context.Background(), limit()); err != nil {
			panic(err)
		}
	}
}

func TestAPostgreSQLServerInTrouble(t *testing.T) {
	t.Parallel()
	pg := storetest.StartPostgres(t)
	// One after the other, on one server: making one is what takes the time.
	t.Run("stops and comes back, and gets every fact once", func(t *testing.T) { serverStopsAndComesBack(t, pg) })
	t.Run("is missed by an idle store", func(t *testing.T) { idleStoreNotices(t, pg) })
	t.Run("takes the password of a file", func(t *testing.T) { passwordFromFile(t, pg) })
}

func serverStopsAndComesBack(t *testing.T, pg *storetest.Server) {
	db := storetest.Open(t, pg.Database(t))
	if _, err := db.AcquireEpoch(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	n, stopped := 0, false
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) || !stopped {
		for range 20 {
			db.Journal().Append(fact(n))
			n++
		}
		if err := db.Checkpoints().Save(t.Context(), call.Checkpoint{Call: "c", Step: strconv.Itoa(n)}); err != nil {
			t.Fatal(err)
		}
		if !stopped && n > 2000 {
			pg.Stop(t) // cuts a group in the middle, as often as not
			stopped = true
		}
		time.Sleep(time.Millisecond)
	}
	until(t, "Healthy tells of it", func() bool {
		err := db.Healthy()
		return err != nil && strings.Contains(err.Error(), "cannot be reached")
	})
	if _, err := db.Active(t.Context(), time.Now()); err == nil {
		t.Error("messages are read from a server that is down")
	}
	pg.Start(t)
	if err := db.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFacts(t, db, n)
	open, err := db.Checkpoints().Open(t.Context())
	if err != nil || len(open) != 1 || open[0].Step != strconv.Itoa(n) {
		t.Errorf("the checkpoint is %+v (%v), want step %d", open, err, n)
	}
	if err := db.Healthy(); err != nil {
		t.Errorf("with the server back Healthy says %v", err)
	}
}

func idleStoreNotices(t *testing.T, pg *storetest.Server) {
	db := storetest.Open(t, pg.Database(t), func(o *store.Options) { o.ProbeEvery = 50 * time.Millisecond })
	pg.Stop(t)
	until(t, "Healthy tells of it", func() bool { return db.Healthy() != nil })
	pg.Start(t)
	until(t, "Healthy tells that it is back", func() bool { return db.Healthy() == nil })
}

func TestADamagedFileIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	sound := filepath.Join(t.TempDir(), "sound.db")
	db := storetest.Open(t, "sqlite:"+sound)
	for i := range 2000 {
		db.Journal().Append(fact(i))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	garbled := bytes.Clone(good)
	for i := 8192; i < len(garbled); i++ {
		garbled[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{
		"another kind of file": []byte("The quick brown fox jumps over the lazy dog, many times."),
		"short":                good[:7],
		"cut":                  good[:len(good)/2],
		"garbled":              garbled,
	} {
		path := filepath.Join(t.TempDir(), "decroche.db")
		if err := os.WriteFile(path, content, 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + path})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "put a backup in its place") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func TestWhatCannotBeOpenedIsRefusedInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, data, want string }{
		{"", "", "must start with sqlite: or postgres://"},
		{"mysql://x", "", "must start with sqlite: or postgres://"},
		{"sqlite:", "", "sqlite:/path/to/file.db"},
		{"sqlite:" + dir + "/none/d.db", "", "does not exist: create it"},
		{"sqlite:" + file + "/d.db", "", file},
		{"sqlite:" + dir + "/d.db", dir + "/other", "does not exist: create it"},
		{"sqlite:" + dir, "", dir},
		{"sqlite:/proc/d.db", "", "cannot be written"},
		{"postgres://u@127.0.0.1:1/d", dir, "cannot be reached"},
		{"postgres://u:geheim@127.0.0.1:1/d", dir, "put it in a file"},
		{"postgres://u@127.0.0.1:1/d?password=geheim", dir, "put it in a file"},
		{"postgres://u:geheim@[broken", dir, "cannot be read"},
	} {
		_, err := store.Open(t.Context(), store.Options{URL: c.url, DataDir: c.data})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.url, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error holds the password: %v", c.url, err)
		}
	}
}

func passwordFromFile(t *testing.T, pg *storetest.Server) {
	url := pg.Database(t)
	pg.RequirePassword(t, "geheim")
	dir := t.TempDir()
	for password, wants := range map[string]bool{"geheim\n": true, "falsch\n": false} {
		path := filepath.Join(dir, "password")
		if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), store.Options{URL: url, DataDir: dir, PasswordFile: path})
		switch {
		case wants && err != nil:
			t.Errorf("the right password: %v", err)
		case !wants && (err == nil || !strings.Contains(err.Error(), "refuses the account or its password")):
			t.Errorf("a wrong password: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), strings.TrimSpace(password)) {
			t.Errorf("the error holds the password: %v", err)
		}
		if db != nil {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFilesWithPersonalDataAreClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "decroche.db")
	for range 2 {
		db := storetest.Open(t, "sqlite:"+path)
		db.Journal().Append(fact(0))
		if err := db.Journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 5 { // the database, -wal, -shm, lock and key
			t.Fatalf("%d files (%v)", len(files), err)
		}
		for _, f := range files {
			if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is open to others: %v %v", f.Name(), info.Mode(), err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // as an older backup may have it
			t.Fatal(err)
		}
	}
}

func TestEventsThatNothingCanTakeAreCountedAndToldOf(t *testing.T) {
	t.Parallel()
	url, dir := "sqlite:"+filepath.Join(t.TempDir(), "decroche.db"), t.TempDir()
	var log bytes.Buffer
	// The folder of the spill file is owned by a first process, so the second has memory only.
	storetest.Open(t, url, func(o *store.Options) { o.DataDir = dir })
	db, err := store.Open(t.Context(), store.Options{
		URL: url, DataDir: dir, JournalMemory: 100, CloseTimeout: 200 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	unlock := storetest.SQLite().Lock(t, url)
	defer unlock()
	for i := range 5000 {
		db.Journal().Append(fact(i))
	}
	until(t, "the loss is counted", func() bool { return db.Stats().Journal.Lost > 0 })
	if err := db.Close(); err == nil || !strings.Contains(err.Error(), "are lost") {
		t.Errorf("Close with events that nothing can take: %v", err)
	}
	if s := db.Stats().Journal; s.Written+s.Lost != s.Appended {
		t.Errorf("some events are neither written nor counted: %+v", s)
	}
	if !strings.Contains(log.String(), "events of the journal are lost") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

func TestACloseWithoutADatabaseSaysHowManyCheckpointsAreLost(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "decroche.db")
	db, err := store.Open(t.Context(), store.Options{URL: url, CloseTimeout: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.AcquireEpoch(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	unlock := storetest.SQLite().Lock(t, url)
	defer unlock()
	for i := range 3 {
		if err := db.Checkpoints().Save(t.Context(), call.Checkpoint{Call: call.ID(strconv.Itoa(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err == nil || !strings.Contains(err.Error(), "checkpoints of 3 calls") {
		t.Errorf("Close says %v", err)
	}
}
