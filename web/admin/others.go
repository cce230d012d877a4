package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"decroche/call"
)

// Other is another line of ours, with a controller of its own, that the board shows too.
type Other struct {
	Name string
	// URL is that of its operator's interface, Token the token for that.
	URL, Token string
}

// Elsewhere is how another line stands, in words.
type Elsewhere struct {
	Name   string     `json:"name"`
	Queues []queueRow `json:"queues"`
	Alarms []Alarm    `json:"alarms"`
	// Lost is since when it does not answer, in words; "" when it does.
	Lost string `json:"-"`
}

const (
	// otherPatience bounds a question to another line, otherLost is after how long without an answer the
	// board says so.
	otherPatience = 2 * time.Second
	otherLost     = 3 * time.Second
)

// others keeps what was last heard of the other lines.
type others struct {
	mu   sync.Mutex
	last map[string]Elsewhere // by line and language
	at   map[string]time.Time
}

// Board is how this line stands, for the boards of others.
func (s *Server) Board(ctx context.Context, lang call.Lang) (any, error) {
	if err := s.countDay(ctx); err != nil {
		return nil, err
	}
	v := &visit{s: s, def: s.Service(), now: time.Now(), Lang: lang}
	f := v.board(s.boards.counted())
	return Elsewhere{Name: v.Service(), Queues: f.Queues, Alarms: f.Alarms}, nil
}

// follow asks the other lines again and again, until ctx ends.
func (s *Server) followOthers(ctx context.Context) {
	for _, o := range s.Others {
		go func() {
			tick := time.NewTicker(boardEvery)
			defer tick.Stop()
			for {
				for _, lang := range languages {
					s.ask(ctx, o, lang)
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		}()
	}
}

func (s *Server) ask(ctx context.Context, o Other, lang call.Lang) {
	ctx, cancel := context.WithTimeout(ctx, otherPatience)
	defer cancel()
	heard, err := o.board(ctx, lang)
	k := &s.others
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		k.last, k.at = map[string]Elsewhere{}, map[string]time.Time{}
	}
	key := o.Name + " " + string(lang)
	if k.at[key].IsZero() {
		k.at[key] = time.Now() // asked for the first time
	}
	if err != nil {
		s.Log.Debug("another line does not tell how it stands", "line", o.Name, "err", err)
		return
	}
	heard.Name = cmp.Or(o.Name, heard.Name)
	k.last[key], k.at[key] = heard, time.Now()
}

// board asks the line how it stands.
func (o Other) board(ctx context.Context, lang call.Lang) (e Elsewhere, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL+"/api/board?lang="+string(lang), nil)
	if err != nil {
		return e, err
	}
	req.Header.Set("Authorization", "Bearer "+o.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return e, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return e, fmt.Errorf("status %d", res.StatusCode)
	}
	return e, json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&e)
}

// elsewhere is what was last heard of the other lines.
func (v *visit) elsewhere() (list []Elsewhere) {
	k := &v.s.others
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range v.s.Others {
		key := o.Name + " " + string(v.Lang)
		e := k.last[key]
		e.Name = cmp.Or(e.Name, o.Name)
		if at := k.at[key]; !at.IsZero() && v.now.Sub(at) > otherLost {
			e.Lost = v.T("floor.elsewhere.lost", "since", v.lasted(v.now.Sub(at)))
		}
		list = append(list, e)
	}
	return list
}
