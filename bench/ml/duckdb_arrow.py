"""DuckDB's own Arrow over the same file: duckdb_arrow.py FOLDER ROWS prints figures as its last line."""

import json
import resource
import sys
import time

import duckdb

folder, rows = sys.argv[1:]
connection = duckdb.connect()
started, cpu = time.perf_counter(), time.process_time()
reader = connection.sql(f"SELECT * FROM '{folder}/rows-{rows}.parquet'").fetch_arrow_reader(16384)
seen = sum(batch.num_rows for batch in reader)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": seen, "seconds": seconds, "cpu": cpu, "peakMb": peak}))
