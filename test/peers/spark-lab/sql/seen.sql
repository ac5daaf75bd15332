SELECT g.grp, g.total AS first_total, w.batch_id AS processing_batch_id FROM groups g CROSS JOIN batch w
