"""Entry points by which other packages name records for ours. No JAX.

`importlib.metadata` takes as long to import and to search as a fifth of `--help`. So it is asked only where
a file on Python's path may name such a record, or cannot be read here.
"""

import functools
import os
import sys
from importlib.machinery import PathFinder
from typing import Any

OURS = b"[jaxcontract."  # how a section begins that is one of our groups


def find_entry_points(group: str) -> dict[str, str]:
    """What installed packages name in a group of ours: "module:Record" by name."""
    found = _find_all()
    return {point.name: point.value for point in found.select(group=group)} if found is not None else {}


@functools.cache
def _find_all() -> Any:
    """All entry points of all installed packages; None where no package names a record for ours."""
    if not (_others_find_packages() or any(_may_name_ours(str(entry) or ".") for entry in sys.path)):
        return None
    from importlib.metadata import entry_points

    return entry_points()


def _others_find_packages() -> bool:
    """Whether packages are found by something else than Python's path."""
    others = (finder for finder in sys.meta_path if finder is not PathFinder)
    return any(hasattr(finder, "find_distributions") for finder in others)


def _may_name_ours(folder: str) -> bool:
    """Whether a package in an entry of Python's path may name a record; always for archives and eggs."""
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        return True
    except OSError:  # `importlib.metadata` passes over it too
        return False
    return folder.lower().endswith(".egg") or any(
        _holds(os.path.join(folder, name, "entry_points.txt"))
        for name in names
        if name.lower().endswith((".dist-info", ".egg-info"))
    )


def _holds(path: str) -> bool:
    """Whether a file can be read and has a section of ours."""
    try:
        with open(path, "rb") as file:
            return OURS in file.read()
    except OSError:
        return False
