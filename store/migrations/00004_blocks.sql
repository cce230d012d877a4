-- Facts of the journal that are no longer the newest: a few thousand in a row, packed. Each
-- fact is either here or in the table journal; see blocks.go.

-- +goose Up
CREATE TABLE journal_blocks (
	last_id  {{bigint}} PRIMARY KEY,
	first_id BIGINT NOT NULL,
	from_at  BIGINT NOT NULL, -- the earliest fact, and the latest
	to_at    BIGINT NOT NULL,
	events   BIGINT NOT NULL,
	calls    {{bytes}} NOT NULL, -- hashes of the calls in it, so that a call is found
	data     {{bytes}} NOT NULL
);
