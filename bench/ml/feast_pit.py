"""Feast's get_historical_features over the same files: feast_pit.py STORE COURSE prints figures as its last line."""

import json
import os
import resource
import sys
import time
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType

store_type, course = sys.argv[1], json.loads(sys.argv[2])
folder, load, files = course["folder"], course["load"], course["files"]
repo = os.path.join(folder, f"feast-{store_type}")
os.makedirs(repo, exist_ok=True)
store = FeatureStore(
    config=RepoConfig(
        project="pit",
        provider="local",
        registry=os.path.join(repo, "registry.db"),
        online_store=None,
        offline_store={"type": store_type},
        entity_key_serialization_version=3,
    )
)
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
views = [
    FeatureView(
        name=f"v{view}",
        entities=[user],
        ttl=timedelta(days=course["ttlDays"]),
        schema=[Field(name=f"f{view}_{i}", dtype=Float64) for i in range(load["features"])],
        source=FileSource(path=files[f"v{view}"], timestamp_field="event_timestamp"),
        online=False,
    )
    for view in range(load["views"])
]
store.apply([user, *views])
entity_df = pd.read_parquet(files["asked"])
features = [f"v{view}:f{view}_{i}" for view in range(load["views"]) for i in range(load["features"])]

started, cpu = time.perf_counter(), time.process_time()
frame = store.get_historical_features(entity_df=entity_df, features=features).to_df()
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
total = float(frame[[name.split(":")[1] for name in features]].fillna(0).to_numpy().sum())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": len(frame), "checksum": f"{total:.3f}", "peakMb": peak}))
