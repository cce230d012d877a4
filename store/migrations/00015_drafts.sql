-- What is to be changed in the service's definition, and what was.

-- +goose Up
CREATE TABLE drafts (
	id         {{identity}},
	path       TEXT NOT NULL, -- the part of the definition: "prompts.accueil"
	value      TEXT NOT NULL, -- its new YAML; '' takes it out
	was        TEXT NOT NULL, -- what its author saw in the file
	written_by TEXT NOT NULL,
	written_at BIGINT NOT NULL,
	state      TEXT NOT NULL, -- draft, published or dropped
	settled_at BIGINT NOT NULL,
	settled_by TEXT NOT NULL
);
CREATE UNIQUE INDEX drafts_open ON drafts (path) WHERE state = 'draft';
CREATE INDEX drafts_history ON drafts (path, id) WHERE state = 'published';
