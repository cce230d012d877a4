package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"decroche/call"
	"decroche/privacy"
)

// Privacy does what is asked about personal data: *privacy.Office.
type Privacy interface {
	Erase(ctx context.Context, n call.Number, by string) (privacy.Receipt, error)
	Export(ctx context.Context, n call.Number, by string) (privacy.Held, error)
	Receipts(ctx context.Context, limit int) ([]privacy.Receipt, error)
}

// Person is the body of a request about a person: the number as people write it, and who asks.
type Person struct {
	Number string `json:"number"`
	By     string `json:"by"`
}

func person(r *http.Request) (call.Number, string, error) {
	var body Person
	if err := decode(r, &body); err != nil {
		return "", "", err
	}
	n, err := call.ParseNumber(body.Number)
	switch {
	case err != nil:
		return "", "", bad("number: %w", err)
	case n == call.Withheld:
		return "", "", bad("number: write the person's number")
	case strings.TrimSpace(body.By) == "" || len(body.By) > 100:
		return "", "", bad(`"by" says who asks, in at most 100 characters: the log of personal data has it`)
	}
	return n, body.By, nil
}

func (s *Server) erase(r *http.Request) (any, error) {
	n, by, err := person(r)
	if err != nil {
		return nil, err
	}
	receipt, err := s.Privacy.Erase(r.Context(), n, by)
	if errors.Is(err, privacy.ErrUnderWay) {
		return nil, &fault{http.StatusConflict, err}
	}
	return receipt, err
}

func (s *Server) export(r *http.Request) (any, error) {
	n, by, err := person(r)
	if err != nil {
		return nil, err
	}
	return s.Privacy.Export(r.Context(), n, by)
}

func (s *Server) receipts(r *http.Request) (any, error) { return s.Privacy.Receipts(r.Context(), 200) }
