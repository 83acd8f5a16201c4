"""Set before libraries of linear algebra are loaded: one thread each, so that budgets do not grow with cores."""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from examples import examples
from hypothesis import settings

settings.register_profile("ours", examples())
settings.load_profile("ours")

LONG = ("test_documents.py", "test_notebooks.py", "test_sweep_backends.py", "test_queues.py", "test_compare.py")


def pytest_collection_modifyitems(items):
    """Put long tests first, so that at the end no worker is left alone with one of them."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
