"""Learning resources and how they are matched to a reason to join."""

import os

# Read by OpenBLAS when numpy is first imported. The matcher's sums are small: a second thread gains little on an idle
# machine, and on a busy one the threads wait for each other (measured: 20 to 40 times slower on 2 cores at load 4).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
