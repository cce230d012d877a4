-- One text for both engines: migrate.go writes the engine's own word for {{identity}}.
-- Times are milliseconds since 1970 UTC; 0 is "never".

-- +goose Up
CREATE TABLE epochs (
	node  TEXT PRIMARY KEY,
	epoch BIGINT NOT NULL,
	seen  BIGINT NOT NULL
);

CREATE TABLE checkpoints (
	call_id TEXT PRIMARY KEY,
	node    TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	step    TEXT NOT NULL,
	state   TEXT NOT NULL,
	info    TEXT NOT NULL,
	arrived BIGINT NOT NULL,
	at      BIGINT NOT NULL
);

CREATE TABLE journal (
	id      {{identity}},
	at      BIGINT NOT NULL,
	call_id TEXT NOT NULL,
	kind    TEXT NOT NULL,
	data    TEXT NOT NULL
);
CREATE INDEX journal_call ON journal (call_id, id);
CREATE INDEX journal_at ON journal (at);

-- How far each writer of the journal has got: what makes a repeated write harmless.
CREATE TABLE journal_writers (
	writer TEXT PRIMARY KEY,
	seq    BIGINT NOT NULL,
	at     BIGINT NOT NULL
);

CREATE TABLE agent_states (
	agent       TEXT PRIMARY KEY,
	state       TEXT NOT NULL,
	reason      TEXT NOT NULL,
	since       BIGINT NOT NULL,
	until_at    BIGINT NOT NULL,
	next_state  TEXT NOT NULL,
	next_reason TEXT NOT NULL
);

CREATE TABLE messages (
	id         {{identity}},
	request    TEXT UNIQUE,
	text       TEXT NOT NULL,
	queue      TEXT NOT NULL,
	replaces   INTEGER NOT NULL,
	from_at    BIGINT NOT NULL,
	until_at   BIGINT NOT NULL CHECK (until_at > from_at),
	created_at BIGINT NOT NULL,
	created_by TEXT NOT NULL,
	stopped_at BIGINT NOT NULL,
	stopped_by TEXT NOT NULL
);
CREATE INDEX messages_until ON messages (until_at);

CREATE TABLE blobs (
	name  TEXT PRIMARY KEY,
	value {{bytes}} NOT NULL,
	at    BIGINT NOT NULL
);
