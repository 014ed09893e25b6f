"""Passes over graphs: simpler nodes, each value once, the order in memory, what must be written there."""
