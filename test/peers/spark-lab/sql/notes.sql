SELECT note, min(_record_id) AS first_run FROM runs WHERE note IS NOT NULL GROUP BY note
