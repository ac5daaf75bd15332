SELECT
  b.grp,
  count(*) AS runs,
  sum(b.x ORDER BY b.run_id) AS total,
  avg(b.x ORDER BY b.run_id) AS mean,
  max(w.batch_id) AS processing_batch_id
FROM base b
CROSS JOIN batch w
WHERE b.grp IN (SELECT r.grp FROM runs r)
GROUP BY b.grp
