-- Surveys: who was asked what they thought of a call. What they answered is in the journal; here
-- it is kept until the survey is over, and for as long as nobody is to be asked twice.

-- +goose Up
CREATE TABLE surveys (
	id       TEXT PRIMARY KEY,
	contact  TEXT NOT NULL UNIQUE,
	number   TEXT NOT NULL, -- '' when withheld
	lang     TEXT NOT NULL,
	queue    TEXT NOT NULL,
	reason   TEXT NOT NULL,
	public   TEXT NOT NULL,
	how      TEXT NOT NULL, -- call, sms
	asked    BIGINT NOT NULL,
	until_at BIGINT NOT NULL, -- answers are taken before
	answers  TEXT NOT NULL, -- JSON: [{"about": …, "score": …}]
	promise  TEXT NOT NULL  -- of the callback that an answer made; '' none
);
CREATE INDEX surveys_number ON surveys (number);
CREATE INDEX surveys_until ON surveys (until_at);

-- When a person was last asked, by a pseudonym of its own key.
CREATE TABLE survey_people (
	person TEXT PRIMARY KEY,
	asked  BIGINT NOT NULL
);

-- Calls that an agent hands over to the survey.
CREATE TABLE survey_handovers (
	contact TEXT PRIMARY KEY,
	at      BIGINT NOT NULL
);

ALTER TABLE promises ADD COLUMN score INTEGER NOT NULL DEFAULT 0;
