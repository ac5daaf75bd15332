"""Prints every row of every table of a Firn lake as JSON lines, read by PyIceberg or by Spark, for test/peers.

usage: read_tables.py pyiceberg|spark CATALOG_DB WAREHOUSE TAG [JARS]
Rows at TAG are printed for tables that have it, else the newest. Values: timestamps in µs, dates in days, 64-bit as text.
"""

import datetime
import json
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return str((aware - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def emit(table, at, columns, rows):
    for row in rows:
        print(json.dumps({"table": table, "at": at, "row": {c: plain(v) for c, v in zip(columns, row)}}))
    print(json.dumps({"table": table, "at": at, "done": True}))


def pyiceberg(db, warehouse, tag):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("firn", uri=f"sqlite:///{db}", warehouse=warehouse)
    for namespace in catalog.list_namespaces():
        for identifier in catalog.list_tables(namespace):
            table = catalog.load_table(identifier)
            name = ".".join(identifier)
            refs = table.refs()
            for at in ["head"] + ([tag] if tag in refs else []):
                scan = table.scan() if at == "head" else table.scan(snapshot_id=refs[at].snapshot_id)
                arrow = scan.to_arrow()
                columns = arrow.schema.names
                emit(name, at, columns, (tuple(r[c] for c in columns) for r in arrow.to_pylist()))


def spark(db, warehouse, tag, jars):
    from pyspark.sql import SparkSession

    prefix = "spark.sql.catalog.firn"
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config(prefix, "org.apache.iceberg.spark.SparkCatalog")
        .config(f"{prefix}.catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog")
        .config(f"{prefix}.uri", f"jdbc:sqlite:{db}")
        .config(f"{prefix}.jdbc.schema-version", "V1")
        .config(f"{prefix}.warehouse", warehouse)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for (namespace,) in session.sql("SHOW NAMESPACES IN firn").collect():
        for row in session.sql(f"SHOW TABLES IN firn.{namespace}").collect():
            name = f"{namespace}.{row.tableName}"
            refs = [r.name for r in session.sql(f"SELECT name FROM firn.{name}.refs").collect()]
            for at in ["head"] + ([tag] if tag in refs else []):
                version = "" if at == "head" else f" VERSION AS OF '{at}'"
                frame = session.sql(f"SELECT * FROM firn.{name}{version}")
                emit(name, at, frame.columns, frame.toLocalIterator())
    session.stop()


if __name__ == "__main__":
    {"pyiceberg": pyiceberg, "spark": spark}[sys.argv[1]](*sys.argv[2:])
