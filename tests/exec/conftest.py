from __future__ import annotations

import pytest

from schuss.compiler.schedule.sharing import Sharing


@pytest.fixture(autouse=True)
def _every_step_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads take part however little they gain."""
    monkeypatch.setattr(Sharing, "worth", True)
