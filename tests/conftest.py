"""Beside this file lie modules that several folders of tests share: opcases (every operation) and graphs (random ones)."""

from __future__ import annotations
