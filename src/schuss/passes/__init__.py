"""Passes over graphs: simpler nodes, memory layout, groups of nodes, and the plan that code is made from."""
