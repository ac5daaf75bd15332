WITH uneven AS (
  SELECT r._record_id AS run_id, unnest(range(len(r.points))) AS step, unnest(r.points) AS point, unnest(r.words) AS word
  FROM runs r
)
SELECT run_id, CAST(coalesce(step, -1) AS INTEGER) AS step, max(point) AS point, max(word) AS word
FROM uneven
GROUP BY run_id, coalesce(step, -1)
