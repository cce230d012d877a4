-- Access for all: callbacks that go through a relay centre.

-- +goose Up
ALTER TABLE promises ADD COLUMN relay TEXT NOT NULL DEFAULT ''; -- the centre's number; '' none
