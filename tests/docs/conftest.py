"""The tools that build the documentation can be imported here: pages, site_hooks, docstrings."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
