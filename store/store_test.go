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
	storetest.Run(t, storetest.SQLite())
}

func TestPostgreSQLKeepsThePromisesOfTheStore(t *testing.T) {
	storetest.Run(t, storetest.OnPostgres(storetest.StartPostgres(t)))
}
