-- Until when the rule of a plan was seen to hold.

-- +goose Up
ALTER TABLE plan_runs ADD COLUMN held_at BIGINT NOT NULL DEFAULT 0; -- 0: never, or not since the run ended
UPDATE plan_runs SET held_at = from_at; -- what was ended by hand before waits until it is known to have ceased
CREATE INDEX plan_runs_last ON plan_runs (plan, id);
