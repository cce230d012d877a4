-- Callbacks of citizens who are not where their number is from.

-- +goose Up
ALTER TABLE promises ADD COLUMN zone TEXT NOT NULL DEFAULT ''; -- where they said to be; '' where the number is from
