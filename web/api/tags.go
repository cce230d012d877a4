package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"decroche/call"
	"decroche/tags"
)

// Tags is what is known of callers: *tags.Office.
type Tags interface {
	Set(ctx context.Context, w tags.Wish) (tags.Tag, error)
	Remove(ctx context.Context, n call.Number, kind tags.Kind, by call.AgentID) (bool, error)
	Of(ctx context.Context, n call.Number) ([]tags.Tag, error)
	People(ctx context.Context) ([]tags.Person, error)
}

// Tagged is a caller with their tags; the number is masked in lists.
type Tagged struct {
	Number string     `json:"number"`
	Tags   []tags.Tag `json:"tags"`
}

// NewTag is the body of a change of a caller's tags. Numbers are in bodies, for addresses are logged.
type NewTag struct {
	Number  string       `json:"number"`
	Tag     tags.Kind    `json:"tag,omitempty"`
	Value   string       `json:"value,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Agent   call.AgentID `json:"agent,omitempty"`
	Consent bool         `json:"consent,omitempty"`
	Days    int          `json:"days,omitempty"` // it lasts; 0: 365
}

func (s *Server) tagOf(r *http.Request) (NewTag, call.Number, error) {
	var body NewTag
	if err := decode(r, &body); err != nil {
		return body, "", err
	}
	n, err := call.ParseNumber(body.Number)
	switch {
	case err != nil:
		return body, "", bad("number: %w", err)
	case n == call.Withheld:
		return body, "", bad("number: write the caller's number")
	}
	return body, n, nil
}

// everybody lists the callers who have tags.
func (s *Server) everybody(r *http.Request) (any, error) {
	people, err := s.Tags.People(r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]Tagged, 0, len(people))
	for _, p := range people {
		out = append(out, Tagged{Number: p.Number.Masked(), Tags: s.tagsInZone(p.Tags)})
	}
	return out, nil
}

func (s *Server) tagsInZone(list []tags.Tag) []tags.Tag {
	for i := range list {
		list[i].Set, list[i].Until = list[i].Set.In(s.Zone()), list[i].Until.In(s.Zone())
	}
	return list
}

// findTags tells what is known of one caller.
func (s *Server) findTags(r *http.Request) (any, error) {
	_, n, err := s.tagOf(r)
	if err != nil {
		return nil, err
	}
	return s.taggedNow(r.Context(), n)
}

func (s *Server) taggedNow(ctx context.Context, n call.Number) (any, error) {
	list, err := s.Tags.Of(ctx, n)
	if err != nil {
		return nil, err
	}
	return Tagged{Number: string(n), Tags: s.tagsInZone(list)}, nil
}

func (s *Server) setTag(r *http.Request) (any, error) {
	body, n, err := s.tagOf(r)
	if err != nil {
		return nil, err
	}
	w := tags.Wish{Number: n, Consent: body.Consent, Tag: tags.Tag{Kind: body.Tag, Value: body.Value, Reason: body.Reason, By: body.Agent}}
	if body.Days < 0 || body.Days > 10_000 {
		return nil, bad("days: how many days it lasts, from 1 to %d", int(tags.MaxLife/(24*time.Hour)))
	}
	if body.Days > 0 {
		w.Tag.Until = time.Now().Add(time.Duration(body.Days) * 24 * time.Hour)
	}
	if _, err := s.Tags.Set(r.Context(), w); err != nil {
		if errors.Is(err, tags.ErrTag) {
			err = &fault{http.StatusUnprocessableEntity, err}
		}
		return nil, err
	}
	return s.taggedNow(r.Context(), n)
}

func (s *Server) removeTag(r *http.Request) (any, error) {
	body, n, err := s.tagOf(r)
	if err != nil {
		return nil, err
	}
	switch was, err := s.Tags.Remove(r.Context(), n, body.Tag, body.Agent); {
	case err != nil:
		return nil, err
	case !was:
		return nil, &fault{http.StatusNotFound, fmt.Errorf("this caller has no tag %q", body.Tag)}
	}
	return s.taggedNow(r.Context(), n)
}
