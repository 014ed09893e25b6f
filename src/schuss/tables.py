"""What there is, a row each. A row is text, loaded when it is first used: the command's help needs the names alone.

From outside the package `register` does it, as in @EXECUTORS.register("slow"). CONTRIBUTING.md has recipes.
"""

from __future__ import annotations

from typing import Any, Final

from schuss.registry import Classes, Form, Registry, Sources, at

EXECUTORS: Final[Registry[Any]] = Registry(
    "backend",
    {
        "native": "schuss.exec.native.executor:NativeExecutor",
        "reference": "schuss.exec.reference:ReferenceExecutor",
    },
)
"""Classes with the protocol schuss.ir.executor.Executor, called with threads=."""

SOURCES: Final[Sources[Any]] = Sources(
    "data source",
    {
        "mnist": Form("schuss.data.bundled:Bundled", data="mnist (60,000 handwritten digits, in the package)"),
        "idx": Form(
            "schuss.data.idx:IdxFolder",
            data="a folder of idx files (four of them, with MNIST's names, gzipped or not)",
        ),
        "pictures": Form(
            "schuss.data.folders:PictureFolder",
            data="a folder of pictures (of one size, train/CLASS/*.png and test/CLASS/*.png, a folder for each class)",
        ),
        "npz": Form(
            "schuss.data.npz:Npz",
            data="an .npz file (with x_train, y_train, x_test and y_test; floating y means regression)",
            rows="an .npz (with x or x_test, or one array alone)",
        ),
        "npy": Form("schuss.data.npy:Npy", rows="an .npy of rows"),
        "table": Form("schuss.data.table:Table"),
        "picture": Form(
            "schuss.data.digits:DigitPicture",
            rows="a picture of a digit (PNG, JPEG and others; any size, dark on light or light on dark)",
        ),
    },
)
"""Classes derived from schuss.data.DataSource, called without arguments."""

LAYERS: Final[Classes[Any]] = Classes(
    "layer",
    {
        "Linear": at("schuss.nn.layers"),
        "Sequential": at("schuss.nn.layers"),
        "Flatten": at("schuss.nn.layers"),
        "Dropout": at("schuss.nn.layers"),
        "LayerNorm": at("schuss.nn.layers"),
        "Embedding": at("schuss.nn.embedding"),
        "AdaptiveAvgPool1d": at("schuss.nn.convolution"),
        "AdaptiveAvgPool2d": at("schuss.nn.convolution"),
        "AvgPool1d": at("schuss.nn.convolution"),
        "AvgPool2d": at("schuss.nn.convolution"),
        "Conv1d": at("schuss.nn.convolution"),
        "Conv2d": at("schuss.nn.convolution"),
        "MaxPool1d": at("schuss.nn.convolution"),
        "MaxPool2d": at("schuss.nn.convolution"),
        "Sigmoid": at("schuss.nn.activations", sigmoid={}),
        "Tanh": at("schuss.nn.activations", tanh={}),
        "ReLU": at("schuss.nn.activations", relu={}),
        "LeakyReLU": at("schuss.nn.activations", leaky_relu={}),
        "ELU": at("schuss.nn.activations", elu={}),
        "SELU": at("schuss.nn.activations", selu={}),
        "GELU": at("schuss.nn.activations", gelu={}),
        "SiLU": at("schuss.nn.activations", silu={}),
        "Hardswish": at("schuss.nn.activations", hardswish={}),
        "Mish": at("schuss.nn.activations", mish={}),
        "Softplus": at("schuss.nn.activations", softplus={}),
        "Softmax": at("schuss.nn.activations"),
        "LogSoftmax": at("schuss.nn.activations"),
        "Identity": at("schuss.nn.layers", identity={}),
    },
    "nn.Layer",
)
"""Activations have presets: what --activation and the playground offer."""

TRANSFORMS: Final[Classes[Any]] = Classes(
    "transform",
    {
        "Scale": at("schuss.signature.transforms"),
        "Standardize": at("schuss.signature.transforms"),
        "TableColumns": at("schuss.tabular.columns"),
    },
    "signature.Transform",
)
"""What becomes of an input's raw data: see schuss.signature.transforms."""

LOSSES: Final[Classes[Any]] = Classes(
    "loss",
    {
        "CrossEntropyLoss": at("schuss.nn.class_losses", cross_entropy={}),
        "MSELoss": at("schuss.nn.losses", mse={}),
        "L1Loss": at("schuss.nn.losses", mae={}),
        "HuberLoss": at("schuss.nn.losses", huber={}),
        "SmoothL1Loss": at("schuss.nn.losses"),
        "BCEWithLogitsLoss": at("schuss.nn.class_losses", bce={}),
        "NLLLoss": at("schuss.nn.class_losses"),
        "FocalLoss": at("schuss.nn.class_losses", focal={}),
        "QuantileLoss": at("schuss.nn.losses", quantile={"q": 0.5}),
        "PoissonNLLLoss": at("schuss.nn.losses"),
        "GammaNLLLoss": at("schuss.nn.losses"),
    },
    "nn.Loss",
)

OPTIMIZERS: Final[Classes[Any]] = Classes(
    "optimizer",
    {
        "SGD": at(
            "schuss.optim.sgd",
            sgd={"lr": 1e-1},
            momentum={"lr": 1e-2, "momentum": 0.9},
            nesterov={"lr": 1e-2, "momentum": 0.9, "nesterov": True},
        ),
        "RMSprop": at("schuss.optim.rmsprop", rmsprop={"lr": 1e-3}),
        "Adagrad": at("schuss.optim.adagrad", adagrad={"lr": 1e-2}),
        "Adam": at("schuss.optim.adam", adam={"lr": 3e-3}),  # chosen on validation data (docs/defaults.md)
        "AdamW": at("schuss.optim.adam", adamw={"lr": 1e-3}),
        "NAdam": at("schuss.optim.adam", nadam={"lr": 1e-3}),
        "Lion": at("schuss.optim.lion", lion={"lr": 1e-4}),
    },
    "optim.Optimizer",
)
"""The presets' rates are those of the command."""

SCHEDULES: Final[Classes[Any]] = Classes(
    "schedule",
    {
        "Constant": at("schuss.optim.schedules"),
        "Step": at("schuss.optim.schedules"),
        "MultiStep": at("schuss.optim.schedules"),
        "Exponential": at("schuss.optim.schedules"),
        "FlatCosine": at("schuss.optim.schedules"),
        "Cosine": at("schuss.optim.schedules"),
        "CosineWarmRestarts": at("schuss.optim.schedules"),
        "OneCycle": at("schuss.optim.schedules"),
        "OneCycleMomentum": at("schuss.optim.schedules"),
        "ReduceLROnPlateau": at("schuss.optim.plateau"),
        "Scaled": at("schuss.optim.schedules"),
        "Warmup": at("schuss.optim.schedules"),
    },
    "optim.Schedule",
)
