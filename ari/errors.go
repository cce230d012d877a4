package ari

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

var (
	// ErrNotFound: there is no such thing any more. A channel that is not found hung up.
	ErrNotFound = errors.New("not found")
	// ErrConflict: it is there, but not in a state for this (left the application, not in
	// this bridge, not answered, id already in use).
	ErrConflict = errors.New("not in a state for this")
	// ErrUnauthorized: Asterisk refuses the user or the password.
	ErrUnauthorized = errors.New("user or password refused")
	// ErrUnavailable: Asterisk was not reached, did not answer in time, or is not ready.
	// Whether the command was carried out is not known.
	ErrUnavailable = errors.New("asterisk is unavailable")
	// ErrReplaced: another client took the application.
	ErrReplaced = errors.New("another client took the application")
)

// Error is a command that failed.
type Error struct {
	// Method and Path are the request's, without query and body.
	Method, Path string
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Message is Asterisk's, or the network's.
	Message string
	cause   error
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("asterisk: %s %s: %s", e.Method, e.Path, e.Message)
	}
	return fmt.Sprintf("asterisk: %s %s: %d %s", e.Method, e.Path, e.Status, e.Message)
}

// Unwrap gives the network's or the context's error.
func (e *Error) Unwrap() error { return e.cause }

// Is matches the Err… values of this package.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		// Bridges say 400 for a channel that is gone.
		return e.Status == http.StatusNotFound || e.Status == http.StatusBadRequest && e.Message == "Channel not found"
	case ErrConflict:
		return e.Status == http.StatusConflict || e.Status == http.StatusPreconditionFailed || e.Status == http.StatusUnprocessableEntity
	case ErrUnauthorized:
		// 403 is for single commands: a read-only user, an object that may not be changed.
		return e.Status == http.StatusUnauthorized
	case ErrUnavailable:
		return e.Status == 0 && !errors.Is(e.cause, context.Canceled) || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway || e.Status == http.StatusGatewayTimeout
	}
	return false
}
