"""Builds tables of one batch on Spark: `spark-submit runner.py JOB`, where JOB is the path of a JSON file (spark-job.ts).

Each table's SELECT is appended to a branch of the table; main is never touched. What the engine is told goes to stdout, a
line each: `@firn {"progress"|"staged"|"problem"|"error": …}`. The catalog's token comes by FIRN_SPARK_CATALOG_TOKEN.
"""

import json
import os
import sys
import threading
import time

MARK = "@firn "


def main(path):
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    end_with(job.get("parent"))
    try:
        (check if job["kind"] == "check" else build)(job)
    except Exception as error:
        tell("error", {"table": getattr(error, "table", None), **told(error)})
        sys.exit(1)


def end_with(parent):
    """Nobody waits for the rows once the process that asked for them is gone."""

    def watch():
        while True:
            time.sleep(2)
            try:
                os.kill(parent, 0)
            except ProcessLookupError:
                os._exit(3)
            except OSError:
                return

    if parent is not None:
        threading.Thread(target=watch, daemon=True).start()


def build(job):
    spark = open_session(job)
    work = Build(spark, job)
    if "later" in job:
        work.batches_views()
    work.stage_ids()
    for table in job["tables"]:
        try:
            work.stage(table)
        except Exception as error:
            error.table = table["name"]
            raise
    spark.stop()


def open_session(job):
    from pyspark.sql import SparkSession

    tell("progress", "starting a Spark session")
    builder = SparkSession.builder.appName(job["application"])
    fixed = {
        "spark.sql.session.timeZone": "UTC",
        # As in DuckDB, what does not fit its type fails instead of becoming NULL.
        "spark.sql.ansi.enabled": "true",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    catalog = job.get("catalog")
    if catalog is None:
        del fixed["spark.sql.extensions"]
    else:
        prefix = f"spark.sql.catalog.{catalog['name']}"
        fixed[prefix] = "org.apache.iceberg.spark.SparkCatalog"
        fixed[f"{prefix}.cache-enabled"] = "false"
        for key, value in catalog["properties"].items():
            fixed[f"{prefix}.{key}"] = value
        if (token := os.environ.get("FIRN_SPARK_CATALOG_TOKEN")) is not None:
            fixed[f"{prefix}.token"] = token
    for key, value in fixed.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


class Build:
    def __init__(self, spark, job):
        self.spark, self.job, self.source = spark, job, job.get("source")
        # By table: {"snapshot", "basis"} of what this batch adds; snapshots as int.
        self.staged = {name: numbers(one) for name, one in job["staged"].items()}
        self.duplicates = job["ids"].get("duplicates")
        self.kept = {}

    # ------------------------------------------------------------ the source
    def landed(self, columns):
        """The records of the range as they were landed; `columns` of the envelope, or those and the document's."""
        from pyspark.sql import functions as F

        envelope = self.source["envelope"]
        files = [location for location, _, _ in self.source["objects"]]
        lines = self.spark.read.schema(", ".join(f"`{n}` {t}" for n, t, _ in envelope) + ", `payload` string").json(files)
        path = self.spark._jvm.org.apache.hadoop.fs.Path
        ranges = [(path(location).toUri().toString(), first, end) for location, first, end in self.source["objects"]]
        known = self.spark.createDataFrame(ranges, "_file string, _first bigint, _end bigint")
        found = lines.withColumn("_file", F.regexp_replace("_metadata.file_path", "^file:/+", "file:///")).join(F.broadcast(known), "_file")
        found = found.where("offset >= _first AND offset < _end")
        read = [F.col(name).alias(f"_{name}") for name, _, _ in envelope]
        if columns == "envelope":
            return found.select(*read)
        # A whole number may be written as 3.0 or 1e2: read as a decimal, it is exact.
        document = F.from_json("payload", self.source["lenient"]).cast(self.source["struct"])
        return found.select(document.alias("_document"), *read).select("_document.*", *[f"_{n}" for n, _, _ in envelope])

    def stage_ids(self):
        """The record ids that this batch is the first to build; counts the records that are not."""
        from pyspark.sql import functions as F

        ids = self.job["ids"]
        if self.source is None or self.duplicates is not None:
            return
        tell("progress", f"reading {len(self.source['objects'])} objects of {self.source['name']}")
        counted = self.landed("envelope").groupBy(F.col("_record_id").alias("record_id")).count().persist()
        landed = counted.agg(F.sum("count")).collect()[0][0] or 0
        if landed != self.source["records"]:
            raise Unread(f"read {landed} of the {self.source['records']} records that the ledger names; are all objects there?")
        fresh = counted.select("record_id")
        if ids["kept"]:
            fresh = fresh.join(self.state(ids["table"], ids["basis"], ids["columns"]), "record_id", "left_anti")
            self.batch_view()
            rows = fresh.crossJoin(self.spark.table("batch").selectExpr("batch_id AS processing_batch_id"))
            result = self.append(ids, rows)
        else:
            result = {"table": ids["name"], "snapshot": None, "rows": fresh.count()}
        self.duplicates = landed - result["rows"]
        tell("staged", {**result, "duplicates": self.duplicates})
        counted.unpersist()

    def records(self, only_new):
        """Of equal records the first, in the order that they were landed in; with `only_new` none that was built before."""
        if self.duplicates == 0:
            only_new = False
        if only_new in self.kept:
            return self.kept[only_new]
        records = self.landed("document")
        if self.duplicates != 0:
            from pyspark.sql import Window, functions as F

            if only_new:
                fresh = self.relation({**self.job["ids"], "added": True}).select(F.col("record_id").alias("_record_id"))
                records = records.join(fresh, "_record_id", "left_semi")
            order = [F.col(name).asc_nulls_last() for name in ("_offset", "_partition", "_path")]
            nth = F.row_number().over(Window.partitionBy("_record_id").orderBy(*order))
            records = records.withColumn("_nth", nth).where("_nth = 1").drop("_nth")
        if sum(table["reads"]["source"] for table in self.job["tables"]) > 1:
            records = records.persist()
        self.kept[only_new] = records
        return records

    # ------------------------------------------------------------ tables
    def state(self, table, snapshot, columns, more=()):
        """A table's rows at a snapshot; columns that it got later are NULL. `more`: of Iceberg's own columns."""
        if snapshot is None:
            return self.spark.createDataFrame([], ", ".join(f"`{n}` {t}" for n, t, _ in columns))
        return filled(self.spark.read.format("iceberg").option("snapshot-id", snapshot).load(self.path(table)), columns, more)

    def added(self, name, table, columns, more=()):
        """What this batch adds to a table."""
        one = self.staged[name]
        if one["snapshot"] is None or one["basis"] is None:
            return self.state(table, one["snapshot"], columns, more)
        reader = self.spark.read.format("iceberg")
        reader = reader.option("start-snapshot-id", one["basis"]).option("end-snapshot-id", one["snapshot"])
        return filled(reader.load(self.path(table)), columns, more)

    def staying(self, table):
        """Of a batch that is built again: the rows of a table's head that its condition lets stay."""
        rows = self.unreplaced(table)
        if "stays" not in table:
            return rows
        rows.createOrReplaceTempView("_now")
        return self.spark.sql(text_of({"sql": f"SELECT * FROM _now WHERE {table['stays']}", "dialect": "duckdb"}, self.job["types"]))

    def unreplaced(self, table):
        """The rows of a table's head, but for partitions that the batch writes anew."""
        from pyspark.sql import functions as F

        name, path, columns, basis = table["name"], table["table"], table["columns"], table["basis"]
        replaced = table.get("replaced")
        if None in (replaced, basis) or name not in self.staged or self.staged[name]["snapshot"] is None:
            return self.state(path, basis, columns)
        if replaced == "all":
            return self.state(path, basis, columns).join(self.added(name, path, columns), F.lit(True), "left_anti")
        added = self.added(name, path, columns, ["_partition"]).select(F.col("_partition").alias("_replaced"))
        rows = self.state(path, basis, columns, ["_partition"])
        return rows.join(added, F.expr("_partition <=> _replaced"), "left_anti").drop("_partition")

    def batches_views(self):
        """What conditions of rows that stay name."""
        ids = self.job["ids"]
        self.state(ids["table"], ids["basis"], ids["columns"]).createOrReplaceTempView("_all_ids")
        self.spark.createDataFrame([(one,) for one in self.job["later"]], "id string").createOrReplaceTempView("_later_batches")

    def path(self, table):
        return f"{self.job['catalog']['name']}.{table}"

    def batch_view(self):
        batch = self.job["batch"]
        columns = [f"'{batch['batch_id']}' AS batch_id", f"'{batch['pipeline']}' AS pipeline"]
        columns.append(f"TIMESTAMP '{batch['processing_timestamp']}' AS processing_timestamp")
        columns.append(f"DATE '{batch['processing_date']}' AS processing_date")
        self.spark.sql(f"SELECT {', '.join(columns)}").createOrReplaceTempView("batch")

    def stage(self, table):
        self.batch_view()
        reads = table["reads"]
        if reads["source"]:
            self.records(table["onlyNew"]).createOrReplaceTempView(self.source["name"])
        for upstream in reads["tables"]:
            self.relation(upstream).createOrReplaceTempView(upstream["name"])
        tell("progress", f"{table['name']}: running")
        rows = self.spark.sql(text_of(table, self.job["types"]))
        if table["newByKey"]:
            current = self.staying(table)
            rows = rows.join(current.select(*table["key"]), table["key"], "left_anti")
        tell("staged", self.append(table, rows))

    def relation(self, upstream):
        name, table, columns = upstream["name"], upstream["table"], upstream["columns"]
        if "stays" in upstream:
            stays = self.staying(upstream)
            return stays.unionByName(self.added(name, table, columns)) if name in self.staged else stays
        if name not in self.staged:
            return self.state(table, upstream["basis"], columns)
        if upstream["added"]:
            return self.added(name, table, columns)
        snapshot = self.staged[name]["snapshot"]
        return self.state(table, upstream["basis"] if snapshot is None else snapshot, columns)

    def append(self, table, rows):
        """Commits rows to the batch's branch of a table, ordered by partition and key; says which snapshot that made."""
        branch, attempt = self.job["branch"], self.job["attempt"]
        start = self.start_branch(table)
        ordered = checked(rows, table["columns"]).orderBy(*table["order"])
        writer = ordered.writeTo(f"{self.path(table['table'])}.`branch_{branch}`")
        writer = writer.option("distribution-mode", "none").option("fanout-enabled", "true")
        # Of required columns a NULL fails above, in words.
        writer = writer.option("check-nullability", "false")
        writer = writer.option("snapshot-property.firn.attempt", attempt)
        (writer.overwritePartitions if table["write"] == "overwrite-partitions" else writer.append)()
        made = self.load(table).snapshot(branch)
        if made is None or made.summary().get("firn.attempt") != attempt or made.parentId() != start:
            raise Taken(f"another attempt writes branch {branch} of {table['table']} at the same time")
        self.staged[table["name"]] = {"snapshot": made.snapshotId(), "basis": table_basis(table, start)}
        rows = int(made.summary().get("added-records") or 0)
        return {"table": table["name"], "snapshot": str(made.snapshotId()), "rows": rows}

    def start_branch(self, table):
        """Where the branch begins: the head that the batch was planned on; of an empty table, an empty snapshot."""
        loaded, branch = self.load(table), self.job["branch"]
        if loaded.snapshot(branch) is not None:
            loaded.manageSnapshots().removeBranch(branch).commit()
        refs = loaded.manageSnapshots()
        basis = table["basis"]
        (refs.createBranch(branch) if basis is None else refs.createBranch(branch, int(basis))).commit()
        return loaded.snapshot(branch).snapshotId()

    def load(self, table):
        jvm = self.spark._jvm
        return jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(self.spark._jsparkSession, self.path(table["table"]))


def check(job):
    """Every table's SQL on empty relations: what can't be translated, what Spark does not know, columns that do not fit."""
    spark = open_session(job)
    for name, columns in job["relations"].items():
        spark.createDataFrame([], ", ".join(f"`{n}` {t}" for n, t, _ in columns)).createOrReplaceTempView(name)
    for table in job["tables"]:
        tell("progress", f"{table['name']}: checking")
        try:
            checked(spark.sql(text_of(table, job["types"])), table["columns"])
        except Exception as error:
            tell("problem", {"table": table["name"], **told(error)})
    spark.stop()


class Unread(Exception):
    """Not the records that were landed."""


class Taken(Exception):
    """A second attempt at the same batch."""


class Wrong(Exception):
    """The SQL gives other columns than the table has."""


def text_of(table, types):
    if table["dialect"] == "spark":
        return table["sql"]
    try:
        from translate import translate
    except ImportError as error:
        raise ImportError(f"{error}: install sqlglot beside PySpark (pip install sqlglot==30.30.0)") from error
    return translate(table["sql"], types)


def checked(rows, columns):
    """The table's columns in their order, each cast to its type."""
    given, wanted = set(rows.columns), {name for name, _, _ in columns}
    if given != wanted:
        lacks, has = sorted(wanted - given), sorted(given - wanted)
        raise Wrong("; ".join(filter(None, [lacks and f"the SELECT lacks {', '.join(lacks)}", has and f"it gives {', '.join(has)}, which the table has not"])))
    return rows.selectExpr(*[of_type(*column) for column in columns])


def of_type(name, kind, required):
    value = f"CAST(`{name}` AS {kind})"
    if required:
        value = f"COALESCE({value}, RAISE_ERROR('column {name} is required, and NULL in a row'))"
    return f"{value} AS `{name}`"


def filled(rows, columns, more=()):
    there = set(rows.columns)
    return rows.selectExpr(*[f"`{n}`" if n in there else f"CAST(NULL AS {t}) AS `{n}`" for n, t, _ in columns], *more)


def table_basis(table, start):
    return start if table["basis"] is None else int(table["basis"])


def numbers(one):
    return {key: None if one[key] is None else int(one[key]) for key in ("snapshot", "basis")}


def told(error):
    """An error as {"kind", "message"}: what it says first, not a stack."""
    name = type(error).__name__
    message = str(getattr(error, "desc", None) or error)
    java = getattr(error, "java_exception", None)
    if java is not None:
        causes = [java]
        while causes[-1].getCause() is not None and len(causes) < 20:
            causes.append(causes[-1].getCause())
        message = next((text for cause in reversed(causes) if (text := cause.getMessage())), message)
    message = " ".join(message.strip().split("\n\n")[0].split("\n")[:3])[:1500]
    if name in ("AnalysisException", "ParseException", "Untranslatable", "Wrong"):
        return {"kind": "sql-invalid", "message": message}
    if name in ("ArithmeticException", "NumberFormatException", "DateTimeException", "SparkRuntimeException") or (
        message.startswith("[") and not message.startswith("[INTERNAL")
    ):
        return {"kind": "data-invalid", "message": message}
    return {"kind": "unsupported" if name == "ImportError" else "io", "message": f"{name}: {message}"}


def tell(kind, value):
    print(MARK + json.dumps({kind: value}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
