-- Who signs in by OpenID Connect.

-- +goose Up
ALTER TABLE accounts ADD COLUMN subject TEXT NOT NULL DEFAULT ''; -- issuer and subject of the provider; '' while it was not used
CREATE UNIQUE INDEX accounts_subject ON accounts (subject) WHERE subject <> '';
