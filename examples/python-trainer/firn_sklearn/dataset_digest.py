"""The digests of a data set, by their definition in docs/datasets.md."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from firn_sklearn.failure import Failure

Columns = Sequence[tuple[str, str]]

# Tag, and bytes of a value (0: see `_values`).
_TYPES = {
    "boolean": (1, 0),
    "int": (2, 4),
    "date": (3, 4),
    "long": (4, 8),
    "time": (5, 8),
    "timestamp": (6, 8),
    "timestamptz": (7, 8),
    "timestamp_ns": (8, 8),
    "timestamptz_ns": (9, 8),
    "float": (10, 4),
    "double": (11, 8),
    "string": (12, 0),
    "binary": (13, 0),
    "fixed": (14, 0),
    "uuid": (15, 16),
    "decimal": (16, 16),
    "list": (17, 0),
}
_NAN = {"float": ("<f4", "<u4", 0x7FC00000), "double": ("<f8", "<u8", 0x7FF8000000000000)}


def dataset_digests(columns: Columns, batches: Iterable[pa.RecordBatch]) -> tuple[str, str]:
    """`digest` (the rows as a multiset) and `orderedDigest` of all rows of these columns."""
    header = json.dumps(list(columns), ensure_ascii=False, separators=(",", ":"))
    ordered = hashlib.sha256(f"firn-dataset-1\nordered\n{header}\n".encode())
    total, rows = 0, 0
    for batch in batches:
        for row in zip(*(_encode(batch.column(name), text) for name, text in columns)):
            row_hash = hashlib.sha256(b"".join(row)).digest()
            ordered.update(row_hash)
            total += int.from_bytes(row_hash, "little")
        rows += batch.num_rows
    multiset = hashlib.sha256(f"firn-dataset-1\nmultiset\n{header}\n{rows}\n".encode())
    multiset.update((total % 2**256).to_bytes(32, "little"))
    return multiset.hexdigest(), ordered.hexdigest()


def _encode(array: pa.Array, text: str) -> list[bytes]:
    """The bytes of each value: 00 for null, else the type's tag and the value."""
    name = re.match(r"[a-z_]*", text).group()
    if name not in _TYPES:
        raise Failure("contract-broken", f"data sets have no columns of type {text}")
    tag, width = _TYPES[name]
    mark = bytes([tag])
    values = _fixed(array, name, width) if width else _values(array, name, text)
    valid = array.is_valid().to_pylist()
    return [mark + value if ok else b"\0" for ok, value in zip(valid, values)]


def _fixed(array: pa.Array, name: str, width: int) -> list[bytes]:
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return [b""] * len(array)
    data = bytes(buffer)[array.offset * width : (array.offset + len(array)) * width]
    if name in _NAN:
        floats, words, nan = _NAN[name]
        numbers = np.frombuffer(data, floats)
        data = np.where(np.isnan(numbers), nan, np.frombuffer(data, words)).astype(words).tobytes()
    return [data[at : at + width] for at in range(0, len(data), width)]


def _values(array: pa.Array, name: str, text: str) -> list[bytes]:
    if name == "boolean":
        return [b"\1" if value else b"\0" for value in array.to_pylist()]
    if name == "list":
        elements = _encode(array.values, text[len("list<") : -1])
        offsets = array.offsets.to_pylist()
        return [
            (end - start).to_bytes(4, "little") + b"".join(elements[start:end])
            for start, end in zip(offsets, offsets[1:])
        ]
    texts = (array.cast(pa.binary()) if name == "string" else array).to_pylist()
    return [len(value or b"").to_bytes(4, "little") + (value or b"") for value in texts]
