"""What predictions are worth, under Firn's names; what is undefined on the rows is left out."""

import numpy as np
from sklearn import metrics as sk

Metrics = dict[str, float]

PRIMARY = {
    "binary-classification": "roc_auc",
    "multiclass-classification": "log_loss",
    "regression": "mae",
}
_LOWER_IS_BETTER = {"log_loss", "brier", "mae", "rmse"}


def measure(task: str, labels: np.ndarray, predictions: np.ndarray, classes: int) -> Metrics:
    if len(labels) == 0:
        return {}
    if task == "regression":
        found = _regression(labels, predictions)
    elif task == "binary-classification":
        found = _binary(labels, predictions)
    else:
        found = _multiclass(labels, predictions, classes)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def over_folds(folds: list[Metrics]) -> Metrics:
    """`cv_<metric>_mean` and `_std`; ROC AUC is `cv_auc_...`. `_undefined`: in how many folds it is, where in any."""
    found: Metrics = {}
    for name in dict.fromkeys(name for fold in folds for name in fold):
        values = [fold[name] for fold in folds if name in fold]
        key = "cv_auc" if name == "roc_auc" else f"cv_{name}"
        found[f"{key}_mean"] = float(np.mean(values))
        found[f"{key}_std"] = float(np.std(values))
        if len(values) < len(folds):
            found[f"{key}_undefined"] = len(folds) - len(values)
    return found


def best(task: str, candidates: dict[str, Metrics]) -> str:
    """The name of the guess that is best where the model is measured: test, else validation, folds, training."""
    name = PRIMARY[task]
    fold_name = "cv_auc_mean" if name == "roc_auc" else f"cv_{name}_mean"
    for key in [f"test/{name}", f"val/{name}", fold_name, f"train/{name}"]:
        known = {guess: found[key] for guess, found in candidates.items() if key in found}
        if known:
            return (min if name in _LOWER_IS_BETTER else max)(known, key=known.__getitem__)
    return next(iter(candidates))


def _binary(labels: np.ndarray, scores: np.ndarray) -> Metrics:
    said = scores >= 0.5
    positives = int(labels.sum())
    undefined = {"zero_division": np.nan}
    return {
        "accuracy": sk.accuracy_score(labels, said),
        "precision": sk.precision_score(labels, said, **undefined),
        "recall": sk.recall_score(labels, said, **undefined),
        "f1": sk.f1_score(labels, said, **undefined),
        "roc_auc": sk.roc_auc_score(labels, scores) if 0 < positives < len(labels) else np.nan,
        "pr_auc": sk.average_precision_score(labels, scores) if positives else np.nan,
        "log_loss": sk.log_loss(labels, scores, labels=[0, 1]),
        "brier": np.mean((scores - labels) ** 2),
    }


def _multiclass(labels: np.ndarray, probabilities: np.ndarray, classes: int) -> Metrics:
    said = probabilities.argmax(axis=1)
    return {
        "accuracy": sk.accuracy_score(labels, said),
        "f1_macro": sk.f1_score(labels, said, average="macro", zero_division=0),
        "log_loss": sk.log_loss(labels, probabilities, labels=range(classes)),
    }


def _regression(labels: np.ndarray, values: np.ndarray) -> Metrics:
    return {
        "mae": sk.mean_absolute_error(labels, values),
        "rmse": sk.root_mean_squared_error(labels, values),
        "r2": sk.r2_score(labels, values) if np.ptp(labels) > 0 else np.nan,
    }
