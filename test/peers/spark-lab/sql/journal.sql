SELECT
  r._record_id || '@' || w.batch_id AS entry,
  (SELECT count(*) FROM notes) AS known_notes,
  (SELECT sum(runs) FROM groups) AS known_runs,
  (SELECT count(*) FROM journal) AS entries,
  w.batch_id AS processing_batch_id
FROM runs r
CROSS JOIN batch w
