package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/metrics"
	"decroche/metrics/metricstest"
	"decroche/service"
	"decroche/store"
)

const (
	sitePart = "site"
	// siteTitle begins what is written of this part, by hand; other runs keep it.
	siteTitle = "## The administration site"
	// boards are open at a time while pages are asked for, so many a second.
	boards, pagesASecond = 200, 50
	siteSpan             = 30 * time.Second
	// siteContacts are those of the year that the figures of the site are of.
	siteContacts = 500_000
)

// sitePages are asked for in turn.
var sitePages = []string{
	"/messages", "/direct", "/messages/nouveau", "/plans", "/indicateurs", "/service/textes", "/service/horaires", "/sites", "/comptes", "/journal",
}

// aYear tells the journal a year, and derives its figures.
func aYear(ctx context.Context, dir string) error {
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(dir, "decroche.db"), DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	def, err := service.ParseFile(filepath.Join(dir, "service.yaml"))
	if err != nil {
		return err
	}
	to := time.Now().In(metricstest.Paris)
	told := metricstest.Year{Seed: 1, Contacts: siteContacts, From: time.Date(to.Year(), to.Month(), to.Day()-365, 0, 0, 0, 0, metricstest.Paris)}
	l := &metrics.Ledger{Store: db.Ledger(), Settings: func() *metrics.Settings { return metrics.SettingsOf(def) }, Log: slog.New(slog.DiscardHandler)}
	err = new(year).ingest(ctx, db, l, told)
	if err == nil { // one that is over is on the page, and who heard it is counted
		begun := to.AddDate(0, 0, -20)
		_, err = db.Publish(ctx, ivr.Message{Text: map[call.Lang]string{"fr": "Panne."}, Created: begun, CreatedBy: "mesure", Until: begun.Add(time.Hour)}, "")
	}
	return errors.Join(err, db.Close())
}

// site measures the administration site under its load, and whether the line notices.
func (r *results) site(ctx context.Context) error {
	o := r.o
	o.before = aYear
	s, err := start(ctx, decroche, o)
	if err != nil {
		return err
	}
	defer s.stop()
	client, base, err := s.admin(ctx)
	if err != nil {
		return err
	}
	quiet, err := s.measure(ctx, time.Second, siteSpan)
	if err != nil {
		return err
	}
	say("the line alone: %s", quiet)
	before, err := s.used()
	if err != nil {
		return err
	}
	var pushed atomic.Int64
	streams, done := context.WithCancel(ctx)
	defer done()
	var open sync.WaitGroup
	for range boards {
		open.Go(func() { follow(streams, client, base, &pushed) })
	}
	time.Sleep(2 * time.Second)
	var each [][]time.Duration
	var failed int
	var busy latencies
	var work sync.WaitGroup
	work.Go(func() { each, failed = visitPages(ctx, client, base) })
	work.Go(func() { busy, err = s.measure(ctx, time.Second, siteSpan) })
	work.Wait()
	done()
	open.Wait()
	after, err2 := s.used()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	for i, took := range each {
		slices.Sort(took)
		say("%-20s p50 %s, p95 %s", sitePages[i], took[len(took)/2].Round(time.Millisecond/10), took[len(took)*95/100].Round(time.Millisecond/10))
	}
	took := slices.Concat(each...)
	slices.Sort(took)
	say("with %d boards (%d pushes) and %d pages a second: pages p50 %s, p95 %s, %d failed of %d; controller %.1f s of processor in %s",
		boards, pushed.Load(), pagesASecond, took[len(took)/2].Round(time.Millisecond/10), took[len(took)*95/100].Round(time.Millisecond/10), failed, len(took),
		(after.controller - before.controller).Seconds(), siteSpan)
	say("the line meanwhile: %s", busy)
	return nil
}

// admin makes an account and signs in.
func (s *side) admin(ctx context.Context) (*http.Client, string, error) {
	cmd := exec.CommandContext(ctx, s.bin, "--config", filepath.Join(s.dir, "decroche.yaml"), "--data", s.dir, "user", "add", "mesure")
	out, err := cmd.CombinedOutput()
	link := regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(string(out))
	if err != nil || link == "" {
		return nil, "", fmt.Errorf("make an account: %w\n%s", err, out)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, "", err
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	const password = "une phrase que je retiens"
	res, err := client.PostForm(link, url.Values{"password": {password}, "again": {password}})
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("choose the password: status %d", res.StatusCode)
	}
	base, _, _ := strings.Cut(link, "/mot-de-passe/")
	return client, base, nil
}

// follow reads a board's stream.
func follow(ctx context.Context, client *http.Client, base string, pushed *atomic.Int64) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/direct/flux", nil)
	if err != nil {
		return
	}
	res, err := client.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	for lines := bufio.NewReader(res.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\n" {
			pushed.Add(1)
		}
	}
}

// visitPages asks for pages at the rate, for the span; each is how long those of an address took.
func visitPages(ctx context.Context, client *http.Client, base string) (each [][]time.Duration, failed int) {
	each = make([][]time.Duration, len(sitePages))
	tick := time.NewTicker(time.Second / pagesASecond)
	defer tick.Stop()
	var mu sync.Mutex
	var work sync.WaitGroup
	for i := range int(siteSpan.Seconds()) * pagesASecond {
		select {
		case <-ctx.Done():
			return each, failed
		case <-tick.C:
		}
		work.Go(func() {
			at := i % len(sitePages)
			begun := time.Now()
			res, err := client.Get(base + sitePages[at])
			ok := err == nil && res.StatusCode == http.StatusOK && res.Request.URL.Path == sitePages[at] // and not where one signs in
			if err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if each[at] = append(each[at], time.Since(begun)); !ok {
				failed++
			}
		})
	}
	work.Wait()
	return each, failed
}
