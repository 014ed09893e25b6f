"""Contractions: tiles held in registers, their sums, and what is fetched meanwhile."""
