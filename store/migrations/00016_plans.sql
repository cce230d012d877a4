-- The times that prepared plans were on.

-- +goose Up
CREATE TABLE plan_runs (
	id         {{identity}},
	plan       TEXT NOT NULL,
	from_at    BIGINT NOT NULL,
	until_at   BIGINT NOT NULL,
	started_by TEXT NOT NULL,
	ended_at   BIGINT NOT NULL, -- 0 while it has not ended
	ended_by   TEXT NOT NULL
);
CREATE UNIQUE INDEX plan_runs_on ON plan_runs (plan) WHERE ended_at = 0;
CREATE INDEX plan_runs_ended ON plan_runs (ended_at);
