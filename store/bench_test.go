package store_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"decroche/call"
	"decroche/store/storetest"
)

// onBoth runs a benchmark on both engines. PostgreSQL syncs its files here, as in service.
func onBoth(b *testing.B, run func(*testing.B, string)) {
	b.Run("SQLite", func(b *testing.B) { run(b, storetest.SQLite().URL(b)) })
	pg := storetest.StartPostgres(b, "fsync=on")
	b.Run("PostgreSQL", func(b *testing.B) { run(b, pg.Database(b)) })
}

// BenchmarkJournal is the time per event, from the first Append until all are committed.
func BenchmarkJournal(b *testing.B) {
	onBoth(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		data := json.RawMessage(`{"queue":"passeports","position":12,"low_s":240,"high_s":420,"method":"qlm"}`)
		for i := 0; b.Loop(); i++ {
			db.Journal().Append(call.Event{At: time.Now(), Call: call.ID("1700000000." + strconv.Itoa(i/10)), Kind: call.EventQueued, Data: data})
			if i%50_000 == 49_999 { // memory is bounded, so is the lead
				if err := db.Journal().Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := db.Journal().Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func saved(i int) call.Checkpoint {
	id := call.ID("1700000000." + strconv.Itoa(i%2000))
	return call.Checkpoint{
		Call: id, Step: "queue", State: json.RawMessage(`{"queue":"passeports","queued_at":1700000000123,"lang":"fr"}`), At: time.Now(),
		Info: call.Info{ID: id, From: "+33639980001", To: "+33199003939", Arrived: time.Now(), Trunk: "op1"},
	}
}

// BenchmarkCheckpointsWritten is the time per checkpoint of 2,000 calls until it is committed.
func BenchmarkCheckpointsWritten(b *testing.B) {
	onBoth(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		if _, err := db.AcquireEpoch(b.Context(), "n"); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if err := db.Checkpoints().Save(b.Context(), saved(i)); err != nil {
				b.Fatal(err)
			}
			if i%2000 == 1999 { // each call once in a group, so that none is left out
				if err := db.Checkpoints().Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := db.Checkpoints().Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "saves/s")
	})
}

// BenchmarkSave is what a call waits for: Save alone, at 1,000 a second.
func BenchmarkSave(b *testing.B) {
	onBoth(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		if _, err := db.AcquireEpoch(b.Context(), "n"); err != nil {
			b.Fatal(err)
		}
		var total, worst time.Duration
		n := 0
		for b.Loop() {
			cp := saved(n)
			start := time.Now()
			if err := db.Checkpoints().Save(b.Context(), cp); err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			total, worst, n = total+took, max(worst, took), n+1
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(total.Nanoseconds())/float64(n)/1000, "µs/save")
		b.ReportMetric(float64(worst.Nanoseconds())/1000, "µs-worst")
	})
}
