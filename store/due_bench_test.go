package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/store"
	"decroche/store/storetest"
)

// manyPromises is what the service is to bear at once.
const manyPromises = 100_000

// BenchmarkNextDueAmong100000 is the time to find and claim the next promise that is due, its
// durable commit included, and that of claiming it and beginning an attempt. It tells the
// median and the 99th percentile, for shapes that are hard
// for an index: nearly all are slots of the next 15 days; all are due; all are due, for their
// second try; 5,000 who joined first wait for their next try and all others are due. "disk"
// is the floor: one append and its fsync.
func BenchmarkNextDueAmong100000(b *testing.B) {
	b.Run("disk", benchDisk)
	onBoth(b, func(b *testing.B, url string) {
		for _, shape := range []struct {
			name string
			of   func(i int) callback.Promise
		}{{"slots of 15 days, few due", slotsAhead}, {"all due", allDue}, {"all due again", allDueAgain}, {"retries before those due", retriesFirst}} {
			b.Run(shape.name, func(b *testing.B) {
				db := storetest.Open(b, url)
				epoch, err := db.AcquireEpoch(b.Context(), "n")
				if err != nil {
					b.Fatal(err)
				}
				fill(b, db, shape.of)
				b.Run("claim", func(b *testing.B) { benchDue(b, db, nil) })
				b.Run("claim and begin", func(b *testing.B) {
					benchDue(b, db, func(p callback.Promise) error {
						_, err := db.Promises().Begin(b.Context(), callback.Attempt{
							Promise: p.ID, Call: "out-" + call.ID(p.ID), Agent: "2001", Node: "n", Epoch: epoch, Started: time.Now(),
						})
						return err
					})
				})
				wipe(b, db)
			})
		}
	})
}

var benchNow = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

func benchPromise(i int) callback.Promise {
	return callback.Promise{
		ID: callback.ID(fmt.Sprintf("K%09d", i)), Number: call.Number(fmt.Sprintf("+336%08d", i)), Lang: "fr",
		Queue: []string{"passeports", "titres"}[i%2], Kind: callback.Place, Origin: callback.FromQueue,
		Contact: call.ID(fmt.Sprintf("1700000000.%d", i)), Asked: benchNow, State: callback.Pending,
	}
}

func dueAt(p callback.Promise, joined, due time.Time) callback.Promise {
	p.Joined, p.Due, p.By = joined, due, due.Add(15*time.Minute)
	return p
}

// slotsAhead spreads them over 15 days of 36 quarters of an hour; the first two are due.
func slotsAhead(i int) callback.Promise {
	quarter := i % (15 * 36)
	slot := benchNow.Add(time.Duration(quarter/36)*24*time.Hour + time.Duration(quarter%36-1)*15*time.Minute)
	p := dueAt(benchPromise(i), slot, slot)
	p.Kind, p.Slot = callback.Slot, slot
	return p
}

func allDue(i int) callback.Promise {
	at := benchNow.Add(-time.Duration(i*7919%manyPromises) * time.Second)
	return dueAt(benchPromise(i), at, at)
}

func allDueAgain(i int) callback.Promise {
	p := allDue(i)
	return dueAt(p, p.Joined, benchNow.Add(-time.Duration(i)*time.Millisecond))
}

// retriesFirst has a twentieth of them wait for their next try, all of whom joined before the rest.
func retriesFirst(i int) callback.Promise {
	if i%20 == 0 {
		return dueAt(benchPromise(i), benchNow.Add(-50*time.Hour), benchNow.Add(time.Hour))
	}
	return allDue(i)
}

func fill(b *testing.B, db *store.DB, of func(int) callback.Promise) {
	b.Helper()
	all := make([]callback.Promise, manyPromises)
	for i := range all {
		all[i] = of(i)
	}
	if err := db.InsertPromises(b.Context(), all); err != nil {
		b.Fatal(err)
	}
}

func wipe(b *testing.B, db *store.DB) {
	b.Helper()
	for _, table := range []string{"attempts", "promises", "slots"} {
		if err := db.ExecWriter(context.WithoutCancel(b.Context()), "DELETE FROM "+table); err != nil {
			b.Fatal(err)
		}
	}
}

func benchDue(b *testing.B, db *store.DB, then func(callback.Promise) error) {
	var took []time.Duration
	for b.Loop() {
		if len(took)%100 == 0 { // what was claimed is given back, so that the shape stays
			b.StopTimer()
			if err := db.ExecWriter(b.Context(), `UPDATE promises SET state = 'pending', node = '' WHERE state <> 'pending'`); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		start := time.Now()
		got, err := db.Promises().TakeDue(b.Context(), "n", []string{"passeports", "titres"}, benchNow, 1)
		if err != nil || len(got) != 1 {
			b.Fatalf("%d are due: %v", len(got), err)
		}
		if then != nil {
			if err := then(got[0]); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}

func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(ms(1), "max-ms")
}

func benchDisk(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}
