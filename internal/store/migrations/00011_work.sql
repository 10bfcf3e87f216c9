-- What the attempts of a task took; see job.TaskWork.
-- +goose Up
ALTER TABLE tasks ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN cpu_ns BIGINT NOT NULL DEFAULT 0;     -- of media processes, in the attempt that counts
ALTER TABLE tasks ADD COLUMN wall_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN processes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN wasted_ns BIGINT NOT NULL DEFAULT 0;  -- CPU of the other attempts
