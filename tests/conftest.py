"""Tests keep their caches to themselves. Beside this file lie modules that several folders share: opcases, graphs."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# In the environment and not by a fixture: many tests start processes of their own.
if "SCHUSS_CACHE_DIR" not in os.environ:
    os.environ["SCHUSS_CACHE_DIR"] = tempfile.mkdtemp(prefix="schuss-tests-")
    atexit.register(shutil.rmtree, os.environ["SCHUSS_CACHE_DIR"], ignore_errors=True)
