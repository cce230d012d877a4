package report_test

import (
	"os"
	"testing"
)

var folders []string

// tempDir is a folder that lives as long as all tests.
func tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "decroche-report-")
	folders = append(folders, dir)
	return dir, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range folders {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}
