package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

type upCmd struct{}

// Run is Asterisk and the controller together. Either's end ends both; Asterisk goes
// last, so that callers are not cut before the controller has saved where they stand.
func (upCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	if err := tcpFree("the web", c.Web.Listen, "web.listen", c.file); err != nil {
		return err
	}
	if err := tcpFree("the public pages", c.Web.Public.Listen, "web.public.listen", c.file); err != nil {
		return err
	}
	if err := tcpFree("the administration site", c.Web.Admin.Listen, "web.admin.listen", c.file); err != nil {
		return err
	}
	asterisk, stop := context.WithCancel(context.WithoutCancel(e.ctx))
	defer stop()
	s, err := newServer(e, c)
	if err != nil {
		return err
	}
	defer s.close()
	child, err := new(asteriskCmd).start(asterisk, e, c)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(e.ctx)
	g.Go(func() error {
		defer stop()
		return s.run(ctx, func() {
			fmt.Fprintln(e.stdout, c.readyLine())
			if link, err := s.firstAdmin(ctx); err != nil {
				s.log.Warn("the first account of the site could not be made", "err", err)
			} else if link != "" {
				fmt.Fprintf(e.stdout, "administration: choose the first password at %s (serves once, for 24 hours)\n", link)
			}
		})
	})
	g.Go(child.wait)
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
