-- Runs of functions with a reserved concurrency, on servers that share these records.
-- +goose Up
CREATE TABLE function_runs (
  run      TEXT NOT NULL PRIMARY KEY,
  function TEXT NOT NULL,
  server   TEXT NOT NULL -- id of servers
);
CREATE INDEX function_runs_function ON function_runs (function);
