"""What a PyTorch program waits for before its first line."""

import sys

sys.path.pop(0)

import torch  # noqa: F401
