"""Set before libraries of linear algebra are loaded: one thread each, so that budgets do not grow with cores."""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from examples import examples
from hypothesis import settings

settings.register_profile("ours", examples())
settings.load_profile("ours")
