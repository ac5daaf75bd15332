"""MLflow's own client, for mlflow.test.ts: for each line on stdin, all that the server knows, as a line of JSON.

usage: mlflow_client.py URI
"""

import json
import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import ViewType  # noqa: E402


def run_of(client, run):
    metrics = {}
    for key in run.data.metrics:
        points = client.get_metric_history(run.info.run_id, key)
        metrics[key] = [[p.step, repr(p.value), p.timestamp] for p in sorted(points, key=lambda p: p.step)]
    inputs = [
        {
            "name": i.dataset.name,
            "digest": i.dataset.digest,
            "source_type": i.dataset.source_type,
            "source": json.loads(i.dataset.source),
            "schema": json.loads(i.dataset.schema),
            "profile": json.loads(i.dataset.profile),
            "tags": {t.key: t.value for t in i.tags},
        }
        for i in run.inputs.dataset_inputs
    ]
    info = run.info
    return {
        "run_id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "params": dict(run.data.params),
        "tags": dict(run.data.tags),
        "metrics": metrics,
        "inputs": sorted(inputs, key=lambda i: i["name"]),
    }


def version_of(client, name, version):
    return {
        "version": version.version,
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "tags": dict(version.tags),
        "aliases": sorted(client.get_model_version(name, version.version).aliases),
    }


def all_of(client):
    experiments = {}
    for experiment in client.search_experiments():
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ACTIVE_ONLY, max_results=1000)
        experiments[experiment.name] = [run_of(client, run) for run in runs]
    models = {}
    for model in client.search_registered_models():
        found = client.search_model_versions(f"name = '{model.name}'", max_results=1000)
        models[model.name] = {
            "aliases": dict(client.get_registered_model(model.name).aliases),
            "versions": [version_of(client, model.name, v) for v in sorted(found, key=lambda v: int(v.version))],
        }
    return {"experiments": experiments, "models": models}


client = MlflowClient(sys.argv[1])
for _ in sys.stdin:
    print(json.dumps(all_of(client)), file=answers, flush=True)
