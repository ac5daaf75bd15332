"""A data set's Arrow file as columns in memory, once its rows have proved to be the announced ones."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from firn_sklearn.dataset_digest import dataset_digests
from firn_sklearn.failure import Failure

FEATURE = "f:"


@dataclass(frozen=True)
class Column:
    """A feature: float64 with NaN where there is no number, or texts (`object`) with None."""

    name: str
    kind: str
    values: np.ndarray


@dataclass(frozen=True)
class Table:
    """By row, in the data set's order."""

    entities: list[str]
    groups: list[str]
    splits: np.ndarray | None
    # 0 and 1, the index in `classes`, or the value.
    labels: np.ndarray
    classes: list[str]
    columns: list[Column]

    @property
    def rows(self) -> int:
        return len(self.entities)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def local_path(location: str) -> Path:
    """The path of a `file://` location; anything else is told."""
    if not location.startswith("file:///"):
        raise Failure(
            "config",
            f"the warehouse is at {location.split('/_scratch')[0]}, and this trainer reads and writes local "
            "files only: give Firn a warehouse in a folder that both see (FIRN_WAREHOUSE=file:///...).",
        )
    return Path(location.removeprefix("file://"))


def load_table(dataset: dict[str, Any], task: str) -> Table:
    """The announced data set; `contract-broken` where the file holds other rows."""
    path = local_path(dataset["location"])
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            footer = json.loads((file.schema.metadata or {})[b"firn.dataset"])
            batches = [file.get_batch(at) for at in range(file.num_record_batches)]
            types = [(name, text) for name, text in footer["columns"]]
            digests = dataset_digests(types, batches)
            wanted = (dataset["digest"], dataset["orderedDigest"])
            if digests != wanted:
                raise Failure(
                    "contract-broken",
                    f"{path} holds rows with the digests {digests}, not {wanted}: it was changed. "
                    "Remove it and train again.",
                )
            return _table(pa.Table.from_batches(batches, file.schema), types, task)
    except FileNotFoundError as error:
        raise Failure(
            "config",
            f"{path} is not there: this worker has to see the warehouse's folder under the same path.",
        ) from error
    except (KeyError, pa.ArrowInvalid) as error:
        raise Failure("contract-broken", f"{path} is no data set: {error}.") from error


def _table(arrow: pa.Table, types: list[tuple[str, str]], task: str) -> Table:
    splits = _splits(arrow.column("split").to_pylist())
    labels, classes = _labels(arrow.column("label").to_pylist(), task)
    return Table(
        entities=arrow.column("entity").to_pylist(),
        groups=[group or "" for group in arrow.column("group").to_pylist()],
        splits=splits,
        labels=labels,
        classes=classes,
        columns=[
            _feature(name.removeprefix(FEATURE), text, arrow.column(name))
            for name, text in types
            if name.startswith(FEATURE)
        ],
    )


def _splits(names: list[str | None]) -> np.ndarray | None:
    if all(name is None for name in names):
        return None
    missing = sum(name not in ("train", "val", "test") for name in names)
    if missing:
        raise Failure(
            "training-failed", f"{missing} of {len(names)} rows have no split: extend it, then train again."
        )
    return np.array(names)


def _labels(values: list[Any], task: str) -> tuple[np.ndarray, list[str]]:
    missing = sum(value is None for value in values)
    if missing:
        raise Failure("training-failed", f"{missing} of {len(values)} rows have no label.")
    if task != "multiclass-classification":
        return np.array(values, float), [] if task == "regression" else ["0", "1"]
    classes = sorted(set(values), key=utf16)
    index = {name: at for at, name in enumerate(classes)}
    return np.array([index[value] for value in values], float), classes


def _feature(name: str, text: str, column: pa.ChunkedArray) -> Column:
    if text == "string":
        return Column(name, "category", np.array(column.to_pylist(), object))
    if text == "uuid":
        texts = [None if v is None else str(uuid.UUID(bytes=v)) for v in column.to_pylist()]
        return Column(name, "category", np.array(texts, object))
    if text.startswith(("list", "binary", "fixed")):
        raise Failure(
            "invalid-input",
            f"feature {name} is {text}, and this trainer takes numbers and categories: "
            "use a feature service without it.",
        )
    if text.startswith("decimal"):
        numbers = [None if v is None else float(v) for v in column.to_pylist()]
    elif text in ("boolean", "int", "long", "float", "double"):
        numbers = column.to_pylist()
    else:
        numbers = column.cast(pa.int32() if text == "date" else pa.int64()).to_pylist()
    values = np.array([np.nan if v is None else float(v) for v in numbers], float)
    return Column(name, "number", np.where(np.isfinite(values), values, np.nan))


def utf16(text: str) -> bytes:
    """Orders texts as Firn does."""
    return text.encode("utf-16-be", "surrogatepass")
