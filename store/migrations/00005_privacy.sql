-- What was erased and given out, and for which reason: never whose it was.

-- +goose Up
CREATE TABLE privacy_log (
	id     {{identity}},
	at     BIGINT NOT NULL,
	by_who TEXT NOT NULL,
	what   TEXT NOT NULL, -- erased, exported, purged
	counts TEXT NOT NULL  -- JSON: rows by kind of data
);
