"""From nothing to 97.0 % of the test digits: eager, fused Adam, denormals flushed."""

import sys

sys.path.pop(0)

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(int(sys.argv[1]))
torch.set_flush_denormal(True)
BATCH = 256
with np.load(sys.argv[2]) as data:
    x, xt = (torch.from_numpy(data[k]).float() / 255 for k in ("x", "xt"))
    y, yt = (torch.from_numpy(data[k]).long() for k in ("y", "yt"))
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
accuracy = step = 0
while accuracy < 0.97:
    for rows in torch.randperm(len(x)).split(BATCH):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
        step += 1
        if step % 78 == 0:
            with torch.no_grad():
                accuracy = (model(xt).argmax(1) == yt).float().mean().item()
            if accuracy >= 0.97:
                break
print(f"{accuracy:.4f}")
