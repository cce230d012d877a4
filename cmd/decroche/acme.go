package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// serveSite serves over TLS where there is a certificate, or one is had by ACME.
func (s *server) serveSite(l net.Listener) error {
	a := s.c.Web.Admin
	switch {
	case a.ACME.On:
		m, err := s.c.certificates()
		if err != nil {
			return err
		}
		// The proof that the name is ours is given on this very port (tls-alpn-01).
		s.site.TLSConfig = m.TLSConfig()
		s.site.TLSConfig.MinVersion = tls.VersionTLS12
		return s.site.ServeTLS(l, "", "")
	case a.Certificate != "":
		return s.site.ServeTLS(l, a.Certificate, a.Key)
	}
	return s.site.Serve(l)
}

// certificates are had for the host of the site's URL, and kept in the data folder.
func (c *config) certificates() (*autocert.Manager, error) {
	a := c.Web.Admin
	u, err := url.Parse(a.URL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("web.admin.acme: web.admin.url %q has no host to have a certificate for", a.URL)
	}
	client := &acme.Client{DirectoryURL: a.ACME.Directory}
	if a.ACME.CA != "" {
		pem, err := os.ReadFile(a.ACME.CA)
		if err != nil {
			return nil, fmt.Errorf("web.admin.acme.ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("web.admin.acme.ca: %s has no certificate in PEM", a.ACME.CA)
		}
		client.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, "acme")), HostPolicy: autocert.HostWhitelist(u.Hostname()),
		Email: a.ACME.Email, Client: client,
	}, nil
}
