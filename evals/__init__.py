"""Evaluations: how good the guesses are, on labelled data. Each module runs with `python -m evals.<name>`."""

import os

# As service.resources does, but before an evaluation's own import of numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
