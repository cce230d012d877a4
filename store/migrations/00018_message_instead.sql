-- A message may take the place of another when it begins to be heard; with the same words it goes on from it.

-- +goose Up
ALTER TABLE messages ADD COLUMN instead BIGINT NOT NULL DEFAULT 0; -- id of the message whose place it takes; 0: of none
ALTER TABLE messages ADD COLUMN continues BIGINT NOT NULL DEFAULT 0; -- id of the first message with these words; 0: this one
