package proxies

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLimitsAreCountedOnTheAddressThatAProxyWeTrustGives(t *testing.T) {
	trusted, err := Parse([]string{"10.0.0.0/8", "fd00::/8", "192.0.2.80"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, forwarded, want string }{
		{"192.0.2.7:1", "", "192.0.2.7/32"},
		{"192.0.2.7:1", "198.51.100.9", "192.0.2.7/32"}, // nobody we trust
		{"192.0.2.80:1", "198.51.100.9", "198.51.100.9/32"},
		{"10.0.0.2:1", "198.51.100.9", "198.51.100.9/32"},
		{"10.0.0.2:1", "203.0.113.1, 198.51.100.9", "198.51.100.9/32"}, // what the client wrote before
		{"10.0.0.2:1", "198.51.100.9, 10.0.0.3", "198.51.100.9/32"},
		{"10.0.0.2:1", "nonsense", "10.0.0.2/32"},
		{"10.0.0.2:1", "", "10.0.0.2/32"},
		{"[2001:db8:1:2:3:4:5:6]:1", "", "2001:db8:1:2::/64"},
		{"[fd00::1]:1", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.7]:1", "", "192.0.2.7/32"},
		{"[fe80::1%eth0]:1", "", "fe80::/64"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := trusted.Address(r).String(); got != c.want {
			t.Errorf("%s forwarded for %q counts as %s, want %s", c.from, c.forwarded, got, c.want)
		}
	}
}

func TestAProxyIsNamedByItsAddress(t *testing.T) {
	if _, err := Parse([]string{"192.0.2.7", "proxy.example"}); err == nil || !strings.Contains(err.Error(), `"proxy.example" is neither an address nor a network`) {
		t.Errorf("a name is read as %v", err)
	}
}
