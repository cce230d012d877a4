-- Where the two sides of the ledger stand: what is derived from the journal. The tables of a
-- side (contacts_0, rollups_0, links_0 …) are made when it is first used: see ledger.go.

-- +goose Up
CREATE TABLE ledger (
	side  INTEGER PRIMARY KEY,
	live  INTEGER NOT NULL,
	upto  BIGINT NOT NULL, -- id of the journal's last event in it
	state TEXT NOT NULL
);
