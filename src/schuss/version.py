"""The version, where every part can read it."""

__version__ = "0.2.0"  # a test compares it with pyproject.toml; importlib.metadata would cost 20 ms
