"""One call of `schuss train`: its settings, what is put together, the run, its files."""
