"""Faults put into runs, files, numbers and command lines, and what came of them: see `tests/faults.py`.

The modules come when they are first named, so that a command line is read without JAX.
"""

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name in ("inputs", "numerics", "processes", "storage"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
