-- Jobs that hop from queue to queue, what jobs are found by, and queries of jobs.
-- +goose Up
-- From here on queue and priority are where a job waits or ran, submitted_to is
-- the queue that it was given to: lists ask for that one.
ALTER TABLE jobs ADD COLUMN submitted_to TEXT NOT NULL DEFAULT '';
UPDATE jobs SET submitted_to = queue;
DROP INDEX jobs_queue;
CREATE INDEX jobs_submitted_to ON jobs (submitted_to, created_ms, id);
CREATE INDEX jobs_submitted_to_status ON jobs (submitted_to, status, created_ms, id);

CREATE TABLE job_labels (
  job_id TEXT NOT NULL,
  name   TEXT NOT NULL,                -- fileInput, videoCodec …: the API's filter keys
  value  TEXT NOT NULL,
  PRIMARY KEY (job_id, name, value)
);
-- The jobs of before.
-- SQLite only {
INSERT INTO job_labels (job_id, name, value)
  SELECT DISTINCT j.id, 'fileInput', json_extract(i.value, '$.fileInput')
  FROM jobs j, json_each(j.request, '$.settings.inputs') i WHERE json_extract(i.value, '$.fileInput') IS NOT NULL;
INSERT INTO job_labels (job_id, name, value)
  SELECT DISTINCT j.id, 'videoCodec', json_extract(o.value, '$.videoDescription.codecSettings.codec')
  FROM jobs j, json_each(j.request, '$.settings.outputGroups') g, json_each(g.value, '$.outputs') o
  WHERE json_extract(o.value, '$.videoDescription.codecSettings.codec') IS NOT NULL;
INSERT INTO job_labels (job_id, name, value)
  SELECT DISTINCT j.id, 'audioCodec', json_extract(a.value, '$.codecSettings.codec')
  FROM jobs j, json_each(j.request, '$.settings.outputGroups') g, json_each(g.value, '$.outputs') o, json_each(o.value, '$.audioDescriptions') a
  WHERE json_extract(a.value, '$.codecSettings.codec') IS NOT NULL;
-- }

CREATE TABLE job_queries (
  id         TEXT PRIMARY KEY,
  created_ms BIGINT NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX job_queries_created ON job_queries (created_ms, id);
