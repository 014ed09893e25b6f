"""A model of a table, as the commands read it from its file."""

from __future__ import annotations

from schuss.tabular.finished import answers, columns_of, target_of, task_of

__all__ = ["answers", "columns_of", "target_of", "task_of"]
