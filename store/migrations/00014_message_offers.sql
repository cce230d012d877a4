-- What incident messages offer, and those that wait for a second person.

-- +goose Up
ALTER TABLE messages ADD COLUMN offer TEXT NOT NULL DEFAULT ''; -- "callback", "exit", "link:<id>" or ""
ALTER TABLE messages ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- 1: nobody hears it before a second person lets it out
ALTER TABLE messages ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';
