package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"decroche/e2e/rig"
)

// request calls the HTTP interface as an operator. It gives the status and the words of an
// error, or reads the answer into into. It may be called from any goroutine.
func request(t *testing.T, r *rig.Rig, method, path string, body, into any) (status int, words string, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Web+path, bytes.NewReader(raw))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.Secret("api-token"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		return res.StatusCode, string(said), err
	}
	if err := json.Unmarshal(said, into); err != nil {
		return res.StatusCode, "", fmt.Errorf("%w in %s", err, said)
	}
	return res.StatusCode, "", nil
}

// callAPI is request for what may be refused.
func callAPI(t *testing.T, r *rig.Rig, method, path string, body, into any) (status int, words string) {
	t.Helper()
	status, words, err := request(t, r, method, path, body, into)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, words
}

// orders has the HTTP interface do something that is not to be refused.
func orders(t *testing.T, r *rig.Rig, path string, body, answer any) {
	t.Helper()
	if status, words := callAPI(t, r, "POST", path, body, answer); status != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, status, words)
	}
}
