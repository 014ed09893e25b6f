"""One training of a table: prepared rows, folds and recipes; the model it gives, and what is measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from schuss.exec.native.threads import at_most
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.nn.holding import set_signature
from schuss.signature import Input, Signature
from schuss.tabular.columns import TableColumns, fit_preparation
from schuss.tabular.fields import level_shares
from schuss.tabular.held import HeldOut
from schuss.tabular.judge import Judged, Learned, OutOfFold
from schuss.tabular.learn import layout_of, learn
from schuss.tabular.model import TableModel
from schuss.tabular.networks import SIGNAL, Recipe
from schuss.tabular.objectives import Objective
from schuss.tabular.preparation import Preparation
from schuss.tabular.presets import choose, reason, recipes
from schuss.tabular.report import Report, report_of
from schuss.tabular.rows import Table
from schuss.tabular.scales import suited
from schuss.tabular.seen import digests, hashes


@dataclass(frozen=True)
class Training:
    """table: the rows trained on; x [N, width] prepared; y classes, labels or standardised values.

    members  of each kind of network
    fold     [N]: of each row; None where validated rows weigh the parts: then members differ by their seeds alone
    why      this preset, for people
    kinds    of networks; those that turn out not to be worth training are taken out
    """

    table: Table
    preparation: Preparation
    x: Array
    y: Array
    objective: Objective
    members: int
    fold: Array | None
    preset: str
    why: str
    kinds: list[Recipe]
    validated: Table | None = None

    @classmethod
    def of(
        cls, table: Table, validated: Table | None, objective: Objective, folds: int, preset: str | None,
        own: Mapping[str, Any], seed: int,
    ) -> Training:  # fmt: skip
        """The training of these rows; own: settings in place of the preset's. validated: rows that weigh the parts, in
        place of folds."""
        y, levels = objective.standardised(table.target.y), objective.levels
        hot = objective.encoded(y)
        preparation, x = fit_preparation(table.frame, table.kinds, hot, table.where, table.training_weights)
        layout = layout_of(preparation, objective.outputs, hot.shape[1])
        fold = table.folds(folds, seed) if validated is None else None
        members = folds if fold is None else int(fold.max()) + 1
        passes = members if fold is None else members - 1
        chosen = preset or choose(len(x), layout, levels, passes)
        scale = suited(y, table.training_weights) if objective.loss == "mse" else ""
        kinds = recipes(len(x), levels, chosen, scale)
        if {"epochs", "lr"} & own.keys():  # by which a short run would tell nothing
            kinds = [replace(kind, only="") for kind in kinds if kind.only == SIGNAL] or kinds
        kinds = list(dict.fromkeys(replace(kind, **own) for kind in kinds))
        why = reason(chosen, preset is not None, len(x), layout, levels, passes)
        return cls(table, preparation, x, y, objective, members, fold, chosen, why, kinds, validated)

    @cached_property
    def columns(self) -> TableColumns:
        """What reads raw rows."""
        return TableColumns(self.preparation.config())

    @cached_property
    def hashed(self) -> Array:
        """Of each row a hash, by which others are compared with them (schuss.tabular.seen)."""
        return hashes(self.x, self.table.target.y)

    def learn(self, seed: int, checkpoint: Path | None, **how: Any) -> Learned:
        """The members, trained and blended. how: threads, progress and backend, as fit_many has them."""
        nobody = np.empty(0, np.int64)
        held = [nobody if self.fold is None else np.flatnonzero(self.fold == k) for k in range(self.members)]
        return learn(
            self.preparation, self.x, self.y, self.objective, held, self.kinds, weights=self.table.training_weights,
            judged=self._judged(), seed=seed, checkpoint=checkpoint, how=how,
        )  # fmt: skip

    def _judged(self) -> Judged | None:
        """The validated rows, prepared."""
        if (rows := self.validated) is None:
            return None
        x = self.columns.read(rows.frame, "the validation", rows.where)
        return Judged(x, self.objective.standardised(rows.target.y), rows.training_weights)

    def sign(self, model: TableModel, found: Mapping[str, Any], apart: Sequence[Array] = ()) -> None:
        """Give the model its signature: raw rows in, classes or values out. found: for the record, what was measured;
        apart: of the rows of test and validation the hashes"""
        of = self.objective
        read = Input("x", TensorType("float32", (N, self.x.shape[1])), self.columns)
        record = {
            **of.record(), "preset": self.preset, "rows": len(self.x), **found,
            "targets": {name: asdict(kind) for name, kind in self.table.target.kinds.items()},
            "columns": {name: {"kind": k.name, "reason": k.reason} for name, k in self.table.kinds.items()},
            "shares": level_shares(self.preparation, self.x), "seen": digests(self.hashed, apart),
        }  # fmt: skip
        set_signature(model, Signature((read,), of.output(self.table.target), of.signature_loss(), record=record))

    def report(self, learned: Learned, model: TableModel, tested: Table | None) -> Report:
        """On the test rows, or the validated ones, or out of fold, beside a trivial and a linear model."""
        of = self.objective
        if tested is None:
            found, linear = of.own_units(learned.out_of_fold), of.own_units(learned.candidates[-1])
            if (rows := self.validated) is not None:
                told = f"{len(rows):,} validation rows, by which the parts are weighed"
                return report_of(of, self.table, rows, found, linear, told)
            told = f"{len(self.x):,} rows out of {self.members} folds"
            return report_of(of, self.table, self.table, found, linear, told)
        x = self.columns.read(tested.frame, "the test", tested.where)
        found, linear = model.answers(x), model.answers(x, len(model.parts))
        return report_of(of, self.table, tested, found, linear, f"{len(tested):,} rows held out")

    def held_out(self, model: TableModel, tested: Table | None, threads: int | None = None) -> HeldOut:
        """The rows that the report is of, with what members say of them that have not seen them, by so many threads."""
        of_folds, of, fold = OutOfFold(model, len(self.x)), self.objective, self.fold
        apart = tested or self.validated

        def predict(frame: Any, rows: Array) -> Array:
            with at_most(threads):
                x = self.columns.read(frame)
                return model.answers(x) if apart or fold is None else of.own_units(of_folds(x, fold[rows]))

        return HeldOut(apart or self.table, of, tuple(self.preparation.kinds), predict)
