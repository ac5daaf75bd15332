"""Trains XGBoost and scikit-learn as Firn's estimators are defined.

Reads {"fits": [...]} from the file in argv[1]; arrays are files of float64. Prints, for each fit, its
predictions and the seconds of CPU time that binning, fitting and predicting took.
"""

import json
import sys
import time

import numpy as np


def main():
    with open(sys.argv[1]) as file:
        fits = json.load(file)["fits"]
    for fit in fits:
        train, test = table(fit["train"]), table(fit["test"])
        predictions, seconds = TRAINERS[fit["definition"]["kind"]](fit, train, test)
        if fit.get("predictions", True) is False:
            predictions = np.array([])
        print(json.dumps({"predictions": np.asarray(predictions, dtype="f8").ravel().tolist(), "seconds": seconds}))


def table(given):
    columns = len(given["columns"])
    weights = given.get("weights")
    return {
        "x": np.fromfile(given["x"]).reshape(-1, columns),
        "y": np.fromfile(given["y"]),
        "weights": None if weights is None else np.fromfile(weights),
    }


class Clock:
    """CPU seconds by part."""

    def __init__(self):
        self.seconds = {}
        self.last = time.process_time()

    def tick(self, part):
        now = time.process_time()
        self.seconds[part] = now - self.last
        self.last = now


def boosted(fit, train, test):
    import xgboost

    definition = fit["definition"]
    objectives = {
        "regression": {"objective": "reg:squarederror"},
        "binary-classification": {"objective": "binary:logistic"},
        "multiclass-classification": {"objective": "multi:softprob", "num_class": fit["classes"]},
    }
    bins = definition.get("bins", 256)
    parameters = {
        "tree_method": "hist",
        "nthread": 1,
        "seed": fit["seed"],
        "max_depth": definition["maxDepth"],
        "eta": definition["learningRate"],
        "subsample": definition.get("subsample", 1),
        "colsample_bytree": definition.get("columnSample", 1),
        "alpha": definition.get("l1", 0),
        "lambda": definition.get("l2", 1),
        "gamma": definition.get("minSplitGain", 0),
        "min_child_weight": definition.get("minChildWeight", 1),
        "max_bin": bins,
        **objectives[fit["task"]],
    }
    clock = Clock()
    data = xgboost.QuantileDMatrix(
        train["x"], label=train["y"], weight=train["weights"], max_bin=bins, nthread=1
    )
    clock.tick("bin")
    booster = xgboost.train(parameters, data, num_boost_round=definition["trees"])
    clock.tick("fit")
    predictions = booster.inplace_predict(test["x"])
    clock.tick("predict")
    return predictions, clock.seconds


def forest(fit, train, test):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    definition = fit["definition"]
    columns = train["x"].shape[1]
    regression = fit["task"] == "regression"
    share = definition.get("columnSample")
    count = share * columns if share is not None else columns / 3 if regression else columns**0.5
    trees = (RandomForestRegressor if regression else RandomForestClassifier)(
        n_estimators=definition["trees"],
        max_depth=definition.get("maxDepth"),
        min_samples_leaf=definition.get("minSamplesLeaf", 1),
        max_features=max(1, int(count)),
        random_state=fit["seed"],
        n_jobs=1,
    )
    return scikit(trees, fit, train, test)


def logistic(fit, train, test):
    from sklearn.linear_model import LogisticRegression

    l2 = fit["definition"].get("l2", 1)
    model = LogisticRegression(C=1 / l2 if l2 > 0 else np.inf, solver="newton-cg", tol=1e-12, max_iter=10000)
    return scikit(model, fit, train, test)


def ridge(fit, train, test):
    from sklearn.linear_model import Ridge

    return scikit(Ridge(alpha=fit["definition"].get("l2", 1), solver="cholesky"), fit, train, test)


def scikit(model, fit, train, test):
    clock = Clock()
    model.fit(train["x"], train["y"], sample_weight=train["weights"])
    clock.tick("fit")
    if fit["task"] == "regression":
        predictions = model.predict(test["x"])
    else:
        predictions = model.predict_proba(test["x"])
        if fit["task"] == "binary-classification":
            # A fold of one class only knows no other.
            predictions = predictions[:, list(model.classes_).index(1)] if 1 in model.classes_ else np.zeros(len(test["x"]))
    clock.tick("predict")
    return predictions, clock.seconds


TRAINERS = {"gbdt": boosted, "random-forest": forest, "logistic": logistic, "ridge": ridge}

if __name__ == "__main__":
    main()
