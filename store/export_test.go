package store

import "context"

// ExecWriter runs a statement on the writer's connection.
func (db *DB) ExecWriter(ctx context.Context, statement string) error {
	_, err := db.eng.writer.ExecContext(ctx, statement)
	return err
}
