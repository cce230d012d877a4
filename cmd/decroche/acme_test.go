package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

const adminHost = "admin.exemple.test"

// The site has its certificate from Pebble, Let's Encrypt's own server for tests, which looks at the proof
// on the site's port; and keeps it over a restart.
func TestTheSiteHasItsCertificateByACME(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := stdlog.New(io.Discard, "", 0)
	memory := db.NewMemoryStore()
	authority := ca.New(log, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	validation := va.New(log, 1, listener.Addr().(*net.TCPAddr).Port, false, resolver(t), memory)
	front := wfe.New(log, memory, validation, authority, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	directory := httptest.NewTLSServer(front.Handler())
	t.Cleanup(directory.Close)

	var c config
	c.Data = t.TempDir()
	c.Web.Admin.URL = "https://" + adminHost
	c.Web.Admin.ACME.On, c.Web.Admin.ACME.Directory, c.Web.Admin.ACME.Email = true, directory.URL+"/dir", "exploitation@exemple.test"
	c.Web.Admin.ACME.CA = filepath.Join(c.Data, "ca.pem")
	if err := os.WriteFile(c.Web.Admin.ACME.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: directory.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.GetRootCert(0).PEM())

	first := serial(t, &c, listener, roots)
	again, err := net.Listen("tcp", "127.0.0.1:0") // not where the proof would be looked for
	if err != nil {
		t.Fatal(err)
	}
	if second := serial(t, &c, again, roots); second != first {
		t.Errorf("after a restart the certificate is another: %s, then %s", first, second)
	}
	if info, err := os.Stat(filepath.Join(c.Data, "acme")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the certificates: %v, %v", info, err)
	}
}

// A certificate of one's own is served from its files.
func TestTheSiteServesTLSByItsFiles(t *testing.T) {
	made := httptest.NewTLSServer(nil) // for its certificate
	defer made.Close()
	own := made.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var c config
	c.Web.Admin.Certificate, c.Web.Admin.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		c.Web.Admin.Certificate: {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, c.Web.Admin.Key: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{c: &c, site: &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}}
	done := make(chan error, 1)
	go func() { done <- s.serveSite(l) }()
	defer func() { _ = s.site.Close(); <-done }()
	roots := x509.NewCertPool()
	roots.AddCert(made.Certificate())
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "example.com", RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// serial serves the site, looks at it, and gives the certificate's serial number.
func serial(t *testing.T, c *config, l net.Listener, roots *x509.CertPool) string {
	t.Helper()
	s := &server{c: c, site: &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute, ErrorLog: stdlog.New(io.Discard, "", 0)}}
	done := make(chan error, 1)
	go func() { done <- s.serveSite(l) }()
	defer func() { _ = s.site.Close(); <-done }()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", l.Addr().String(), &tls.Config{ServerName: adminHost, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if other, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "autre.exemple.test", RootCAs: roots}); err == nil {
		other.Close()
		t.Error("a certificate is had for any name")
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// resolver is a name server that says that every name is this machine.
func resolver(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return l.Addr().String()
}
