"""scikit-learn: MLPClassifier or MLPRegressor, one partial_fit an epoch. float32 data."""

from __future__ import annotations

from common import options, report, serve

given, work = options()
if work.channels:
    raise SystemExit("this side has no convolutions: --sides schuss torch:fused_ftz")

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402

x, y, xt, yt = work.data()
if x.dtype == np.uint8:
    x, xt = x.astype(np.float32) / 255, xt.astype(np.float32) / 255
shared = {
    "hidden_layer_sizes": work.sizes[1:-1],
    "batch_size": work.batch,
    "learning_rate_init": work.rate,
    "alpha": 0.0,
    "random_state": given.seed,
}
if work.classes:
    model = MLPClassifier(activation="relu", solver="adam", **shared)
    first = {"classes": np.unique(y)}
else:
    y, yt = y.ravel(), yt.ravel()
    model = MLPRegressor(activation="tanh", solver="sgd", momentum=0.9, nesterovs_momentum=False, **shared)
    first = {}


def epoch():
    global first
    model.partial_fit(x, y, **first)
    first = {}


serve(epoch)
if work.classes:
    chances = model.predict_proba(x)[np.arange(len(y)), y]
    loss, score = -np.log(np.maximum(chances, 1e-12)).mean(), model.score(xt, yt)
else:
    loss, score = ((model.predict(x) - y) ** 2).mean(), ((model.predict(xt) - yt) ** 2).mean()
report("scikit-learn", sklearn.__version__, "partial_fit", loss, score)
