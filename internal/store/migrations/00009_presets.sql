-- Output presets, and documents of which there is one (the input policy).
-- +goose Up
CREATE TABLE presets (
  name       TEXT PRIMARY KEY,
  category   TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX presets_created ON presets (created_ms, name);

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  doc  TEXT NOT NULL
);
