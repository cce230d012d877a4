package report

import (
	"context"
	"fmt"
	"time"

	"decroche/call"
	"decroche/metrics"
)

// Opened is a contact behind a figure. Numbers of citizens and their pseudonyms are not in it.
type Opened struct {
	Contact  call.ID   `json:"contact"`
	Arrived  time.Time `json:"arrived"`
	Service  string    `json:"service"`
	Number   string    `json:"number"` // dialled
	Public   string    `json:"public"`
	Language string    `json:"language"`
	Queue    string    `json:"queue,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Open     bool      `json:"open"`
	Outcome  string    `json:"outcome"`
	Why      string    `json:"why,omitempty"`
	WaitS    float64   `json:"wait_s"`
	TalkS    float64   `json:"talk_s"`
	Agents   []string  `json:"agents,omitempty"`
	Calls    []call.ID `json:"calls"`
	// Repeated is when the same citizen came back for the same reason, within seven days.
	Repeated *time.Time `json:"repeated,omitempty"`
}

// Open lists the contacts in the numerator of an indicator, or in its denominator, under the
// request's time and conditions: limit of them after a page's next, 0 at first. It fails with
// metrics.ErrQuery for what cannot be asked.
func (s Source) Open(ctx context.Context, r Request, indicator string, den bool, after int64, limit int) (page []Opened, next int64, err error) {
	i, ok := metrics.IndicatorOf(indicator)
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("%w: there is no indicator %q; docs/indicators.md lists them", metrics.ErrQuery, indicator)
	case i.Percentile():
		return nil, 0, fmt.Errorf("%w: %s is a percentile and counts no contacts; open the average beside it", metrics.ErrQuery, indicator)
	case den && len(i.Den) == 0:
		return nil, 0, fmt.Errorf("%w: %s is a number and has no denominator", metrics.ErrQuery, indicator)
	}
	d := metrics.Drill{From: r.From, To: r.To, Where: r.Where, Counted: i.Num, Less: i.NumLess, After: after, Limit: limit}
	if den {
		d.Counted, d.Less = i.Den, i.DenLess
	}
	found, err := s.Figures.Contacts(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	page = []Opened{}
	for i := range found.Contacts {
		page = append(page, Opening(&found.Contacts[i]))
	}
	return page, found.Next, nil
}

// Opening is a contact as a figure opens on it.
func Opening(c *metrics.Contact) Opened {
	o := Opened{
		Contact: c.ID, Arrived: c.Arrived.Time(), Service: c.Service, Number: c.Number, Public: c.Public, Language: c.Lang,
		Queue: c.Queue, Reason: c.Reason, Open: c.Open, Outcome: string(c.Outcome), Why: string(c.Why), WaitS: float64(c.Wait) / 1000, Calls: c.Calls(),
	}
	for _, l := range c.Legs {
		o.Agents = append(o.Agents, l.Agent)
		o.TalkS += float64(l.Talk) / 1000
	}
	if c.Next != 0 {
		at := c.Next.Time()
		o.Repeated = &at
	}
	return o
}
