"""fit's options: one record, which fit's signature and docstring show, and which the command and checkpoints read."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.cli.train import command
from schuss.cli.training.parts import OF_FIT
from schuss.errors import UsageError
from schuss.train.fit import prepare
from schuss.train.options import ABOUT, Options, options

from .support import blobs, mlp

GIVEN = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam()}


def test_fit_shows_what_the_record_holds():
    shown = {n: p for n, p in inspect.signature(schuss.fit).parameters.items() if p.kind is p.KEYWORD_ONLY}
    held = {f.name: f for f in fields(Options)}
    assert list(shown) == list(held) == list(ABOUT), "the same options in the same order"
    for name, parameter in shown.items():
        assert parameter.annotation == held[name].type.replace("Trained", "Run"), name  # Run lies above the record
        default = MISSING if parameter.default is parameter.empty else parameter.default
        assert default == held[name].default == ABOUT[name].default, name
        assert f"\n    {name} " in (schuss.fit.__doc__ or ""), f"fit's docstring says nothing of {name}"


def test_the_command_takes_ranges_and_names_from_it():
    given = {p.name: p for p in command.params}
    assert set(OF_FIT) <= given.keys() & ABOUT.keys()
    assert (given["seed"].type.min, given["seed"].type.max) == (0, 2**64 - 1)
    assert given["batch_size"].type.min == 1
    assert given["seed"].default == ABOUT["seed"].default


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"epochs": 1.0}, "epochs must be a whole number"),
        ({"batch_size": None}, "batch_size must be a whole number of at least 1, got None"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"seed": None}, r"seed must be a whole number between 0 and 2\*\*64 - 1, got None"),
        ({"seed": np.random.default_rng(0)}, "seed must be a whole number .* got Generator"),
        ({"clip_norm": 0}, "clip_norm must be a positive number or a schedule, got 0"),
        ({"clip_norm": "1"}, "clip_norm must be a positive number or a schedule, got '1'"),
        ({"early_stop": "val_loss"}, "early_stop must be"),
        ({"shuffle": None}, "shuffle must be True or False, got None"),
        ({"shuffle": "yes"}, "shuffle must be True or False"),
        ({"scale": -1}, "scale must be a positive number"),
        ({"threads": 0}, "threads must be a whole number"),
        ({"backend": None}, "backend must be one of native, reference, got None"),
        ({"backend": "cuda"}, "backend must be one of native, reference, got 'cuda'"),
        ({"record": "yes"}, "record must be True, False or a positive number of seconds"),
        ({"control": True}, r"control must be a schuss\.Control, got"),
        ({"callbacks": print}, "callbacks must be a list"),
        ({"metrics": 3}, "metrics must be a list of functions"),
        ({"metrics": len}, "metrics must be a list of functions"),
        ({"metrics": "accuracy"}, "metrics must be a list of functions"),
        ({"validation": 1.0}, "validation must be .* a share of at least 0 and below 1, got 1.0"),
        ({"validation": "half"}, "validation must be"),
        ({"validation": np.zeros((9, 2))}, "validation must be a pair"),
        ({"optimizer": optim.Adam}, r"optimizer must be an object, not a class: write optimizer=Adam\(\)$"),
        ({"loss": nn.CrossEntropyLoss}, r"loss must be an object, not a class: write loss=CrossEntropyLoss\(\)$"),
        ({"optimizer": 3}, "optimizer must have init and update, as optim.Adam"),
        ({"optimizer": "adam"}, r"optimizer must be an object, not a name: write optimizer=optim\.Adam\(lr=0\.003\),"),
        ({"optimizer": "AdamW"}, r".*write optimizer=optim\.AdamW\("),
        ({"optimizer": "momentum"}, r".*write optimizer=optim\.SGD\(lr=0\.01, momentum=0\.9\)"),
        ({"optimizer": "adma"}, r".*'adma' is none of sgd, .*; did you mean 'adam'\?"),
        ({"loss": 3}, r"loss must be callable with \(pred, target\), as nn\.CrossEntropyLoss"),
        ({"loss": "mse"}, r"loss must be an object, not a name: write loss=nn\.MSELoss\(\),"),
        ({"loss": "crossentropy"}, r".*write loss=nn\.CrossEntropyLoss\(\)"),
        ({"loss": "MSELoss"}, r".*write loss=nn\.MSELoss\(\)"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_a_mend(option, said):
    with pytest.raises(UsageError, match=f"^fit: {said}"):
        options({**GIVEN, **option})


@pytest.mark.parametrize(
    "option",
    [
        {"epochs": np.int64(3)}, {"seed": np.uint64(2**64 - 1)}, {"clip_norm": np.float32(1)}, {"shuffle": np.True_},
        {"validation": np.float64(0.5)}, {"validation": 0}, {"validation": [1, 2]}, {"record": np.True_},
        {"record": 1}, {"threads": None}, {"metrics": {}}, {"callbacks": ()},
    ],
)  # fmt: skip
def test_numpy_s_numbers_are_numbers(option):
    options({**GIVEN, **option})


def test_an_unknown_or_missing_option_is_named():
    with pytest.raises(UsageError, match="there is no option batchsize; it knows loss, optimizer, epochs"):
        prepare(mlp(4, 3), blobs(9), batchsize=3, **GIVEN)
    with pytest.raises(UsageError, match="loss is missing"):
        prepare(mlp(4, 3), blobs(9))
