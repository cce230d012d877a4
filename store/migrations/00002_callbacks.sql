-- Promises to call back, text messages and the switches of links. As in the first file:
-- times are milliseconds since 1970 UTC, and 0 is "never" or "none".

-- +goose Up
CREATE TABLE promises (
	id         TEXT PRIMARY KEY,
	number     TEXT NOT NULL CHECK (number <> ''),
	lang       TEXT NOT NULL,
	queue      TEXT NOT NULL,
	reason     TEXT NOT NULL,
	public     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	origin     TEXT NOT NULL,
	contact    TEXT NOT NULL,
	asked      BIGINT NOT NULL,
	joined     BIGINT NOT NULL,
	slot       BIGINT NOT NULL,
	due        BIGINT NOT NULL,
	by_at      BIGINT NOT NULL,
	state      TEXT NOT NULL,
	live       INTEGER NOT NULL, -- 1 when the state is a live one
	node       TEXT NOT NULL,
	tries      INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	voicemail  INTEGER NOT NULL,
	settled    BIGINT NOT NULL,
	settled_by TEXT NOT NULL,
	version    BIGINT NOT NULL
);
-- One live promise for each number.
CREATE UNIQUE INDEX promises_live ON promises (number) WHERE live = 1;
-- What a number was given since a moment.
CREATE INDEX promises_number ON promises (number, asked);
CREATE INDEX promises_listed ON promises (due, joined, id);
-- What waits for its turn, for TakeDue. Most promises are due at their moment in line, so one
-- order serves them. The others (next tries, what was carried over) are found by their Due
-- while few are due, and in the order of the line when many are.
CREATE INDEX promises_line ON promises (queue, joined, id) WHERE state = 'pending' AND due = joined;
CREATE INDEX promises_later ON promises (queue, due, joined, id) WHERE state = 'pending' AND due <> joined;
CREATE INDEX promises_later_line ON promises (queue, joined, id, due) WHERE state = 'pending' AND due <> joined;
CREATE INDEX promises_node ON promises (node) WHERE state = 'in_line';

-- How many live promises each slot has; a row that came down to 0 is deleted.
CREATE TABLE slots (
	queue TEXT NOT NULL,
	start BIGINT NOT NULL,
	taken BIGINT NOT NULL,
	PRIMARY KEY (queue, start)
);

CREATE TABLE attempts (
	promise TEXT NOT NULL REFERENCES promises (id),
	n       INTEGER NOT NULL,
	call_id TEXT NOT NULL,
	agent   TEXT NOT NULL,
	node    TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	started BIGINT NOT NULL,
	ended   BIGINT NOT NULL,
	result  TEXT NOT NULL, -- '' while under way
	PRIMARY KEY (promise, n)
);
CREATE INDEX attempts_open ON attempts (node) WHERE result = '';

CREATE TABLE sms (
	id          {{identity}},
	key         TEXT NOT NULL UNIQUE,
	number      TEXT NOT NULL,
	lang        TEXT NOT NULL,
	text        TEXT NOT NULL,
	purpose     TEXT NOT NULL,
	promise     TEXT NOT NULL,
	contact     TEXT NOT NULL,
	not_before  BIGINT NOT NULL,
	expires     BIGINT NOT NULL,
	state       TEXT NOT NULL,
	created     BIGINT NOT NULL,
	wanted      BIGINT NOT NULL, -- when its turn first comes: what it is overdue from
	next_at     BIGINT NOT NULL, -- of the next try; the end of the lease while it is being sent
	tries       INTEGER NOT NULL,
	provider    TEXT NOT NULL,
	provider_id TEXT NOT NULL,
	sent_at     BIGINT NOT NULL,
	done_at     BIGINT NOT NULL,
	error       TEXT NOT NULL,
	maybe_twice INTEGER NOT NULL,
	unsure      INTEGER NOT NULL,
	node        TEXT NOT NULL,   -- that claimed it last
	unwanted    INTEGER NOT NULL -- 1: dropped while it was being sent, so it is not tried again
);
CREATE INDEX sms_turn ON sms (next_at, id) WHERE state IN ('queued', 'sending');
CREATE INDEX sms_wanted ON sms (wanted) WHERE state IN ('queued', 'sending');
CREATE INDEX sms_waiting ON sms (number) WHERE state IN ('queued', 'sending');
CREATE INDEX sms_provider ON sms (provider_id, provider) WHERE provider_id <> '';

-- What a provider said about a message before the outbox had saved the provider's name for it.
CREATE TABLE sms_reports (
	provider    TEXT NOT NULL,
	provider_id TEXT NOT NULL,
	state       TEXT NOT NULL,
	why         TEXT NOT NULL,
	at          BIGINT NOT NULL,
	PRIMARY KEY (provider, provider_id)
);
CREATE INDEX sms_reports_at ON sms_reports (at);

CREATE TABLE sms_inbox (
	id          {{identity}},
	provider    TEXT NOT NULL,
	provider_id TEXT, -- NULL where the provider gives none: then a replay cannot be told
	number      TEXT NOT NULL,
	text        TEXT NOT NULL,
	at          BIGINT NOT NULL,
	handled     TEXT NOT NULL,
	request     TEXT NOT NULL, -- who wrote the row: tells a repeated write from a replay
	UNIQUE (provider, provider_id)
);

CREATE TABLE sms_blocked (
	number TEXT PRIMARY KEY,
	at     BIGINT NOT NULL
);

CREATE TABLE link_switches (
	link   TEXT PRIMARY KEY,
	state  TEXT NOT NULL,
	why    TEXT NOT NULL,
	set_by TEXT NOT NULL,
	at     BIGINT NOT NULL
);
