"""From a graph to a plan: kernels, how threads share them, their order, and where each value lies."""
