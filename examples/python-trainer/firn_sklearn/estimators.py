"""scikit-learn's estimators, and their bytes as docs/model-format.md has them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from firn_sklearn.failure import Failure

# Parameter of the definition -> scikit-learn's, by kind.
_PARAMETERS = {
    "random-forest": {
        "trees": "n_estimators",
        "maxDepth": "max_depth",
        "minSamplesLeaf": "min_samples_leaf",
        "columnSample": "max_features",
    },
    "logistic": {"l2": "C", "maxIterations": "max_iter"},
    "ridge": {"l2": "alpha"},
}
# Trees between two looks at whether to go on.
_TREES_AT_ONCE = 10


def kind_of(definition: dict[str, Any], task: str) -> str:
    """Which of Firn's kinds the model is stored as; `invalid-input` where the definition does not fit."""
    if "preprocessing" in definition:
        raise Failure(
            "invalid-input",
            "this trainer has a preprocessing of its own (medians, scaling, one-hot): leave `preprocessing` out.",
        )
    parameters = definition.get("parameters", {})
    kind = parameters.get("model", "random-forest")
    fitting = ["random-forest", "ridge" if task == "regression" else "logistic"]
    if kind not in fitting:
        raise Failure(
            "invalid-input",
            f"parameters.model is {kind!r}; for a {task} this trainer has {', '.join(fitting)}.",
        )
    unknown = sorted(set(parameters) - {"model", *_PARAMETERS[kind]})
    if unknown:
        raise Failure(
            "invalid-input",
            f"{kind} has no parameters {', '.join(unknown)}; it has {', '.join(_PARAMETERS[kind])}.",
        )
    return kind


class Estimator:
    """Fitted to numbers; one seed and one thread, so that equal inputs give equal bytes."""

    def __init__(self, kind: str, task: str, classes: int, parameters: dict[str, Any], seed: int) -> None:
        self.kind, self.task, self.classes = kind, task, classes
        given = {_PARAMETERS[kind][name]: value for name, value in parameters.items() if name != "model"}
        if kind == "logistic":
            # scikit-learn's C is the inverse, and without a penalty infinite.
            l2 = given.pop("C", 1)
            inverse = 1 / l2 if l2 > 0 else np.inf
            self.model: Any = LogisticRegression(C=inverse, tol=1e-10, **{"max_iter": 10_000, **given})
        elif kind == "ridge":
            self.model = Ridge(solver="cholesky", **given)
        else:
            forest = RandomForestRegressor if task == "regression" else RandomForestClassifier
            self.model = forest(random_state=seed % 2**32, n_jobs=1, **given)

    def fit(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, go_on: Callable[[], None]
    ) -> None:
        """`go_on` is asked now and then, and raises to stop the fit."""
        go_on()
        try:
            if self.kind == "random-forest":
                self._grow(x, y, weights, go_on)
            else:
                self.model.fit(x, y, sample_weight=weights)
        except (ValueError, TypeError) as error:
            raise Failure("training-failed", f"scikit-learn: {error}") from error
        go_on()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Values, probabilities of class 1, or [rows, classes] probabilities."""
        if self.task == "regression":
            return np.asarray(self.model.predict(x), float)
        probabilities = self._by_class(self.model.predict_proba(x))
        return probabilities[:, 1] if self.task == "binary-classification" else probabilities

    def store(self, columns: list[str]) -> tuple[dict[str, Any], bytes]:
        """Header and weights."""
        outputs = self.classes if self.task == "multiclass-classification" else 1
        header = {"task": self.task, "columns": columns, "outputs": outputs}
        if self.kind == "random-forest":
            return self._store_trees(header)
        return {"format": "firn-linear-1", **header}, self._linear_weights(outputs)

    def importance(self, columns: list[str]) -> dict[str, float] | None:
        shares = getattr(self.model, "feature_importances_", None)
        return None if shares is None else dict(zip(columns, shares.tolist()))

    def _grow(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, go_on: Callable[[], None]
    ) -> None:
        """A few trees at a time; the seeds are drawn as if for all at once."""
        wanted = self.model.n_estimators
        self.model.set_params(warm_start=True)
        for trees in [*range(_TREES_AT_ONCE, wanted, _TREES_AT_ONCE), wanted]:
            self.model.set_params(n_estimators=trees).fit(x, y, sample_weight=weights)
            go_on()

    def _by_class(self, known: np.ndarray) -> np.ndarray:
        """Columns for all classes, also those that no training row had."""
        every = np.zeros((len(known), self.classes))
        every[:, self.model.classes_.astype(int)] = known
        return every

    def _linear_weights(self, outputs: int) -> bytes:
        """For each output the coefficients, then the intercept."""
        coefficients = np.atleast_2d(self.model.coef_)
        own = np.column_stack([coefficients, np.broadcast_to(self.model.intercept_, len(coefficients))])
        if len(own) == outputs:
            return own.astype("<f8").tobytes()
        # A class that no training row had is never the answer; of two classes there is one row.
        rows = np.zeros((outputs, own.shape[1]))
        rows[:, -1] = -np.inf
        known = self.model.classes_.astype(int)
        rows[known] = own if len(own) == len(known) else np.vstack([np.zeros_like(own), own])
        return rows.astype("<f8").tobytes()

    def _store_trees(self, header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        trees = [tree.tree_ for tree in self.model.estimators_]
        outputs = header["outputs"]
        header = {
            "format": "firn-trees-1",
            **header,
            "leafValues": outputs,
            "base": [0] * outputs,
            "aggregate": "mean",
            "link": "identity",
            "nodes": [tree.node_count for tree in trees],
        }
        parts: list[tuple[Callable[[Any], np.ndarray], str]] = [
            (lambda tree: np.where(tree.feature < 0, 0, _thresholds(tree.threshold)), "<f8"),
            (self._leaves, "<f8"),
            (_gains, "<f8"),
            (lambda tree: np.maximum(tree.feature, -1), "<i4"),
            (lambda tree: np.maximum(tree.children_left, 0), "<i4"),
            (lambda tree: np.maximum(tree.children_right, 0), "<i4"),
            (lambda tree: tree.missing_go_to_left, "u1"),
        ]
        return header, b"".join(part(tree).astype(as_).tobytes() for part, as_ in parts for tree in trees)

    def _leaves(self, tree: Any) -> np.ndarray:
        """[nodes, leaf values]: shares of the classes, or the value; 0 in other nodes."""
        values = tree.value[:, 0, :]
        if self.task != "regression":
            values = self._by_class(values)
            values = values[:, 1:] if self.task == "binary-classification" else values
        return np.where(tree.feature[:, None] < 0, values, 0)


def _thresholds(thresholds: np.ndarray) -> np.ndarray:
    """
    scikit-learn rounds a value to 32 bits and goes left where that is at most the threshold; Firn goes left where the
    value as it is, of 64 bits, is below. What is rounded to the largest 32-bit number under the threshold (`last`) ends
    half-way to the next one, and includes the half where `last` is even.
    """
    last = thresholds.astype(np.float32)
    last = np.where(last > thresholds, np.nextafter(last, np.float32(-np.inf)), last)
    following = np.nextafter(last, np.float32(np.inf))
    half = (last.astype(float) + following.astype(float)) / 2
    even = last.view(np.uint32) % 2 == 0
    return np.where(even, np.nextafter(half, np.inf), half)


def _gains(tree: Any) -> np.ndarray:
    """Weighted impurity that each split removed."""
    weighted = tree.weighted_n_node_samples * tree.impurity
    gains = weighted - weighted[tree.children_left] - weighted[tree.children_right]
    return np.where(tree.feature < 0, 0, np.maximum(gains, 0) / tree.weighted_n_node_samples[0])
