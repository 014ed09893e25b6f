"""Training: the step graph, the loop, callbacks, checkpoints."""
