"""The native executor: whole epochs, and functions of arrays, in machine code."""
