-- Who may use the administration site, and what they did.

-- +goose Up
CREATE TABLE accounts (
	name       TEXT PRIMARY KEY,
	full_name  TEXT NOT NULL,
	roles      TEXT NOT NULL, -- "editor approver"
	password   TEXT NOT NULL, -- argon2id; '' while none was chosen
	closed     INTEGER NOT NULL,
	since_at   BIGINT NOT NULL, -- sessions that began before are over
	created_at BIGINT NOT NULL,
	version    BIGINT NOT NULL
);

-- Links to choose a password: the hash of their secret, one for each account.
CREATE TABLE account_links (
	name     TEXT PRIMARY KEY REFERENCES accounts (name),
	hash     {{bytes}} NOT NULL UNIQUE,
	until_at BIGINT NOT NULL
);

-- Sessions of the site, by the hash of their token.
CREATE TABLE site_sessions (
	token    TEXT PRIMARY KEY,
	data     {{bytes}} NOT NULL,
	until_at BIGINT NOT NULL
);
CREATE INDEX site_sessions_until ON site_sessions (until_at);

-- What was done, by whom. Nothing updates or deletes a row of it but its age.
CREATE TABLE acts (
	id     {{identity}},
	at     BIGINT NOT NULL,
	who    TEXT NOT NULL,
	what   TEXT NOT NULL,
	about  TEXT NOT NULL,
	detail TEXT NOT NULL
);
