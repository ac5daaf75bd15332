"""One fit: preprocessing and estimator from training rows alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from firn_sklearn.dataset import Table
from firn_sklearn.estimators import Estimator, kind_of
from firn_sklearn.failure import Failure
from firn_sklearn.preprocessing import Preprocessing


@dataclass(frozen=True)
class Fitted:
    preprocessing: Preprocessing
    estimator: Estimator
    offset: str | None
    table: Table
    # The table without the offset and what is for baselines only.
    inputs: Table

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Of any rows of the table."""
        said = self.estimator.predict(self.preprocessing.apply(self.inputs, rows))
        return said if self.offset is None else said + offsets(self.table, self.offset)[rows]


def fit(table: Table, rows: np.ndarray, pin: dict[str, Any], go_on: Callable[[], None]) -> Fitted:
    definition, settings = pin["definition"], pin["settings"]
    task, offset = settings["task"], settings.get("offset")
    labels = table.labels if offset is None else table.labels - offsets(table, offset)
    found = np.unique(labels[rows])
    if len(rows) == 0 or (task != "regression" and len(found) < 2):
        raise Failure(
            "training-failed",
            f"{len(rows)} training rows have {len(found)} different labels, and two are needed: train on more data, "
            "or hold out less at a time.",
        )
    kind = kind_of(definition, task)
    hidden = {offset, *settings.get("baselineOnly", [])}
    inputs = replace(table, columns=[c for c in table.columns if c.name not in hidden])
    preprocessing = Preprocessing(inputs, rows, kind)
    weights = _balanced(labels[rows]) if settings.get("classWeights") == "balanced" else None
    parameters = definition.get("parameters", {})
    estimator = Estimator(kind, task, len(table.classes), parameters, pin["seed"])
    estimator.fit(preprocessing.apply(inputs, rows), labels[rows], weights, go_on)
    return Fitted(preprocessing, estimator, offset, table, inputs)


def offsets(table: Table, name: str) -> np.ndarray:
    values = table.column(name).values
    missing = int(np.isnan(values).sum())
    if missing:
        raise Failure("training-failed", f"offset {name} is missing in {missing} of {table.rows} rows.")
    return values


def _balanced(labels: np.ndarray) -> np.ndarray:
    """Inverse to how frequent a row's class is, 1 on average."""
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return len(labels) / (len(counts) * counts[index])
