"""Tables that PyIceberg writes for test/peers, to be read by Firn."""

import datetime
import decimal
import uuid

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)
from sqlalchemy.exc import OperationalError

UTC = datetime.timezone.utc


def pyiceberg_types(peer, table):
    """Every type of v2, nested ones too, with nulls in all optional columns."""
    fields = [
        LongType(), IntegerType(), BooleanType(), FloatType(), DoubleType(), DecimalType(20, 4), DateType(),
        TimeType(), TimestampType(), TimestamptzType(), StringType(), UUIDType(), BinaryType(), FixedType(3),
        ListType(20, DoubleType(), element_required=False),
        MapType(21, StringType(), 22, LongType(), value_required=False),
        StructType(NestedField(23, "x", DoubleType()), NestedField(24, "of", ListType(25, StringType()))),
    ]
    schema = Schema(*[NestedField(at + 1, f"c{at}", type, required=at == 0) for at, type in enumerate(fields)])
    created = peer.catalog.create_table(table, schema)
    instant = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)
    values = [
        -(2**63), -(2**31), True, 1.5, float("nan"), decimal.Decimal("-1234567890123456.0001"), datetime.date(1582, 10, 15),
        datetime.time(23, 59, 59, 999999), instant, instant.replace(tzinfo=UTC), "ö😀", uuid.UUID(int=7).bytes,
        b"\x00\xff", b"abc", [0.1, None, -0.0], [("a", 2**53 + 1), ("", None)], {"x": None, "of": ["", "y"]},
    ]
    rows = [values, [2**63 - 1] + [None] * (len(values) - 1)]
    arrow = created.schema().as_arrow()
    created.append(pa.table([pa.array(column, type=field.type) for column, field in zip(zip(*rows), arrow)], schema=arrow))


def pyiceberg_history(peer, table, version, catalog="firn"):
    """Appends, an overwrite, a delete, renamed, added and promoted columns, and a partition spec that changes twice."""
    schema = Schema(
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "kind", StringType()),
        NestedField(3, "day", TimestamptzType()),
        NestedField(4, "n", IntegerType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "kind"), PartitionField(3, 1001, DayTransform(), "day_day")
    )
    properties = {"format-version": version}
    if catalog == "s3":
        # The other layout of keys: without partition values.
        properties |= {"write.object-storage.enabled": "true", "write.object-storage.partitioned-paths": "false"}
    created = peer.open(catalog).create_table(table, schema, partition_spec=spec, properties=properties)

    def batch(first, **extra):
        kinds = [None, "", "a", "a/b=c %?#", "ö"]
        count = 12
        columns = {
            "id": [first + i for i in range(count)],
            "kind": [kinds[i % len(kinds)] for i in range(count)],
            "day": [None if i % 4 == 3 else datetime.datetime(1969 + i % 3, 12, 31, 23, tzinfo=UTC) for i in range(count)],
            "n": [None if i % 5 == 4 else i for i in range(count)],
        }
        columns |= {name: [value] * count for name, value in extra.items()}
        arrow = created.schema().as_arrow()
        columns |= {"number": columns["n"], "sort": columns["kind"]}
        return pa.table([pa.array(columns[field.name], type=field.type) for field in arrow], schema=arrow)

    created.append(batch(0))
    created.append(batch(100))
    created.manage_snapshots().create_tag(created.current_snapshot().snapshot_id, "two").commit()
    created.overwrite(batch(200), overwrite_filter=EqualTo("kind", "a"))
    with created.update_schema() as update:
        update.rename_column("n", "number")
    with created.update_schema() as update:
        update.update_column("number", LongType())
        update.add_column("note", StringType())
    created.append(batch(300, note="late"))
    with created.update_spec() as update:
        update.add_field("id", BucketTransform(4), "id_bucket")
    created.append(batch(400, note=""))
    with created.update_spec() as update:
        update.remove_field("day_day")
    with created.update_schema() as update:
        update.rename_column("kind", "sort")
    created.append(batch(500, note=None))
    created.delete(GreaterThanOrEqual("number", 9))
    with created.update_schema() as update:
        update.delete_column("note")
        update.add_column("note", IntegerType())
    created.append(batch(600, note=7))


def pyiceberg_upgrade(peer, table):
    with peer.catalog.load_table(table).transaction() as transaction:
        transaction.upgrade_table_version(format_version=2)


def pyiceberg_appends(peer, table, count, catalog="firn", start=0):
    """PyIceberg tries a commit that lost a few times itself; after that its users do."""
    for n in range(start, start + count):
        while True:
            try:
                loaded = peer.open(catalog).load_table(table)
                loaded.append(pa.table({"who": ["pyiceberg"], "n": pa.array([n], pa.int32())}, loaded.schema().as_arrow()))
                break
            except (CommitFailedException, OperationalError):
                pass


def spark_appends(peer, table, count, catalog="firn"):
    """As PyIceberg's. A database that is locked by another is no conflict to Java, so it gives up at once."""
    for n in range(count):
        while True:
            try:
                peer.spark.sql(f"INSERT INTO {catalog}.{table} VALUES ('spark', {n})")
                break
            except Exception as error:
                if not any(reason in str(error) for reason in ("CommitFailedException", "SQLITE_BUSY")):
                    raise
