// Package storetest holds the store to its promises, on every engine alike, and starts the
// throw-away PostgreSQL that other packages' tests use too.
package storetest

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/store"
)

// Engine is a database to be tested.
type Engine struct {
	Name string
	// URL gives a new empty database.
	URL func(t testing.TB) string
	// Lock opens a second connection to the database and locks the writers out until
	// unlock is called.
	Lock func(t testing.TB, url string) (unlock func())
}

// SQLite is the engine on a file of the test's own folder.
func SQLite() Engine {
	return Engine{
		Name: "SQLite",
		URL:  func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/decroche.db" },
		Lock: func(t testing.TB, dsn string) func() {
			return lock(t, "sqlite", strings.TrimPrefix(dsn, "sqlite:"), "BEGIN EXCLUSIVE")
		},
	}
}

// OnPostgres is the engine on a running server.
func OnPostgres(s *Server) Engine {
	return Engine{
		Name: "PostgreSQL",
		URL:  func(t testing.TB) string { return s.Database(t) },
		Lock: func(t testing.TB, dsn string) func() {
			return lock(t, "pgx", dsn, "BEGIN", "LOCK TABLE journal, epochs, checkpoints, messages, blobs, promises, sms IN ACCESS EXCLUSIVE MODE")
		},
	}
}

func lock(t testing.TB, driver, dsn string, statements ...string) func() {
	t.Helper()
	ctx := context.Background()
	db := get(sql.Open(driver, dsn))(t)
	conn := get(db.Conn(ctx))(t)
	for _, s := range statements {
		var err error
		for limit := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err = conn.ExecContext(ctx, s); err == nil || time.Now().After(limit) {
				break // the store's writer may have the lock for a moment
			}
		}
		if err != nil {
			t.Fatalf("lock the database: %v", err)
		}
	}
	return sync.OnceFunc(func() {
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Errorf("unlock the database: %v", err)
		}
		conn.Close()
		db.Close()
	})
}

// Open opens a store on the URL, closed at the end of the test.
func Open(t testing.TB, url string, change ...func(*store.Options)) *store.DB {
	t.Helper()
	opts := store.Options{URL: url, Log: slog.New(slog.DiscardHandler)}
	if !strings.HasPrefix(url, "sqlite:") {
		opts.DataDir = t.TempDir()
	}
	for _, c := range change {
		c(&opts)
	}
	db, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return db
}

// Run runs the whole suite on an engine.
func Run(t *testing.T, e Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Engine)
	}{
		{"a checkpoint comes back as it was saved", checkpointRoundTrip},
		{"the last change of a call wins, in the order of the calls to Save and Delete", lastChangeWins},
		{"open calls are listed oldest arrival first", oldestFirst},
		{"a later epoch fences the earlier holder", laterEpochFences},
		{"nodes do not fence each other and list their own calls", nodesApart},
		{"a checkpoint needs an epoch", epochFirst},
		{"events keep their order and come back by call, kind and time", journalFilters},
		{"events of eight goroutines are all there, each goroutine's in order", concurrentAppends},
		{"no caller's number is in the journal", journalMasks},
		{"odd texts do not stop the journal", oddTexts},
		{"what is packed reads as it did", packedReadsTheSame},
		{"two controllers pack while others read, and nothing is missed or doubled", packedBesideReaders},
		{"a person is renamed, and old facts dropped, in what is packed too", packedIsForgotten},
		{"no fact comes with an id below one already read", idsInOrder},
		{"a locked database is told of and loses nothing", lockedDatabase},
		{"what does not fit in memory goes to the file and comes back in order", spillsAndReplays},
		{"events left at the end are written at the next start, once", leftoverNextStart},
		{"an agent's last state is kept", agentStates},
		{"a message is published once for one request", publishOnce},
		{"a message is heard from its start to its end or its stop", messageLife},
		{"a message that is not valid is not kept", messageRefused},
		{"a message waits for a second person", messageHeld},
		{"a message takes the place of another", messageInstead},
		{"promises are counted by queue as they stand", promiseStandings},
		{"drafts are kept, published and restored", draftLife},
		{"a plan is on once", planLife},
		{"what a plan's rule was seen to do is known to every node and after a crash", planHeld},
		{"accounts are changed by one at a time, and the log tells", accountLife},
		{"a link serves once, a session until its end", linksAndSessions},
		{"a blob is kept until the next one", blobs},
		{"recordings go when no message has them any more", recordingsGo},
		{"a past call is imported once, without its number", importsOnce},
		{"an import is written whole or not at all", importsWholeOrNot},
		{"imports beside each other and a controller lose and double nothing", importsBeside},
		{"a contact has one survey, and a person one in a time", surveyedOnce},
		{"who is to be asked by many at once is asked once, with one message", surveyedByManyAtOnce},
		{"a survey comes back as it was kept and changed", surveyRoundTrip},
		{"surveys are forgotten with their person, and when they are over", surveysGo},
		{"the ledger finds contacts by call, link and person", ledgerFinds},
		{"the ledger made anew from the journal is the one made as facts came in", ledgerIsRebuilt},
		{"two controllers do not both move the ledger on", ledgerMovesOnce},
		{"what a rebuild has left is given up in small parts", ledgerGivesUpWhatIsOver},
		{"a promise comes back as it was kept, with its messages", promiseRoundTrip},
		{"a hundred requests for one number make one promise", oneLivePromise},
		{"a number has so many promises a day", perDay},
		{"a slot is given as often as it may be", slotBound},
		{"a promise changes with its messages or not at all", changePromise},
		{"changes of one promise follow each other", concurrentChanges},
		{"a promise waits for a locked database, and is kept once or not at all", lockedPromise},
		{"promises are listed and counted", listsPromises},
		{"what is due is taken in the order of the line", takesDue},
		{"what is due is taken in the order of the line when much is", takesFromMany},
		{"no promise is given to two nodes", nodesTakeApart},
		{"an attempt is begun and ended once, over a crash", attemptLife},
		{"twenty who begin make one attempt", beginsOnce},
		{"an older controller neither takes nor gives back", fencedDialer},
		{"on a random day the slots taken are those of the live promises", randomDay},
		{"a message comes back as it was enqueued, claimed and settled", messageRoundTrip},
		{"a key makes one message", keysAreOne},
		{"a message is claimed by one", claimedOnce},
		{"a message whose lease ended is unsure, and what was sent stays sent", leaseEnds},
		{"what was delivered stays delivered, whenever reports come", reports},
		{"a message dropped while it is sent is not tried again", dropsWhileSending},
		{"STOP drops what is queued and is remembered", blocks},
		{"an incoming message is kept once", inbox},
		{"the backlog counts what waits", backlog},
		{"the switch of a link is kept in place of the one before", linkSwitches},
		{"a second process opens the same database", secondProcess},
		{"a newer schema is refused", newerSchema},
		{"closing twice is harmless, and a closed store says so", closedStore},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.test(t, e) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get is for calls of the form get(f())(t).
func get[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// noon is a time without the parts that the store does not keep.
var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

// rawDB is a connection beside the store.
func rawDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, is := strings.CutPrefix(dsn, "sqlite:"); is {
		driver, dsn = "sqlite", path
	}
	db := get(sql.Open(driver, dsn))(t)
	t.Cleanup(func() { db.Close() })
	return db
}

// eventually waits for something that another goroutine or server does.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(15 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it never came that %s", what)
		}
	}
}
