package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
)

const (
	sitePart = "site"
	// boards are open at a time while pages are asked for, so many a second.
	boards, pagesASecond = 200, 50
	siteSpan             = 30 * time.Second
)

// site measures the administration site under its load, and whether the line notices.
func (r *results) site(ctx context.Context) error {
	s, err := start(ctx, decroche, r.o)
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
	var took []time.Duration
	var failed int
	var busy latencies
	var work sync.WaitGroup
	work.Go(func() { took, failed = visitPages(ctx, client, base) })
	work.Go(func() { busy, err = s.measure(ctx, time.Second, siteSpan) })
	work.Wait()
	done()
	open.Wait()
	after, err2 := s.used()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
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

// visitPages asks for pages at the rate, for the span.
func visitPages(ctx context.Context, client *http.Client, base string) (took []time.Duration, failed int) {
	paths := []string{"/messages", "/direct", "/messages/nouveau", "/plans", "/indicateurs", "/service/textes", "/service/horaires", "/sites", "/comptes", "/journal"}
	tick := time.NewTicker(time.Second / pagesASecond)
	defer tick.Stop()
	var mu sync.Mutex
	var work sync.WaitGroup
	for i := range int(siteSpan.Seconds()) * pagesASecond {
		select {
		case <-ctx.Done():
			return took, failed
		case <-tick.C:
		}
		work.Go(func() {
			begun := time.Now()
			res, err := client.Get(base + paths[i%len(paths)])
			ok := err == nil && res.StatusCode == http.StatusOK && res.Request.URL.Path == paths[i%len(paths)] // and not where one signs in
			if err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, time.Since(begun)); !ok {
				failed++
			}
		})
	}
	work.Wait()
	return took, failed
}
