package store

import (
	"context"
	"database/sql"
	"fmt"

	"decroche/call"
	"decroche/metrics/past"
)

// Imports implements past.Journal.
type Imports struct {
	eng *engine
	j   *Journal
}

var _ past.Journal = (*Imports)(nil)

// Imports writes past calls into the journal.
func (db *DB) Imports() *Imports { return &Imports{db.eng, db.journal} }

// importedIDs is how many names are asked for in one statement.
const importedIDs = 250

type importMark struct {
	id     call.ID
	digest int64
}

// Import implements past.Journal. A bundle's name and its facts are committed together, so a
// crash leaves both or neither, and whoever imports at the same time waits for the other. The
// facts do not go by way of the controller's writer, which may give up a group to a file: they are
// in the journal when this returns.
func (i *Imports) Import(ctx context.Context, bundles []past.Bundle) (known map[call.ID]int64, err error) {
	var facts []any
	for n, b := range bundles {
		for _, e := range b.Facts {
			rec, ok := i.j.prepare(numbered{ev: e})
			if !ok {
				return nil, fmt.Errorf("import past calls: a fact of bundle %d, %s, has data that is no JSON", n, e.Kind)
			}
			facts = append(facts, rec.At, rec.Call, rec.Kind, string(rec.Data))
		}
	}
	err = i.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		known = map[call.ID]int64{}
		if err := i.j.alone(ctx, tx); err != nil {
			return err
		}
		if err := i.known(ctx, tx, bundles, known); err != nil {
			return err
		}
		var marks, fresh []any
		at := 0
		for _, b := range bundles {
			own := facts[at : at+4*len(b.Facts)]
			at += len(own)
			if _, was := known[b.ID]; !was {
				marks = append(marks, string(b.ID), millis(b.At), b.Digest)
				fresh = append(fresh, own...)
			}
		}
		if err := i.eng.execRows(ctx, tx, `INSERT INTO imports (id, at, digest)`, 3, ``, marks); err != nil {
			return err
		}
		return i.eng.execRows(ctx, tx, `INSERT INTO journal (at, call_id, kind, data)`, 4, ``, fresh)
	})
	if err != nil {
		return nil, fmt.Errorf("import past calls: %w", err)
	}
	return known, nil
}

func (i *Imports) known(ctx context.Context, tx *sql.Tx, bundles []past.Bundle, known map[call.ID]int64) error {
	for len(bundles) > 0 {
		some := bundles[:min(importedIDs, len(bundles))]
		bundles = bundles[len(some):]
		args := make([]any, len(some))
		for n, b := range some {
			args[n] = string(b.ID)
		}
		found, err := rowsOf(ctx, tx, scanImport, `SELECT id, digest FROM imports WHERE id IN `+inList(1, len(args)), args...)
		if err != nil {
			return err
		}
		for _, m := range found {
			known[m.id] = m.digest
		}
	}
	return nil
}

func scanImport(rows *sql.Rows) (m importMark, err error) {
	err = rows.Scan(&m.id, &m.digest)
	return m, err
}
