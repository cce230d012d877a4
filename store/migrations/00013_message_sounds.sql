-- Incident messages that are recordings.

-- +goose Up
ALTER TABLE messages ADD COLUMN sounds TEXT NOT NULL DEFAULT '{}'; -- by language, the recording said in place of the text
