-- What is known of buckets and objects whose bytes are in an external S3. Keys are
-- bytes: they are listed in the order of bytes, whatever the database sorts text by.
-- +goose Up
CREATE TABLE bucket_records (
    name TEXT PRIMARY KEY,
    id   TEXT NOT NULL UNIQUE, -- of this life of the name
    doc  TEXT NOT NULL
);

CREATE TABLE object_versions (
    bucket_id  TEXT NOT NULL,
    object_key BYTEA NOT NULL,
    sequence   TEXT NOT NULL,   -- greater is later
    version_id TEXT NOT NULL,
    latest     BIGINT NOT NULL, -- 1 for the newest of its key
    marker     BIGINT NOT NULL, -- 1 for a delete marker
    upload_id  TEXT NOT NULL,   -- that made it
    doc        TEXT NOT NULL,
    PRIMARY KEY (bucket_id, object_key, sequence)
);
CREATE UNIQUE INDEX object_versions_by_id ON object_versions (bucket_id, object_key, version_id);
CREATE UNIQUE INDEX object_versions_latest ON object_versions (bucket_id, object_key) WHERE latest = 1;

CREATE TABLE object_uploads (
    id         TEXT PRIMARY KEY,
    bucket_id  TEXT NOT NULL,
    object_key BYTEA NOT NULL,
    doc        TEXT NOT NULL
);
CREATE INDEX object_uploads_by_key ON object_uploads (bucket_id, object_key, id);

CREATE TABLE object_parts (
    upload_id TEXT NOT NULL,
    number    BIGINT NOT NULL,
    doc       TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
);

-- Bytes in the external S3, and by how many versions and parts each is named: with 0
-- it goes, with -1 it is going.
CREATE TABLE object_blobs (
    id         TEXT PRIMARY KEY,
    parts      BIGINT NOT NULL,
    refs       BIGINT NOT NULL,
    dropped_ms BIGINT NOT NULL -- when nothing named it any more
);
CREATE INDEX object_blobs_dropped ON object_blobs (dropped_ms) WHERE refs <= 0;
