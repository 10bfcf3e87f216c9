-- Distributions of the edge.
-- +goose Up
CREATE TABLE distributions (
  id               TEXT PRIMARY KEY,
  domain           TEXT NOT NULL,
  caller_reference TEXT NOT NULL,
  created_ms       BIGINT NOT NULL,
  version          BIGINT NOT NULL,   -- an UPDATE of it is the row lock of a change
  doc              TEXT NOT NULL
);
CREATE UNIQUE INDEX distributions_domain ON distributions (domain);
CREATE UNIQUE INDEX distributions_reference ON distributions (caller_reference);
CREATE INDEX distributions_created ON distributions (created_ms, id);
