package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(ctx context.Context, opts *Options) (*engine, error) {
	u, err := url.Parse(opts.URL)
	if err != nil {
		// The parser's message repeats the URL, which may hold a password after all.
		return nil, errors.New("the database URL cannot be read: write postgres://user@host:5432/name")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return nil, errors.New("the database URL holds a password: take it out and put it in a file (password file, or PGPASSFILE)")
	}
	cfg, err := pgx.ParseConfig(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("the database URL: %w", err)
	}
	if opts.PasswordFile != "" {
		text, err := os.ReadFile(opts.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("the password of the database: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		cfg.Password = strings.TrimSuffix(line, "\r")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 3 * time.Second
	}
	// A lock held by somebody else is told as such, like SQLite's busy time-out.
	setDefault(cfg.RuntimeParams, "lock_timeout", fmt.Sprint(busyWait.Milliseconds()))
	setDefault(cfg.RuntimeParams, "application_name", "decroche")

	e := &engine{name: "postgres", where: fmt.Sprintf("%s@%s:%d/%s", cfg.User, cfg.Host, cfg.Port, cfg.Database)}
	e.writer = stdlib.OpenDB(*cfg)
	e.writer.SetMaxOpenConns(10)
	e.writer.SetMaxIdleConns(10)
	e.writer.SetConnMaxIdleTime(5 * time.Minute)
	e.reader = e.writer
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := e.writer.PingContext(ctx); err != nil {
		return nil, errors.Join(e.explain(err), e.close())
	}
	return e, nil
}

func setDefault(m map[string]string, key, value string) {
	if m[key] == "" {
		m[key] = value
	}
}

// isBroken knows a connection that ended under a statement.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED) ||
		strings.Contains(err.Error(), "conn closed")
}
