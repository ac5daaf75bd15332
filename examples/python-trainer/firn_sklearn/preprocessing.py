"""Rows to a model's numbers, fitted on training rows only and written so that Firn does the same."""

import hashlib
from typing import Any

import numpy as np
import rfc8785

from firn_sklearn.dataset import Table, utf16
from firn_sklearn.failure import Failure

CLIP = 5.0
CATEGORIES_MAX = 1000


class Preprocessing:
    """Medians for missing numbers, for linear models standard scaling, and a 0/1 column a category."""

    def __init__(self, table: Table, rows: np.ndarray, kind: str) -> None:
        numbers = {c.name: c.values[rows] for c in table.columns if c.kind == "number"}
        categories = {c.name: c.values[rows] for c in table.columns if c.kind == "category"}
        self.kind = kind
        self.inputs = [{"name": c.name, "kind": c.kind} for c in table.columns]
        self.medians = {name: _median(values) for name, values in numbers.items()}
        self.scales: dict[str, tuple[float, float]] = {}
        if kind != "random-forest":
            self.scales = {name: _scale(name, self._filled(name, v)) for name, v in numbers.items()}
        self.categories = {name: _categories(name, values) for name, values in categories.items()}
        self.columns = [made for column in table.columns for made in self._names(column.name)]
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise Failure(
                "training-failed",
                f"preprocessing gives {len(self.columns)} columns, and needs some of unique names: rename features.",
            )

    def apply(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """[rows, columns], nothing missing."""
        return np.column_stack(
            [made for c in table.columns for made in self._numbers(c.name, c.values[rows])]
        )

    def to_json(self) -> dict[str, Any]:
        """Firn's FittedPreprocessing."""
        steps = [_step("impute", {"columns": [_of(n, value=v) for n, v in self.medians.items()]})]
        if self.kind != "random-forest":
            scaled = [_of(n, mean=mean, deviation=dev) for n, (mean, dev) in self.scales.items()]
            steps.append(_step("standard-scale", {"clip": CLIP, "columns": scaled}))
        encoded = [_of(n, categories=values) for n, values in self.categories.items()]
        steps.append(_step("one-hot", {"columns": encoded}))
        return {"kind": self.kind, "inputs": self.inputs, "steps": steps}

    def _names(self, name: str) -> list[str]:
        if name not in self.categories:
            return [name]
        return [f"{name}={category}" for category in self.categories[name]]

    def _numbers(self, name: str, values: np.ndarray) -> list[np.ndarray]:
        if name in self.categories:
            return [(values == category).astype(float) for category in self.categories[name]]
        filled = self._filled(name, values)
        if name not in self.scales:
            return [filled]
        mean, deviation = self.scales[name]
        return [np.clip((filled - mean) / deviation, -CLIP, CLIP)]

    def _filled(self, name: str, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), self.medians[name], values)


def _median(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    # 0 + x: -0 would not survive JSON.
    return 0.0 + float(np.median(there)) if len(there) else 0.0


def _scale(name: str, values: np.ndarray) -> tuple[float, float]:
    with np.errstate(over="ignore"):
        mean, variance = 0.0 + float(np.mean(values)), float(np.var(values))
    if not np.isfinite(variance):
        raise Failure("training-failed", f"feature {name} is too large to scale: divide it in its view.")
    rounding = len(values) * np.finfo(float).eps
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return mean, 1.0 if constant else variance**0.5


def _categories(name: str, values: np.ndarray) -> list[str]:
    categories = sorted({value for value in values if value is not None}, key=utf16)
    if len(categories) > CATEGORIES_MAX:
        raise Failure(
            "training-failed",
            f"feature {name} has {len(categories)} categories, and one-hot takes at most {CATEGORIES_MAX}: "
            "leave it out of the feature service.",
        )
    return categories


def _of(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, **parameters}


def _step(step: str, parameters: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(rfc8785.dumps(parameters)).hexdigest()
    return {"step": step, "version": 1, "parameters": parameters, "digest": digest}
