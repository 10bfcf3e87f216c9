-- Jobs, their tasks, their events, and what must happen outside of SQL for them.
-- +goose Up
CREATE TABLE queues (
  name       TEXT PRIMARY KEY,
  status     TEXT NOT NULL,           -- ACTIVE or PAUSED
  created_ms BIGINT NOT NULL,
  version    BIGINT NOT NULL,         -- an UPDATE of it is the row lock of admission
  doc        TEXT NOT NULL
);

CREATE TABLE jobs (
  id         TEXT PRIMARY KEY,
  queue      TEXT NOT NULL,
  status     TEXT NOT NULL,
  priority   INTEGER NOT NULL,
  created_ms BIGINT NOT NULL,
  version    BIGINT NOT NULL,         -- an UPDATE of it is the row lock of every change
  phase      TEXT NOT NULL,
  percent    INTEGER NOT NULL,
  stage      INTEGER NOT NULL,        -- of the tasks at work; -1 before the first
  events     BIGINT NOT NULL,         -- how many events the job has had
  request    TEXT NOT NULL,           -- what was asked; written once
  doc        TEXT NOT NULL            -- everything else
);
CREATE INDEX jobs_all ON jobs (created_ms, id);
CREATE INDEX jobs_status ON jobs (status, created_ms, id);
CREATE INDEX jobs_queue ON jobs (queue, created_ms, id);
CREATE INDEX jobs_queue_status ON jobs (queue, status, created_ms, id);
CREATE INDEX jobs_dispatch ON jobs (queue, priority DESC, created_ms, id) WHERE status = 'SUBMITTED';

CREATE TABLE client_tokens (
  token      TEXT PRIMARY KEY,
  job_id     TEXT NOT NULL,
  request    TEXT NOT NULL,           -- hash of what was asked with the token
  expires_ms BIGINT NOT NULL
);
CREATE INDEX client_tokens_expiry ON client_tokens (expires_ms);

CREATE TABLE tasks (
  job_id   TEXT NOT NULL,
  number   INTEGER NOT NULL,          -- order within the job, from 0
  name     TEXT NOT NULL,
  stage    INTEGER NOT NULL,
  phase    TEXT NOT NULL,
  weight   BIGINT NOT NULL,
  payload  TEXT NOT NULL,
  done     INTEGER NOT NULL,          -- 1 when the result is stored
  starts   INTEGER NOT NULL,          -- deliveries that began
  failures INTEGER NOT NULL,          -- of them, ended with an error
  releases INTEGER NOT NULL,          -- of them, given back by a graceful stop
  output   TEXT,
  PRIMARY KEY (job_id, number)
);
CREATE UNIQUE INDEX tasks_name ON tasks (job_id, name);
CREATE INDEX tasks_stage ON tasks (job_id, stage, done, number);

CREATE TABLE outbox (
  job_id TEXT NOT NULL,
  kind   TEXT NOT NULL,               -- stage, task or discard
  number INTEGER NOT NULL,            -- of the stage or the task
  due_ms BIGINT NOT NULL,
  tries  INTEGER NOT NULL,
  PRIMARY KEY (job_id, kind, number)
);
CREATE INDEX outbox_due ON outbox (due_ms);

CREATE TABLE job_events (
  job_id TEXT NOT NULL,
  number BIGINT NOT NULL,             -- order within the job, from 1
  at_ms  BIGINT NOT NULL,
  kind   TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (job_id, number)
);

CREATE TABLE job_templates (
  name       TEXT PRIMARY KEY,
  category   TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX job_templates_created ON job_templates (created_ms, name);

CREATE TABLE tags (
  resource TEXT NOT NULL,             -- the last part of the ARN: jobs/ID, jobTemplates/NAME, queues/NAME
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (resource, name)
);
