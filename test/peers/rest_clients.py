"""PyIceberg and Spark as clients of a REST catalog, for rest-clients.test.ts: prints what each saw as JSON.

usage: rest_clients.py URI TOKEN [JARS]
"""

import json
import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def pyiceberg(uri, token):
    """Creates, appends, evolves, deletes, renames; leaves lab.runs with two rows."""
    import pyarrow as pa
    from pyiceberg.catalog.rest import RestCatalog
    from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchTableError, TableAlreadyExistsError
    from pyiceberg.types import StringType

    catalog = RestCatalog("firn", uri=uri, token=token)
    catalog.create_namespace("lab", {"owner": "py"})
    catalog.update_namespace_properties("lab", removals={"owner"}, updates={"comment": "x"})
    rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "energy": pa.array([0.5, None, -1.5], pa.float64())})
    table = catalog.create_table("lab.first", rows.schema)
    table.append(rows)
    with table.update_schema() as update:
        update.add_column("basis", StringType())
    table.append(pa.table({"id": [4], "energy": [2.5], "basis": ["sto3g"]}))
    table.delete("id = 2")
    with table.transaction() as transaction:
        transaction.set_properties(owner="py")
        transaction.delete("id = 3")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "v_1").commit()
    catalog.rename_table("lab.first", "lab.runs")
    errors = []
    for call in (
        lambda: catalog.create_table("lab.runs", rows.schema),
        lambda: catalog.load_table("lab.first"),
        lambda: catalog.drop_namespace("lab"),
    ):
        try:
            call()
        except (NamespaceNotEmptyError, NoSuchTableError, TableAlreadyExistsError) as error:
            errors.append(type(error).__name__)
    loaded = catalog.load_table("lab.runs")
    return {
        "namespace": dict(catalog.load_namespace_properties("lab")),
        "rows": sorted(loaded.scan().to_arrow().to_pylist(), key=lambda row: row["id"]),
        "snapshot": str(loaded.current_snapshot().snapshot_id),
        "refs": sorted(loaded.metadata.refs),
        "errors": errors,
    }


def spark(uri, token, jars):
    """Reads PyIceberg's table, merges into it, replaces a table, makes a view."""
    from pyspark.sql import SparkSession

    prefix = "spark.sql.catalog.firn"
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config(prefix, "org.apache.iceberg.spark.SparkCatalog")
        .config(f"{prefix}.type", "rest")
        .config(f"{prefix}.uri", uri)
        .config(f"{prefix}.token", token)
        .config(f"{prefix}.cache-enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    session.sql("CREATE TABLE firn.lab.news USING iceberg AS SELECT 4L AS id, 9.5D AS energy UNION ALL SELECT 5L, 0D")
    session.sql(
        "MERGE INTO firn.lab.runs t USING firn.lab.news s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET energy = s.energy "
        "WHEN NOT MATCHED THEN INSERT (id, energy, basis) VALUES (s.id, s.energy, 'new')"
    )
    session.sql("CREATE OR REPLACE TABLE firn.lab.news USING iceberg AS SELECT 'replaced' AS text")
    session.sql("CREATE VIEW firn.lab.hot AS SELECT id FROM firn.lab.runs WHERE energy > 1")
    read = lambda text: [list(row) for row in session.sql(text).collect()]
    return {
        "rows": read("SELECT id, energy, basis FROM firn.lab.runs ORDER BY id"),
        "at": read("SELECT id FROM firn.lab.runs VERSION AS OF 'v_1' ORDER BY id"),
        "news": read("SELECT * FROM firn.lab.news"),
        "view": read("SELECT * FROM firn.lab.hot"),
        "views": [row.viewName for row in session.sql("SHOW VIEWS IN firn.lab").collect()],
    }


uri, token, *jars = sys.argv[1:]
result = {"pyiceberg": pyiceberg(uri, token)}
if jars:
    result["spark"] = spark(uri, token, *jars)
print(json.dumps(result), file=answers, flush=True)
