-- The names of what was imported from files of past calls: each is in the journal once.

-- +goose Up
CREATE TABLE imports (
	id     TEXT PRIMARY KEY,
	at     BIGINT NOT NULL, -- when the call came
	digest BIGINT NOT NULL  -- of what the file said of it
);
