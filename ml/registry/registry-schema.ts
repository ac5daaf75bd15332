/**
 * Tables of runs, versions and aliases. `model_versions` is the table of Firn 0.1: where there was none it is made, so
 * that it can be read everywhere; its versions are listed and deleted, and nothing is added to it.
 */
export const REGISTRY_SCHEMA = `
  CREATE TABLE IF NOT EXISTS model_versions (
    pipeline TEXT NOT NULL,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'READY', 'DELETING', 'DELETED')),
    pin TEXT NOT NULL,
    weights_digest TEXT NOT NULL,
    dataset TEXT NOT NULL,
    trained TEXT NOT NULL,
    registered_at_ms INTEGER NOT NULL,
    PRIMARY KEY (pipeline, model, version)
  );

  CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    parent_run_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('RUNNING', 'FINISHED', 'FAILED', 'KILLED')),
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    inputs TEXT,
    -- Counts its changes: what a mirror has seen.
    revision INTEGER NOT NULL
  );
  CREATE INDEX runs_by_experiment ON runs (experiment, started_at_ms);
  CREATE INDEX runs_by_model ON runs (model, started_at_ms);
  CREATE INDEX runs_by_parent ON runs (parent_run_id) WHERE parent_run_id IS NOT NULL;

  CREATE TABLE run_params (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_id, key)
  ) WITHOUT ROWID;
  CREATE TABLE run_tags (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_id, key)
  ) WITHOUT ROWID;
  CREATE TABLE run_metrics (
    run_id TEXT NOT NULL REFERENCES runs,
    key TEXT NOT NULL,
    step INTEGER NOT NULL,
    -- NULL: not a number.
    value REAL,
    timestamp_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, key, step)
  ) WITHOUT ROWID;
  CREATE TABLE run_artifacts (
    run_id TEXT NOT NULL REFERENCES runs,
    path TEXT NOT NULL,
    location TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (run_id, path)
  ) WITHOUT ROWID;

  CREATE TABLE versions (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'READY', 'DELETING', 'DELETED')),
    pipeline TEXT NOT NULL,
    training_digest TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    pin TEXT NOT NULL,
    dataset TEXT NOT NULL,
    trained TEXT NOT NULL,
    registered_at_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (model, version)
  );
  CREATE UNIQUE INDEX one_version_of_a_training
    ON versions (model, training_digest) WHERE state IN ('PENDING', 'READY');

  -- Who was what when: the last row of a model and alias says what it is now, none says it was never set.
  CREATE TABLE alias_changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    -- NULL: the alias was deleted.
    version INTEGER,
    changed_by TEXT NOT NULL,
    reason TEXT,
    forced INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
  );
  CREATE INDEX alias_changes_by_alias ON alias_changes (model, alias, sequence);
  CREATE TRIGGER alias_changes_are_not_updated BEFORE UPDATE ON alias_changes
    BEGIN SELECT RAISE(ABORT, 'the history of aliases is not changed'); END;
  CREATE TRIGGER alias_changes_are_not_deleted BEFORE DELETE ON alias_changes
    BEGIN SELECT RAISE(ABORT, 'the history of aliases is not changed'); END;
  CREATE VIEW aliases AS
    SELECT model, alias, version, max(sequence) AS sequence, changed_by, reason, forced, at_ms
    FROM alias_changes GROUP BY model, alias;

  -- What a tracking server was told last; 'subject' is a run's id, 'model/version' or a model.
  CREATE TABLE mirrored (
    target TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('run', 'version', 'aliases')),
    subject TEXT NOT NULL,
    revision INTEGER NOT NULL,
    remote_id TEXT NOT NULL,
    PRIMARY KEY (target, kind, subject)
  ) WITHOUT ROWID;
  -- One mirror at a time tells a server of a subject.
  CREATE TABLE mirror_leases (
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    holder TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (target, subject)
  ) WITHOUT ROWID;`
