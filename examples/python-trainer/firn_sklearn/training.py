"""From a TrainingRequest to a TrainedModel, its artifact written."""

import platform
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from firn_sklearn import THREADS, metrics
from firn_sklearn.artifact import write_artifact
from firn_sklearn.dataset import Table, load_table
from firn_sklearn.failure import Failure
from firn_sklearn.fit import fit, offsets
from firn_sklearn.folds import Fold, folds_of
from firn_sklearn.metrics import Metrics

# Of more rows an artifact does not say what was predicted.
MEASURED_ROWS_MAX = 100_000

Predictions = list[tuple[np.ndarray, np.ndarray]]


def train(request: dict[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """`note` hears what is being done, often, and may raise to stop it."""
    pin, dataset = request["pin"], request["dataset"]
    settings = pin["settings"]
    task = settings["task"]
    if "calibration" in settings:
        raise Failure(
            "invalid-input", "this trainer does not calibrate: leave the model's `calibration` out."
        )
    note("reading the data set")
    table = load_table(dataset, task)
    parts = _parts(table)
    seen = np.sort(np.concatenate([rows for name, rows in parts.items() if name != "test"]))
    folds = folds_of(table, seen, settings.get("validation"), task, pin["seed"])
    held: Predictions = []
    for fold in folds:
        fitted = fit(table, fold.training, pin, lambda: note(f"fold {fold.name}"))
        held.append((fold.held, fitted.predict(fold.held)))
    model = fit(table, parts["train"], pin, lambda: note("model"))
    said = {name: (rows, model.predict(rows)) for name, rows in parts.items()}
    note("measuring")
    found, of_folds = _measure(table, task, said, held)
    guesses = _guesses(table, settings, parts, folds)
    best = metrics.best(task, {name: guess for name, (guess, _) in guesses.items()})
    trained = {
        "metrics": found,
        "baseline": guesses[best][0],
        "baselineName": best,
        "baselines": {name: guess for name, (guess, _) in guesses.items()},
        "folds": [
            {"fold": fold.name, "rows": len(fold.held), "metrics": own, "baseline": guess}
            for fold, own, guess in zip(folds, of_folds, guesses[best][1])
        ],
        "environment": environment(),
        "curve": [],
    }
    measured = _measured(table, said.get("test"), held)
    return write_artifact(request, model, trained, measured)


def environment() -> dict[str, Any]:
    """Everything that weights may depend on besides data, seed and definition."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    libraries = {name: version(name) for name in ("scikit-learn", "numpy", "scipy")}
    return {
        "backend": "scikit-learn",
        "libraries": {
            "python": platform.python_version(),
            **libraries,
            "firn_sklearn": sha256(sources).hexdigest()[:12],
        },
        "platform": f"{sys.platform}-{platform.machine()}",
        "cpu": _cpu(),
        "threads": THREADS,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _parts(table: Table) -> dict[str, np.ndarray]:
    if table.splits is None:
        return {"train": np.arange(table.rows)}
    return {name: np.flatnonzero(table.splits == name) for name in ("train", "val", "test")}


def _measure(
    table: Table, task: str, said: dict[str, tuple[np.ndarray, np.ndarray]], held: Predictions
) -> tuple[Metrics, list[Metrics]]:
    """All metrics, and those of each fold."""

    def worth(rows: np.ndarray, predictions: np.ndarray) -> Metrics:
        return metrics.measure(task, table.labels[rows], predictions, len(table.classes))

    folds = [worth(rows, predictions) for rows, predictions in held]
    splits = {
        f"{split}/{name}": value
        for split, (rows, predictions) in said.items()
        for name, value in worth(rows, predictions).items()
    }
    return {**splits, **metrics.over_folds(folds)}, folds


def _guesses(
    table: Table, settings: dict[str, Any], parts: dict[str, np.ndarray], folds: list[Fold]
) -> dict[str, tuple[Metrics, list[Metrics]]]:
    """What guessing without a model is worth, measured alike: its metrics, and those of each fold."""
    task, labels, classes = settings["task"], table.labels, len(table.classes)

    def constant(value: Callable[[np.ndarray], Any]) -> Callable[..., np.ndarray]:
        return lambda training, rows: np.array([value(labels[training])] * len(rows))

    def column(name: str) -> Callable[..., np.ndarray]:
        return lambda training, rows: offsets(table, name)[rows]

    if task == "binary-classification":
        guesses = {"share of positives": constant(np.mean)}
    elif task == "multiclass-classification":
        shares = lambda own: np.bincount(own.astype(int), minlength=classes) / len(own)
        guesses = {"share of each class": constant(shares)}
    else:
        guesses = {"mean": constant(np.mean), "median": constant(np.median)}
        if "offset" in settings:
            guesses[f"{settings['offset']} alone"] = column(settings["offset"])
    return {
        name: _measure(
            table,
            task,
            {split: (rows, guess(parts["train"], rows)) for split, rows in parts.items()},
            [(fold.held, guess(fold.training, fold.held)) for fold in folds],
        )
        for name, guess in guesses.items()
    }


def _measured(
    table: Table, tested: tuple[np.ndarray, np.ndarray] | None, held: Predictions
) -> dict[str, Any] | None:
    """What the model said of the test rows; without a split, the folds' models of those held out."""
    of = [tested] if tested is not None else held
    if not of or not 0 < sum(len(rows) for rows, _ in of) <= MEASURED_ROWS_MAX:
        return None
    rows = np.concatenate([rows for rows, _ in of])
    return {
        "on": "test" if tested is not None else "cv",
        "entities": [table.entities[row] for row in rows],
        "labels": table.labels[rows].tolist(),
        "predictions": np.concatenate([said.ravel() for _, said in of]).tolist(),
    }
