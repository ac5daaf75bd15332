"""What the peers of bench/iceberg take for the same work on the same catalog.

usage: peer.py FOLDER PIECE ARGS JARS
PIECE is a function below, ARGS its arguments as JSON. The last line is JSON: seconds by name, and `peakMb`, the peak of memory.
"""

import datetime
import json
import os
import resource
import statistics
import sys
import time


def rounds(count, work):
    """Seconds of each round by the clock, and of the processor on average."""
    seconds = []
    cpu = time.process_time()
    for at in range(count):
        started = time.perf_counter()
        work(at)
        seconds.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / count
    return {"min": min(seconds), "median": statistics.median(seconds), "cpu": cpu}


def catalog(folder):
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("lab", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse")


def arrow_rows(first, count, turn):
    import pyarrow as pa

    ids = range(first, first + count)
    names = [f"name {i} of {turn}" for i in ids]
    columns = [pa.array(ids, pa.int64()), pa.array(names), pa.array([i / (7 + turn) for i in ids])]
    return pa.table(columns, names=["id", "name", "x"])


def append(lab, table, rounds_):
    loaded = lab.catalog.load_table(table)
    batch = arrow_rows(0, 100, 0)
    for _ in range(3):
        loaded.append(batch)
    return rounds(rounds_, lambda _: loaded.append(batch))


def upsert(lab, table, rows, source, rounds_):
    loaded = lab.catalog.load_table(table)
    batches = [arrow_rows(rows - source // 2 + at * source // 2, source, at + 1) for at in range(rounds_)]

    def once(at):
        result = loaded.upsert(batches[at], join_cols=["id"])
        assert (result.rows_updated, result.rows_inserted) == (source // 2, source // 2), result

    return rounds(rounds_, once)


def plan(lab, table, rounds_):
    from pyiceberg.manifest import clear_manifest_cache

    loaded = lab.catalog.load_table(table)

    def files(cold, **filter):
        def once(_):
            if cold:
                clear_manifest_cache()
            list(loaded.scan(**filter).plan_files())

        return once

    one = {"row_filter": "part = 0"}
    first = rounds(1, files(True))
    all_ = rounds(rounds_, files(True))
    return {
        "first": first["min"],
        "all": all_["median"],
        "cpu": all_["cpu"],
        "one": rounds(rounds_, files(True, **one))["median"],
        "cachedAll": rounds(rounds_, files(False))["median"],
        "cachedOne": rounds(rounds_, files(False, **one))["median"],
    }


def java_plan(lab, table, rounds_):
    """Java's own planning, called through Spark's gateway; the files are counted in Java."""
    jvm = lab.spark._jvm
    iceberg = jvm.org.apache.iceberg
    loaded = iceberg.spark.Spark3Util.loadIcebergTable(lab.spark._jsparkSession, f"lab.{table}")
    count = iceberg.relocated.com.google.common.collect.Iterables.size
    one = iceberg.expressions.Expressions.equal("part", 0)

    def scanned(scan):
        def once(_):
            files = scan().planFiles()
            assert count(files) > 0
            files.close()

        return once

    works = {
        "lean": lambda: loaded.newScan(),
        "all": lambda: loaded.newScan().includeColumnStats(),
        "one": lambda: loaded.newScan().filter(one),
    }
    # Twice before it counts, so that the JVM has compiled what it runs.
    return {name: rounds(rounds_ + 2, scanned(scan))["min"] for name, scan in works.items()}


def maintain(lab, table, warm):
    """Spark's procedures, after the same ones on another table."""
    procedures(lab, warm)
    return procedures(lab, table)


def procedures(lab, table):
    now = datetime.datetime.now(datetime.timezone.utc)
    # Snapshots of this very second go too; orphans are what is days old.
    soon, past = [f"TIMESTAMP '{now + datetime.timedelta(days=d):%Y-%m-%d %H:%M:%S}'" for d in (1, -3)]
    calls = {
        "manifests": f"rewrite_manifests('{table}')",
        "compact": f"rewrite_data_files('{table}')",
        "expire": f"expire_snapshots(table => '{table}', older_than => {soon}, retain_last => 1)",
        "orphans": f"remove_orphan_files(table => '{table}', older_than => {past})",
    }
    return {
        name: rounds(1, lambda _: lab.spark.sql(f"CALL lab.system.{call}").collect())["min"]
        for name, call in calls.items()
    }


class Lab:
    def __init__(self, folder, jars):
        self.folder, self.jars, self.jvm_pid = folder, jars, None
        self.catalog = catalog(folder)

    @property
    def spark(self):
        from pyspark.sql import SparkSession

        prefix = "spark.sql.catalog.lab"
        session = (
            SparkSession.builder.master("local[*]")
            .config("spark.jars", self.jars)
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "2g")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config(prefix, "org.apache.iceberg.spark.SparkCatalog")
            .config(f"{prefix}.catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog")
            .config(f"{prefix}.uri", f"jdbc:sqlite:{self.folder}/catalog.db")
            .config(f"{prefix}.jdbc.schema-version", "V1")
            .config(f"{prefix}.jdbc.init-catalog-tables", "false")
            .config(f"{prefix}.warehouse", f"{self.folder}/warehouse")
            .config(f"{prefix}.cache-enabled", "false")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        self.jvm_pid = session._jvm.java.lang.ProcessHandle.current().pid()
        return session

    def peak_mb(self):
        """Of the JVM where one runs, else of this process."""
        if self.jvm_pid is None:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with open(f"/proc/{self.jvm_pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main():
    # Whatever else prints, Spark's Java process above all, goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, piece, args, jars = sys.argv[1:]
    lab = Lab(folder, jars)
    calls = {f.__name__: f for f in (append, upsert, plan, java_plan, maintain)}
    named = {f"{name}_" if name == "rounds" else name: value for name, value in json.loads(args).items()}
    figures = calls[piece](lab, **named)
    print(json.dumps({**figures, "peakMb": lab.peak_mb()}), file=answers, flush=True)
    if lab.jvm_pid is not None:
        lab.spark.stop()


if __name__ == "__main__":
    main()
