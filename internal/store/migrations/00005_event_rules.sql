-- Rules, their targets, webhooks, and events on their way.
-- +goose Up
ALTER TABLE object_created ADD COLUMN request TEXT NOT NULL DEFAULT '{}';

-- The order in which events of all jobs were committed; 0 of those from before.
ALTER TABLE job_events ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
CREATE INDEX job_events_position ON job_events (position);

-- How far each feed of events was read. 'deliveries' counts event_deliveries,
-- 'rules' the changes of rules and targets.
CREATE TABLE event_cursors (
  feed     TEXT PRIMARY KEY,
  position BIGINT NOT NULL
);
INSERT INTO event_cursors (feed, position) VALUES ('deliveries', 0), ('rules', 0), ('jobs', 0);
INSERT INTO event_cursors (feed, position) SELECT 'objects', COALESCE(MAX(position), 0) FROM object_created;

CREATE TABLE event_rules (
  name       TEXT PRIMARY KEY,
  created_ms BIGINT NOT NULL,
  doc        TEXT NOT NULL
);

CREATE TABLE event_targets (
  rule TEXT NOT NULL,
  id   TEXT NOT NULL,
  arn  TEXT NOT NULL,
  doc  TEXT NOT NULL,
  PRIMARY KEY (rule, id)
);
CREATE INDEX event_targets_arn ON event_targets (arn);

CREATE TABLE event_connections (
  name TEXT PRIMARY KEY,
  doc  TEXT NOT NULL                  -- holds the secrets
);

CREATE TABLE event_destinations (
  name       TEXT PRIMARY KEY,
  connection TEXT NOT NULL,
  doc        TEXT NOT NULL
);

CREATE TABLE event_deliveries (
  position BIGINT PRIMARY KEY,        -- order of making
  route    TEXT NOT NULL,             -- to one target
  lane     TEXT NOT NULL,             -- of one target and one subject: one goes after the other
  held     INTEGER NOT NULL,          -- 1: another of its lane goes first
  due_ms   BIGINT NOT NULL,
  tries    INTEGER NOT NULL,          -- that failed
  dead     INTEGER NOT NULL,          -- 1: given up, the dead letter is to be written
  failure  TEXT NOT NULL,
  letter   TEXT NOT NULL
);
CREATE INDEX event_deliveries_due ON event_deliveries (route, held, due_ms, position);
CREATE INDEX event_deliveries_lane ON event_deliveries (lane, position);
