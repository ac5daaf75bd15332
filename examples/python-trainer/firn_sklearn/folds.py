"""Cross-validation, by the model's `validation`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from firn_sklearn.dataset import Table, utf16
from firn_sklearn.failure import Failure


@dataclass(frozen=True)
class Fold:
    name: str
    training: np.ndarray
    held: np.ndarray


def folds_of(
    table: Table, rows: np.ndarray, validation: dict[str, Any] | None, task: str, seed: int
) -> list[Fold]:
    """Each of the rows is held out once; rows of one group (else of one entity) always together."""
    if validation is None:
        return []
    groups = np.array([table.groups[row] for row in rows], object)
    if validation["kind"] == "leave-one-group-out":
        names = sorted(set(groups), key=utf16)
        if len(names) < 2:
            raise Failure(
                "training-failed", f"all rows are of the group {names}: two are needed, to hold one out."
            )
        return [Fold(name, rows[groups != name], rows[groups == name]) for name in names]
    units = np.array([table.groups[row] or table.entities[row] for row in rows], object)
    single = len(set(units)) == len(units)
    kind = GroupKFold if not single else KFold if task == "regression" else StratifiedKFold
    try:
        parts = kind(validation["folds"], shuffle=True, random_state=seed % 2**32).split(
            rows, table.labels[rows], units
        )
        return [
            Fold(f"fold {at}", rows[training], rows[held]) for at, (training, held) in enumerate(parts, 1)
        ]
    except ValueError as error:
        raise Failure("training-failed", f"{validation['folds']} folds: {error}") from error
