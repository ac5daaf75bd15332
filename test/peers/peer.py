"""PyIceberg and Spark on one SQLite catalog, for test/peers: obeys JSON lines on stdin, answers each with one on stdout.

usage: peer.py CATALOG_DB WAREHOUSE [JARS]
A line is {"call": NAME, "args": {…}}; NAME is a function below or in write_tables.py, which takes the peer first.
Values in answers: timestamps and times in µs, dates in days, integers and decimals as text, binary as hex.
"""

import datetime
import decimal
import json
import math
import os
import sys
import traceback
import uuid
from functools import cached_property

import write_tables

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


class Peer:
    def __init__(self, db, warehouse, jars=None):
        self.db, self.warehouse, self.jars = db, warehouse, jars

    @cached_property
    def catalog(self):
        from pyiceberg.catalog.sql import SqlCatalog

        return SqlCatalog("firn", uri=f"sqlite:///{self.db}", warehouse=self.warehouse)

    @cached_property
    def spark(self):
        from pyspark.sql import SparkSession

        prefix = "spark.sql.catalog.firn"
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.jars", self.jars)
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "1g")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config(prefix, "org.apache.iceberg.spark.SparkCatalog")
            .config(f"{prefix}.catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog")
            .config(f"{prefix}.uri", f"jdbc:sqlite:{self.db}")
            .config(f"{prefix}.jdbc.schema-version", "V1")
            # Else it leaves a query open, and with it sees this moment of the database for as long as it runs.
            .config(f"{prefix}.jdbc.init-catalog-tables", "false")
            .config(f"{prefix}.warehouse", self.warehouse)
            .config(f"{prefix}.cache-enabled", "false")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        return session


def tables(peer, reader):
    """Every table as `namespace.table`."""
    if reader == "pyiceberg":
        return [".".join(name) for space in peer.catalog.list_namespaces() for name in peer.catalog.list_tables(space)]
    spaces = [space for (space,) in peer.spark.sql("SHOW NAMESPACES IN firn").collect()]
    return [f"{s}.{row.tableName}" for s in spaces for row in peer.spark.sql(f"SHOW TABLES IN firn.{s}").collect()]


def rows(peer, reader, table, at=None, where=None):
    """Rows at a tag, a branch or a snapshot id (head without); `where` is a filter that both readers understand."""
    if reader == "pyiceberg":
        loaded = peer.catalog.load_table(table)
        ref = None if at is None else loaded.metadata.refs.get(at)
        snapshot = None if at is None else ref.snapshot_id if ref else int(at)
        scan = loaded.scan(snapshot_id=snapshot, **({} if where is None else {"row_filter": where}))
        return [{name: arrow_value(value) for name, value in row.items()} for row in scan.to_arrow().to_pylist()]
    version = "" if at is None else f" VERSION AS OF {at if at.isdigit() else repr(at)}"
    return sql(peer, f"SELECT * FROM firn.{table}{version}" + ("" if where is None else f" WHERE {where}"))


def inspect(peer, table, name):
    """Rows of PyIceberg's metadata table of that name."""
    found = getattr(peer.catalog.load_table(table).inspect, name)()
    return [{column: arrow_value(value) for column, value in row.items()} for row in found.to_pylist()]


def sql(peer, text):
    """A statement of Spark SQL."""
    frame = peer.spark.sql(text)
    return [dict(zip(frame.columns, map(spark_value, row))) for row in frame.collect()]


def arrow_value(value):
    if isinstance(value, dict):
        return {name: arrow_value(member) for name, member in value.items()}
    if isinstance(value, tuple):  # an entry of a map
        return {"key": arrow_value(value[0]), "value": arrow_value(value[1])}
    return [arrow_value(one) for one in value] if isinstance(value, list) else scalar(value)


def spark_value(value):
    if isinstance(value, tuple):  # a Row
        return {name: spark_value(member) for name, member in zip(value.__fields__, value)}
    if isinstance(value, dict):  # a map
        return [{"key": spark_value(key), "value": spark_value(item)} for key, item in value.items()]
    return [spark_value(one) for one in value] if isinstance(value, list) else scalar(value)


def scalar(value):
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return str((aware - EPOCH) // MICROSECOND)
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    if isinstance(value, datetime.time):
        since = datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
        return str(since // MICROSECOND + value.microsecond)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, (int, decimal.Decimal, uuid.UUID)):
        return str(value)
    raise TypeError(f"{type(value)} has no spelling")


def main():
    # Whatever else prints, Spark's Java process above all, goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = Peer(*sys.argv[1:])
    calls = {"tables": tables, "rows": rows, "sql": sql, "inspect": inspect}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            call = calls.get(request["call"]) or getattr(write_tables, request["call"])
            answer = {"result": call(peer, **request["args"])}
        except Exception:
            answer = {"error": traceback.format_exc()[-4000:]}
        print(json.dumps(answer), file=answers, flush=True)
    if "spark" in vars(peer):
        peer.spark.stop()


if __name__ == "__main__":
    main()
