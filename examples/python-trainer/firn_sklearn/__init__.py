"""Trains scikit-learn models for Firn: a Temporal worker whose models Firn scores by itself."""

import os

# The order in which threads add numbers would show in the weights. Read when NumPy is loaded.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ.update(THREADS)
