-- What callers want known of them. Whose it is, is a pseudonym; the number is sealed, apart.

-- +goose Up
CREATE TABLE tags (
	person   TEXT NOT NULL,
	kind     TEXT NOT NULL, -- vulnerable, deaf, language, overseas, offline
	value    TEXT NOT NULL,
	reason   TEXT NOT NULL,
	by_agent TEXT NOT NULL,
	set_at   BIGINT NOT NULL,
	until_at BIGINT NOT NULL,
	PRIMARY KEY (person, kind)
);
CREATE INDEX tags_until ON tags (until_at);

CREATE TABLE tagged_numbers (
	person TEXT PRIMARY KEY,
	sealed {{bytes}} NOT NULL
);
