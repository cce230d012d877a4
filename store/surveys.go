package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"decroche/call"
	"decroche/sms"
	"decroche/survey"
)

// Surveys implements survey.Store. Every change is committed with synchronous=FULL before it returns.
//
// A contact has one survey because an index says so, and a person is asked once in a time because the
// row of the person is taken by a statement that refuses too early, in the transaction that keeps the
// survey and its message.
type Surveys struct{ eng *engine }

var _ survey.Store = (*Surveys)(nil)

// Surveys keeps the surveys.
func (db *DB) Surveys() *Surveys { return &Surveys{db.eng} }

const surveyColumns = `id, contact, number, lang, queue, reason, public, how, asked, until_at, answers, promise`

// Open implements survey.Store.
func (s *Surveys) Open(ctx context.Context, v survey.Survey, person string, since time.Time, ms ...sms.Message) (ok bool, err error) {
	answers, err := json.Marshal(v.Answers)
	if err != nil {
		return false, fmt.Errorf("keep survey %s: %w", v.ID, err)
	}
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		ok = false
		res, err := tx.ExecContext(ctx, `INSERT INTO surveys (`+surveyColumns+`) VALUES`+placeholders(1, 12)+`ON CONFLICT DO NOTHING`,
			clean(string(v.ID)), clean(string(v.Contact)), clean(string(v.Number)), clean(string(v.Lang)), clean(v.Queue), clean(v.Reason),
			clean(v.Public), string(v.How), millis(v.Asked), millis(v.Until), string(answers), v.Promise)
		switch n, err := rows(res, err); {
		case err != nil:
			return err
		case n == 0: // unless the commit of an earlier run was not answered
			return tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM surveys WHERE id = $1)`, clean(string(v.ID))).Scan(&ok)
		}
		if person != "" {
			res, err = tx.ExecContext(ctx, `INSERT INTO survey_people (person, asked) VALUES ($1, $2)
				ON CONFLICT (person) DO UPDATE SET asked = excluded.asked WHERE survey_people.asked < $3`, person, millis(v.Asked), millis(since))
			if n, err := rows(res, err); err != nil || n == 0 {
				if err == nil {
					err = errAskedOfLate
				}
				return err
			}
		}
		ok = true
		return insertMessages(ctx, tx, ms, time.Now())
	})
	switch {
	case errors.Is(err, errAskedOfLate):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("keep survey %s: %w", v.ID, err)
	}
	return ok, nil
}

// errAskedOfLate takes the survey back that was just kept.
var errAskedOfLate = errors.New("this person was asked of late")

func rows(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Survey implements survey.Store.
func (s *Surveys) Survey(ctx context.Context, id survey.ID) (survey.Survey, error) {
	v, err := scanSurvey(s.eng.reader.QueryRowContext(ctx, `SELECT `+surveyColumns+` FROM surveys WHERE id = $1`, clean(string(id))))
	return v, s.explain("read survey "+string(id), err)
}

// OfContact implements survey.Store.
func (s *Surveys) OfContact(ctx context.Context, contact call.ID) (survey.Survey, bool, error) {
	v, err := scanSurvey(s.eng.reader.QueryRowContext(ctx, `SELECT `+surveyColumns+` FROM surveys WHERE contact = $1`, clean(string(contact))))
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	return v, err == nil, s.explain("read the survey of a contact", err)
}

// Change implements survey.Store.
func (s *Surveys) Change(ctx context.Context, id survey.ID, fn func(*survey.Survey) error) (after survey.Survey, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		v, err := scanSurvey(tx.QueryRowContext(ctx,
			`SELECT `+surveyColumns+` FROM surveys WHERE id = $1`+s.eng.locking("FOR UPDATE"), clean(string(id))))
		if err != nil {
			return err
		}
		if err := fn(&v); err != nil {
			return err
		}
		answers, err := json.Marshal(v.Answers)
		if err != nil {
			return err
		}
		after = v
		_, err = tx.ExecContext(ctx, `UPDATE surveys SET answers = $2, promise = $3 WHERE id = $1`, string(v.ID), string(answers), clean(v.Promise))
		return err
	})
	return after, s.explain("change survey "+string(id), err)
}

// HandOver implements survey.Store.
func (s *Surveys) HandOver(ctx context.Context, contact call.ID, at time.Time) error {
	return s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO survey_handovers (contact, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, clean(string(contact)), millis(at))
		return err
	})
}

// HandedOver implements survey.Store.
func (s *Surveys) HandedOver(ctx context.Context, contact call.ID) (yes bool, err error) {
	err = s.eng.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM survey_handovers WHERE contact = $1)`, clean(string(contact))).Scan(&yes)
	return yes, s.explain("look for a call handed over to the survey", err)
}

// Forget implements survey.Store.
func (s *Surveys) Forget(ctx context.Context, n call.Number, person string) (gone int64, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		gone = 0
		for _, q := range []struct{ query, arg string }{
			{`DELETE FROM surveys WHERE number = $1 AND number <> ''`, string(n)}, {`DELETE FROM survey_people WHERE person = $1`, person},
		} {
			n, err := rows(tx.ExecContext(ctx, q.query, q.arg))
			if err != nil {
				return err
			}
			gone += n
		}
		return nil
	})
	return gone, s.explain("forget a person's surveys", err)
}

// Held implements survey.Store.
func (s *Surveys) Held(ctx context.Context, n call.Number) ([]survey.Survey, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanSurvey, `SELECT `+surveyColumns+` FROM surveys WHERE number = $1 AND number <> '' ORDER BY asked`, clean(string(n)))
	return list, s.explain("read a person's surveys", err)
}

// Purge implements survey.Store.
func (s *Surveys) Purge(ctx context.Context, over, asked time.Time) (gone int64, err error) {
	err = s.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		gone = 0
		for _, q := range []struct {
			query  string
			before time.Time
		}{
			{`DELETE FROM surveys WHERE until_at < $1`, over},
			{`DELETE FROM survey_handovers WHERE at < $1`, over},
			{`DELETE FROM survey_people WHERE asked < $1`, asked},
		} {
			n, err := rows(tx.ExecContext(ctx, q.query, millis(q.before)))
			if err != nil {
				return err
			}
			gone += n
		}
		return nil
	})
	return gone, s.explain("delete what is over of surveys", err)
}

func (s *Surveys) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, survey.ErrNoSurvey)
	}
	return fmt.Errorf("%s: %w", doing, s.eng.explain(err))
}

func scanSurvey[R interface{ Scan(...any) error }](row R) (survey.Survey, error) {
	var v survey.Survey
	var asked, until int64
	var answers string
	err := row.Scan(&v.ID, &v.Contact, &v.Number, &v.Lang, &v.Queue, &v.Reason, &v.Public, &v.How, &asked, &until, &answers, &v.Promise)
	if err != nil {
		return v, err
	}
	v.Asked, v.Until = fromMillis(asked), fromMillis(until)
	return v, json.Unmarshal([]byte(answers), &v.Answers)
}
