-- Log groups, their streams and what was written to them.
-- +goose Up
CREATE TABLE log_groups (
  id             BIGINT PRIMARY KEY,
  name           TEXT NOT NULL,
  created_ms     BIGINT NOT NULL,
  retention_days INTEGER NOT NULL,    -- 0 keeps for ever
  bytes          BIGINT NOT NULL      -- of the messages that are kept, each with the 26 bytes the service counts
);
CREATE UNIQUE INDEX log_groups_name ON log_groups (name);

CREATE TABLE log_streams (
  id          BIGINT PRIMARY KEY,
  group_id    BIGINT NOT NULL,
  name        TEXT NOT NULL,
  created_ms  BIGINT NOT NULL,
  first_ms    BIGINT NOT NULL,        -- of the earliest event; 0 before there is one
  last_ms     BIGINT NOT NULL,        -- of the latest event
  ingested_ms BIGINT NOT NULL         -- when something was last written
);
CREATE UNIQUE INDEX log_streams_name ON log_streams (group_id, name);
CREATE INDEX log_streams_last ON log_streams (group_id, last_ms, name);

CREATE TABLE log_events (
  id          BIGINT PRIMARY KEY,     -- order of writing; grows, and is never used twice
  group_id    BIGINT NOT NULL,
  stream_id   BIGINT NOT NULL,
  at_ms       BIGINT NOT NULL,
  ingested_ms BIGINT NOT NULL,
  message     TEXT NOT NULL
);
CREATE INDEX log_events_group ON log_events (group_id, at_ms, id);
CREATE INDEX log_events_stream ON log_events (stream_id, at_ms, id);
