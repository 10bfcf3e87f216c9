-- What distributions refer to, their aliases and invalidations.
-- +goose Up
CREATE TABLE cloudfront_resources (
  kind             TEXT NOT NULL,     -- cache-policy, origin-access-control, public-key, key-group, webacl …
  id               TEXT NOT NULL,
  name             TEXT NOT NULL,
  caller_reference TEXT NOT NULL,     -- the id where the kind has none
  created_ms       BIGINT NOT NULL,
  version          BIGINT NOT NULL,   -- an UPDATE of it is the row lock of a change
  doc              TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX cloudfront_resources_name ON cloudfront_resources (kind, name);
CREATE UNIQUE INDEX cloudfront_resources_reference ON cloudfront_resources (kind, caller_reference);

CREATE TABLE cloudfront_uses (
  user_kind TEXT NOT NULL,            -- distribution, or a kind of resource
  user_id   TEXT NOT NULL,
  kind      TEXT NOT NULL,
  id        TEXT NOT NULL,
  PRIMARY KEY (user_kind, user_id, kind, id)
);
CREATE INDEX cloudfront_uses_used ON cloudfront_uses (kind, id);

CREATE TABLE distribution_aliases (
  alias        TEXT PRIMARY KEY,      -- lower case; *.example.com is every name one below
  distribution TEXT NOT NULL
);
CREATE INDEX distribution_aliases_distribution ON distribution_aliases (distribution);

CREATE TABLE invalidations (
  distribution     TEXT NOT NULL,
  id               TEXT NOT NULL,
  caller_reference TEXT NOT NULL,
  created_ms       BIGINT NOT NULL,
  doc              TEXT NOT NULL,
  PRIMARY KEY (distribution, id)
);
CREATE UNIQUE INDEX invalidations_reference ON invalidations (distribution, caller_reference);
CREATE INDEX invalidations_created ON invalidations (distribution, created_ms, id);
