-- Functions, and events that wait for them.
-- +goose Up
CREATE TABLE functions (
  name    TEXT PRIMARY KEY,
  version BIGINT NOT NULL,            -- an UPDATE of it is the row lock of a change
  doc     TEXT NOT NULL
);

CREATE TABLE function_events (
  id         TEXT PRIMARY KEY,        -- the request id
  function   TEXT NOT NULL,
  qualifier  TEXT NOT NULL,
  due_ms     BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  failures   INTEGER NOT NULL,
  waits      INTEGER NOT NULL,
  trace      TEXT NOT NULL,
  payload    TEXT NOT NULL,           -- JSON
  outcome    TEXT NOT NULL            -- JSON of what is to be delivered; '' while it is queued
);
CREATE INDEX function_events_due ON function_events (due_ms, id);
