-- What servers that share these records tell each other.
-- +goose Up
CREATE TABLE iam_changes (
  position BIGINT NOT NULL PRIMARY KEY, -- without gaps, in the order of commits
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL
);
CREATE TABLE servers (
  id      TEXT NOT NULL PRIMARY KEY,
  name    TEXT NOT NULL,                -- of its machine
  version TEXT NOT NULL,
  seen_ms BIGINT NOT NULL               -- when it last told that it is there, by the database's clock
);
CREATE TABLE leases (
  name     TEXT NOT NULL PRIMARY KEY,
  holder   TEXT NOT NULL,               -- id of a server
  until_ms BIGINT NOT NULL              -- by the database's clock
);
ALTER TABLE invalidations ADD COLUMN position BIGINT NOT NULL DEFAULT 0; -- in the order of commits; 0 is older than this column
CREATE INDEX invalidations_position ON invalidations (position);
