SELECT r.note, min(r._record_id) AS first_run, max(w.batch_id) AS processing_batch_id
FROM runs r
CROSS JOIN batch w
WHERE r.note IS NOT NULL
GROUP BY r.note
