"""`python -m unittest` in this folder: what needs no Temporal server."""

import unittest

import numpy as np
import pyarrow as pa

from firn_sklearn.dataset_digest import dataset_digests
from firn_sklearn.estimators import _thresholds


class DigestTest(unittest.TestCase):
    def test_the_vector_of_the_definition(self) -> None:
        columns = [
            ("entity", "string"),
            ("event_timestamp", "timestamptz"),
            ("label", "double"),
            ("f:image", "list<float>"),
        ]
        time = pa.array([1_767_225_600_000_000] * 2, pa.timestamp("us", "UTC"))
        image = pa.array([[0.5, -0.0], []], pa.list_(pa.float32()))
        arrays = [pa.array(['["u1"]', '["u2"]']), time, pa.array([1.0, None]), image]
        batch = pa.record_batch(arrays, [name for name, _ in columns])
        wanted = (
            "e25f24324245dd96194c9e99e5f13435d22dcfddf889656da5c80e3882741c10",
            "0d786fbf007175433910d3c15cd307dd03efc64fa1ee3222162ae1c4ba89be87",
        )
        self.assertEqual(dataset_digests(columns, [batch]), wanted)
        # However the rows are cut.
        parts = [batch.slice(0, 1), batch.slice(1, 1), batch.slice(0, 0)]
        self.assertEqual(dataset_digests(columns, parts), wanted)
        turned = dataset_digests(columns, [batch.slice(1, 1), batch.slice(0, 1)])
        self.assertEqual(turned[0], wanted[0])
        self.assertNotEqual(turned[1], wanted[1])


class ThresholdTest(unittest.TestCase):
    def test_a_value_goes_where_scikit_learn_sends_it(self) -> None:
        draw = np.random.default_rng(7)
        sizes = 10.0 ** draw.integers(-30, 30, 4000)
        values = (draw.normal(size=4000) * sizes).astype(np.float32)
        between = (values.astype(float) + np.nextafter(values, np.float32(np.inf)).astype(float)) / 2
        thresholds = np.concatenate(
            [values.astype(float), between, draw.normal(size=4000) * sizes, [0.0, -0.0]]
        )
        stored = _thresholds(thresholds)
        last = thresholds.astype(np.float32)
        for step in (-1, 0, 1):
            near = last
            for _ in range(abs(step)):
                near = np.nextafter(near, np.float32(np.inf * step))
            for half in (
                near.astype(float),
                (near.astype(float) + np.nextafter(near, np.float32(np.inf))) / 2,
            ):
                for x in (half, np.nextafter(half, np.inf), np.nextafter(half, -np.inf)):
                    theirs = x.astype(np.float32) <= thresholds
                    np.testing.assert_array_equal(x < stored, theirs)


if __name__ == "__main__":
    unittest.main()
