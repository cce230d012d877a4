package store

import (
	"context"
	"database/sql"
	"slices"

	"decroche/callback"
)

// ExecWriter runs a statement on the writer's connection.
func (db *DB) ExecWriter(ctx context.Context, statement string) error {
	_, err := db.eng.writer.ExecContext(ctx, statement)
	return err
}

// InsertPromises keeps many at once, past every rule and beside the count of slots.
func (db *DB) InsertPromises(ctx context.Context, ps []callback.Promise) error {
	const rows = 20
	return db.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO promises (`+promiseColumns+`) VALUES`+placeholders(rows, promiseWidth))
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(ps, rows) { // their number is a multiple of it
			var args []any
			for _, p := range chunk {
				args = append(args, promiseArgs(asKept(p))...)
			}
			if _, err := insert.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
		return insert.Close()
	})
}
