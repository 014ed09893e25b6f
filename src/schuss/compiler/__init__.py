"""From a graph to machine code: passes, a schedule, kernels. pipeline.py has the order."""
