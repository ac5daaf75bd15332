"""PyIceberg and Spark on the same catalogs, for test/peers: obeys JSON lines on stdin, answers each with one on stdout.

usage: peer.py CATALOGS [SPARK]
Both are JSON. CATALOGS: by name {"db": …, "warehouse": …} or {"uri": …}, each with "s3": {"endpoint", "key", "secret"} or
without; SPARK: settings of its session, its jars among them.
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
    def __init__(self, catalogs, spark="{}"):
        self.catalogs, self.spark_settings = json.loads(catalogs), json.loads(spark)
        self.opened = {}

    @property
    def catalog(self):
        return self.open("firn")

    def open(self, name):
        """PyIceberg's catalog of that name."""
        if name not in self.opened:
            from pyiceberg.catalog.rest import RestCatalog
            from pyiceberg.catalog.sql import SqlCatalog

            given = self.catalogs[name]
            s3 = given.get("s3")
            storage = {} if s3 is None else {
                "s3.endpoint": s3["endpoint"], "s3.region": "us-east-1",
                "s3.access-key-id": s3["key"], "s3.secret-access-key": s3["secret"],
            }  # fmt: skip
            if "uri" in given:
                self.opened[name] = RestCatalog(name, uri=given["uri"], **storage)
            else:
                uri = f"sqlite:///{given['db']}"
                self.opened[name] = SqlCatalog(name, uri=uri, warehouse=given["warehouse"], **storage)
        return self.opened[name]

    @cached_property
    def spark(self):
        from pyspark.sql import SparkSession

        builder = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.memory", "1g")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        )
        for key, value in self.spark_settings.items():
            builder = builder.config(key, value)
        for name, given in self.catalogs.items():
            for key, value in settings_of(given).items():
                builder = builder.config(f"spark.sql.catalog.{name}{key}", value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        return session


def settings_of(given):
    settings = {"": "org.apache.iceberg.spark.SparkCatalog", ".cache-enabled": "false"}
    if "uri" in given:
        settings |= {".type": "rest", ".uri": given["uri"]}
    else:
        settings |= {
            ".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            ".uri": f"jdbc:sqlite:{given['db']}",
            ".jdbc.schema-version": "V1",
            # Else it leaves a query open, and with it sees this moment of the database for as long as it runs.
            ".jdbc.init-catalog-tables": "false",
            ".warehouse": given["warehouse"],
        }
    if (s3 := given.get("s3")) is not None:
        settings |= {
            ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            ".client.region": "us-east-1",
            ".s3.endpoint": s3["endpoint"],
            ".s3.path-style-access": "true",
            ".s3.access-key-id": s3["key"],
            ".s3.secret-access-key": s3["secret"],
        }
    return settings


def tables(peer, reader):
    """Every table as `namespace.table`."""
    if reader == "pyiceberg":
        return [".".join(name) for space in peer.catalog.list_namespaces() for name in peer.catalog.list_tables(space)]
    spaces = [space for (space,) in peer.spark.sql("SHOW NAMESPACES IN firn").collect()]
    return [f"{s}.{row.tableName}" for s in spaces for row in peer.spark.sql(f"SHOW TABLES IN firn.{s}").collect()]


def rows(peer, reader, table, at=None, where=None, catalog="firn"):
    """Rows at a tag, a branch or a snapshot id (head without); `where` is a filter that both readers understand."""
    if reader == "pyiceberg":
        loaded = peer.open(catalog).load_table(table)
        ref = None if at is None else loaded.metadata.refs.get(at)
        snapshot = None if at is None else ref.snapshot_id if ref else int(at)
        scan = loaded.scan(snapshot_id=snapshot, **({} if where is None else {"row_filter": where}))
        return [{name: arrow_value(value) for name, value in row.items()} for row in scan.to_arrow().to_pylist()]
    version = "" if at is None else f" VERSION AS OF {at if at.isdigit() else repr(at)}"
    return sql(peer, f"SELECT * FROM {catalog}.{table}{version}" + ("" if where is None else f" WHERE {where}"))


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
        except Exception as error:
            # Java's come with what they say first, and a long stack.
            answer = {"error": f"{str(error)[:1500]}\n…{traceback.format_exc()[-2500:]}"}
        print(json.dumps(answer), file=answers, flush=True)
    if "spark" in vars(peer):
        peer.spark.stop()


if __name__ == "__main__":
    main()
