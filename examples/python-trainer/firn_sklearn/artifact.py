"""The files of a trained model: `model.json`, and `weights.bin` beside it."""

import json
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785

from firn_sklearn.dataset import Table, local_path
from firn_sklearn.failure import Failure
from firn_sklearn.fit import Fitted

SCRATCH = "/_scratch/datasets/"


def write_artifact(
    request: dict[str, Any], model: Fitted, trained: dict[str, Any], measured: dict[str, Any] | None
) -> dict[str, Any]:
    """The TrainedModel. Names are drawn from the contents: training the same again finds it written."""
    pin, dataset = request["pin"], request["dataset"]
    header, weights = _stored(model, pin["settings"])
    # As docs/model-format.md has it.
    digest = sha256(rfc8785.dumps(header) + b"\n" + weights).hexdigest()
    trained = {"weightsDigest": digest, **trained}
    importance = model.estimator.importance(model.preprocessing.columns)
    artifact = {
        "format": 2,
        "pin": pin,
        "dataset": dataset,
        "header": header,
        "weightsDigest": digest,
        "trained": trained,
        "plots": {},
        **({} if importance is None else {"importance": importance}),
        **({} if measured is None else {"measured": measured}),
        "inputExample": _first_row(model.table),
    }
    text = json.dumps(artifact, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    warehouse, scratch, _ = dataset["location"].partition(SCRATCH)
    if not scratch:
        raise Failure("config", f"{dataset['location']} is not under a warehouse's {SCRATCH}.")
    folder = f"{warehouse}/ml/models/{pin['model']}/{digest}/{sha256(text).hexdigest()[:16]}"
    # The weights come first, so that a model.json is never without them.
    _create(local_path(f"{folder}/weights.bin"), weights)
    _create(local_path(f"{folder}/model.json"), text)
    return {"artifactLocation": f"{folder}/model.json", **trained}


def _stored(model: Fitted, settings: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    own, weights = model.estimator.store(model.preprocessing.columns)
    header = {
        "format": 1,
        "task": settings["task"],
        "classes": model.table.classes,
        "preprocessing": model.preprocessing.to_json(),
        "estimator": {"kind": model.estimator.kind, "header": own},
        "ignored": settings.get("baselineOnly", []),
        **({} if model.offset is None else {"offset": model.offset}),
    }
    return header, weights


def _first_row(table: Table) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and np.isnan(value) else value

    return {column.name: plain(column.values[:1].tolist()[0]) for column in table.columns}


def _create(path: Path, content: bytes) -> None:
    """Whole or not at all; whoever was first wrote the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
    finally:
        draft.unlink(missing_ok=True)
