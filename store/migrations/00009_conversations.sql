-- Conversations in writing: by text message, or on a page.

-- +goose Up
CREATE TABLE conversations (
	id      TEXT PRIMARY KEY,
	key     TEXT NOT NULL UNIQUE, -- of the words that opened it
	channel TEXT NOT NULL, -- sms, web
	number  TEXT NOT NULL, -- '' on a page
	lang    TEXT NOT NULL,
	queue   TEXT NOT NULL,
	state   TEXT NOT NULL, -- waiting, answered, closed
	agent   TEXT NOT NULL,
	opened  BIGINT NOT NULL,
	since   BIGINT NOT NULL, -- it is in its state
	told    BIGINT NOT NULL, -- when the service last wrote by itself
	last    BIGINT NOT NULL  -- number of its last message
);
CREATE UNIQUE INDEX conversations_by_sms ON conversations (number) WHERE channel = 'sms' AND state <> 'closed';
CREATE INDEX conversations_state ON conversations (state, since);
CREATE INDEX conversations_number ON conversations (number);

CREATE TABLE conversation_messages (
	conversation TEXT NOT NULL,
	seq          BIGINT NOT NULL,
	key          TEXT NOT NULL, -- the writer's: no message is kept twice
	author       TEXT NOT NULL, -- citizen, agent, service
	agent        TEXT NOT NULL,
	text         TEXT NOT NULL,
	at           BIGINT NOT NULL,
	PRIMARY KEY (conversation, seq),
	UNIQUE (conversation, key)
);
