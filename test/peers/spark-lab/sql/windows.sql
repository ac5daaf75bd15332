SELECT
  p.run_id,
  p.step,
  b.grp,
  sum(p.point) OVER run AS so_far,
  lag(p.word) OVER run AS before,
  row_number() OVER (PARTITION BY b.grp ORDER BY p.word DESC, p.run_id, p.step) AS nth
FROM points p
JOIN base b ON b.run_id = p.run_id
WINDOW run AS (PARTITION BY p.run_id ORDER BY p.step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
