-- +goose Up
-- One row for each created object version, in the order in which they were
-- appended; sequencer is the event's identity.
CREATE TABLE object_created (
    sequencer  TEXT PRIMARY KEY,
    position   BIGINT NOT NULL UNIQUE,
    bucket     TEXT NOT NULL,
    object_key TEXT NOT NULL,
    version_id TEXT NOT NULL,
    size       BIGINT NOT NULL,
    etag       TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
