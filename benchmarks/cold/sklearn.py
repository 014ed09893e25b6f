"""From nothing to 97.0 % of the test digits: partial_fit on a third of the epoch at a time."""

import sys

sys.path.pop(0)

import numpy as np
from sklearn.neural_network import MLPClassifier

with np.load(sys.argv[2]) as data:
    x, xt = (data[k].astype(np.float32) * np.float32(1 / 255) for k in ("x", "xt"))
    y, yt = data["y"], data["yt"]
seed = int(sys.argv[1])
model = MLPClassifier((128, 64), alpha=0.0, batch_size=256, learning_rate_init=5e-3, random_state=seed)
rng = np.random.default_rng(seed)
accuracy = 0.0
while accuracy < 0.97:
    for rows in np.array_split(rng.permutation(len(x)), 3):
        model.partial_fit(x[rows], y[rows], classes=np.arange(10))
        accuracy = (model.predict(xt) == yt).mean()
        if accuracy >= 0.97:
            break
print(f"{accuracy:.4f}")
