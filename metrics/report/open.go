package report

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"decroche/call"
	"decroche/metrics"
)

// OpenColumns are those of the open data: see docs/opendata.schema.json.
var OpenColumns = []string{
	"service", "mois", "contacts_recus_ouverture", "demandes_personne", "decroches_agent", "taux_decroche_agent",
	"servis_serveur_vocal_ouverture", "taux_decroche_global", "definitif",
}

// OpenData writes the taux de décroché, agent and global, of each service and month, as
// publication for Services Publics+ needs: a comma, a point, UTF-8, months as 2026-11.
func (s Source) OpenData(ctx context.Context, from, to time.Time, w io.Writer) error {
	lines, err := s.Figures.Lines(ctx, metrics.Query{From: from, To: to, By: metrics.ByService, Step: metrics.ByMonth})
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	rows := [][]string{OpenColumns}
	agent, _ := metrics.IndicatorOf("decroche_agent")
	global, _ := metrics.IndicatorOf("decroche_global")
	for _, l := range lines {
		if l.Value == "" {
			continue // numbers of nobody
		}
		a, g := agent.Of(l.Cell), global.Of(l.Cell)
		rows = append(rows, []string{
			Guarded(l.Value), l.From.In(s.Service.Location).Format("2006-01"), whole(l.Cell.N(metrics.ReceivedOpen)), whole(l.Cell.N(metrics.Asked)),
			whole(l.Cell.N(metrics.AnsweredCalls)), rate(a), whole(l.Cell.N(metrics.SelfServedOpen)), rate(g), strconv.FormatBool(l.Final(global, s.Now())),
		})
	}
	return out.WriteAll(rows)
}

func whole(n int64) string { return strconv.FormatInt(n, 10) }

// rate has four decimals; it is empty when there is nothing to divide by.
func rate(f metrics.Figure) string {
	if !f.Known {
		return ""
	}
	return strconv.FormatFloat(f.Value, 'f', 4, 64)
}

// row is a contact without personal data: no number, no pseudonym, no call, and its minute at
// most. Times are in seconds.
type row struct {
	Arrived   time.Time `parquet:"arrived,timestamp(millisecond)"`
	Service   string    `parquet:"service,dict"`
	Number    string    `parquet:"number_dialled,dict"`
	Public    string    `parquet:"public,dict"`
	Lang      string    `parquet:"language,dict"`
	Reason    string    `parquet:"reason,dict"`
	Queue     string    `parquet:"queue,dict"`
	Open      bool      `parquet:"open"`
	Requested bool      `parquet:"person_requested"`
	Outcome   string    `parquet:"outcome,dict"`
	Waited    int64     `parquet:"wait_s"`
	Answered  bool      `parquet:"answered"`
	Legs      int32     `parquet:"conversations"`
	Talk      int64     `parquet:"talk_s"`
	Hold      int64     `parquet:"hold_s"`
	WrapUp    int64     `parquet:"wrap_up_s"`
	ToldLow   int64     `parquet:"told_low_s"`
	ToldHigh  int64     `parquet:"told_high_s"`
	Promises  int32     `parquet:"promises"`
	Again24h  bool      `parquet:"repeated_24h"`
	Again7d   bool      `parquet:"repeated_7d"`
}

// Parquet writes the contacts of [from, to), a row each, by arrival.
func (s Source) Parquet(ctx context.Context, from, to time.Time, w io.Writer) error {
	out := parquet.NewGenericWriter[row](w, parquet.Compression(&parquet.Zstd))
	for after := int64(0); ; {
		page, err := s.Figures.Contacts(ctx, metrics.Drill{From: from, To: to, Counted: []metrics.Measure{metrics.Received}, After: after, Limit: 500})
		if err != nil {
			return err
		}
		rows := make([]row, len(page.Contacts))
		for i := range page.Contacts {
			rows[i] = rowOf(&page.Contacts[i])
		}
		if _, err := out.Write(rows); err != nil {
			return err
		}
		if after = page.Next; after == 0 {
			return out.Close()
		}
	}
}

func rowOf(c *metrics.Contact) row {
	r := row{
		Arrived: c.Arrived.Time().Truncate(time.Minute), Service: c.Service, Number: c.Number, Public: c.Public, Lang: c.Lang,
		Reason: c.Reason, Queue: c.Queue, Open: c.Open, Requested: c.Asked != 0, Outcome: string(c.Outcome), Waited: c.Wait / 1000,
		Answered: c.Outcome == call.Answered, Legs: int32(len(c.Legs)), Promises: int32(len(c.Promises)),
		Again24h: c.Next != 0 && c.Next-c.Arrived <= metrics.Moment(metrics.Day.Milliseconds()), Again7d: c.Next != 0,
	}
	for _, l := range c.Legs {
		r.Talk, r.Hold, r.WrapUp = r.Talk+l.Talk/1000, r.Hold+l.Hold/1000, r.WrapUp+l.Wrap/1000
	}
	if c.Said != nil {
		r.ToldLow, r.ToldHigh = c.Said.Low, c.Said.High
	}
	return r
}
