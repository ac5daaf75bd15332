SELECT _record_id AS run_id, id, grp, n, x FROM runs
