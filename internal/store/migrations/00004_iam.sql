-- Users, roles, managed policies and sessions. The account's keys and sessions
-- are in here, secrets and all: the file is its owner's alone.
-- +goose Up
CREATE TABLE iam_records (
  kind       TEXT NOT NULL,           -- user, role, policy or session
  name       TEXT NOT NULL,           -- a name in lower case, an ARN, an access key id
  expires_ms BIGINT NOT NULL,         -- 0 never
  doc        TEXT NOT NULL,
  PRIMARY KEY (kind, name)
);
