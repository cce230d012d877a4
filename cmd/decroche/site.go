package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"decroche/call"
	"decroche/drafts"
	"decroche/ivr"
	"decroche/people"
	"decroche/service"
	"decroche/speech"
	"decroche/web/admin"
	"decroche/web/proxies"
)

// assembleSite makes the administration site.
func (s *server) assembleSite() error {
	trusted, err := proxies.Parse(s.c.Web.Admin.Proxies)
	if err != nil {
		return err
	}
	s.assembleStudio()
	s.trials = &trials{s: s}
	site := &admin.Server{
		Roster: &roster{s: s}, Plans: s.plans, Trials: s.trials, Studio: s.studio, Recorder: s.studio.Number, Approval: s.c.Web.Admin.Approval,
		People: &people.Office{Store: s.db.People()}, Accounts: s.db.People(), Sessions: s.db.People(),
		Service: s.def.Load, Floor: s.floor, Messages: s.db, Changed: s.board.Refresh, URL: s.c.siteURL(), Proxies: trusted, Log: s.log,
		KeepSound: s.keepMessageSound,
		Rehearse: func(ctx context.Context, lang call.Lang, p service.Phrase) ([]byte, error) {
			sound, err := voice{s.lib, s}.Phrase(ctx, "message", lang, p)
			if err != nil {
				return nil, err
			}
			return speech.Listen(sound)
		},
		Drafts: &drafts.Desk{
			Store: s.db.Drafts(), File: s.c.Service, Judge: s.c.judge,
			Reload: func(ctx context.Context) error { _, err := s.reload(ctx); return err },
		},
		Sound: func(ctx context.Context, lang call.Lang, p service.Phrase) (call.Sound, error) {
			return voice{s.lib, s}.Phrase(ctx, "text", lang, p)
		},
		KeepRecording: s.keepRecording, KeptSound: s.messageData, Catalogue: catalogue{s}, Play: s.play,
		Reports: s.reports, Facts: facts{s.db.Journal()}.Facts, Links: s.desk.links,
		Heard: new(hearing).of(s.db.Journal()), Today: s.boardDay, Alarms: s.alarmsNow,
	}
	if o := s.c.Web.Admin.OpenID; o.Issuer != "" {
		secret, err := readSecret(o.SecretFile)
		if err != nil {
			return fmt.Errorf("web.admin.openid.secret_file: %w", err)
		}
		site.OpenID = &admin.OpenID{
			Name: o.Name, Issuer: o.Issuer, Client: o.Client, Secret: secret, Scopes: o.Scopes, ACR: o.ACR, URL: strings.TrimSuffix(s.c.Web.Admin.URL, "/"),
		}
	}
	for _, o := range s.c.Web.Admin.Others {
		token, err := readSecret(o.TokenFile)
		if err != nil {
			return fmt.Errorf("web.admin.others: %w", err)
		}
		site.Others = append(site.Others, admin.Other{Name: o.Name, URL: strings.TrimSuffix(o.URL, "/"), Token: token})
	}
	if theme := s.c.Web.Admin.Theme; theme != "" {
		site.Theme = os.DirFS(theme)
	}
	s.admin = site
	s.site = s.httpServer(site.Handler())
	s.site.WriteTimeout = 0 // the board is a stream, which sets its own
	s.site.RegisterOnShutdown(site.Close)
	return nil
}

// play plays the journey as a caller would hear it at a moment: with the messages of then, those that are to come too.
func (s *server) play(ctx context.Context, def *service.Definition, info call.Info, at time.Time, keys string) (ivr.Rehearsal, error) {
	news := ivr.NewBoard(func(ctx context.Context, _ time.Time) ([]ivr.Message, error) { return s.db.Active(ctx, at) })
	if err := news.Refresh(ctx); err != nil {
		return ivr.Rehearsal{}, err
	}
	then := *s.journey
	then.News = news
	return then.Rehearse(ctx, def, info, at, keys)
}

// adminURL is how people reach the site.
func (c *config) adminURL() string {
	if c.Web.Admin.URL != "" {
		return strings.TrimSuffix(c.Web.Admin.URL, "/")
	}
	host, port, err := net.SplitHostPort(c.Web.Admin.Listen)
	if err != nil {
		return ""
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.Web.Admin.Certificate != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// siteURL is what the site knows of how people reach it: "" when that is this machine's own address, without TLS.
func (c *config) siteURL() string {
	if c.Web.Admin.URL == "" && c.Web.Admin.Certificate == "" {
		return ""
	}
	return c.adminURL()
}
