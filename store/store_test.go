package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"decroche/store/storetest"
)

func TestMain(m *testing.M) {
	if isChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestSQLiteKeepsThePromisesOfTheStore(t *testing.T) {
	keepsThePromises(t, storetest.SQLite())
}

func TestPostgreSQLKeepsThePromisesOfTheStore(t *testing.T) {
	keepsThePromises(t, storetest.OnPostgres(storetest.StartPostgres(t)))
}

func keepsThePromises(t *testing.T, e storetest.Engine) {
	storetest.Run(t, e)
	t.Run("a process killed while it writes loses nothing that was flushed", func(t *testing.T) {
		t.Parallel()
		killedWhileItWrites(t, e)
	})
	t.Run("a process killed while it promises keeps what it said, and nothing by halves", func(t *testing.T) {
		t.Parallel()
		killedWhileItPromises(t, e)
	})
}
