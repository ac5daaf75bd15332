SELECT b.grp, count(*) AS runs, sum(b.x ORDER BY b.run_id) AS total, avg(b.x ORDER BY b.run_id) AS mean
FROM base b
WHERE b.grp IN (SELECT r.grp FROM runs r)
GROUP BY b.grp
