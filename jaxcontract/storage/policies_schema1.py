"""Policies as jaxcontract 0.2 wrote them: `policy.json` without a digest, and NumPy's own archives. No JAX.

Nothing writes this form any more. It is read with the same care, but what is damaged so that it still has
the right names, shapes and dtypes is not noticed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcontract.storage.arrays import ArrayEntry, DamagedError, decode_archive, largest_archive

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

SCHEMA = 1
# Paths of today, and those of that version.
OLDER_PATHS = {
    "parameters/log_std": "log_std",
    "normalizer/center": "frame/center",
    "normalizer/width": "frame/width",
    "bijector/low": "frame/low",
    "bijector/high": "frame/high",
}


def read_notes(path: Path) -> dict[str, Any] | None:
    """What a `policy.json` of schema 1 holds; None where it is of another form, or cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(found, dict) and "body" not in found and found.get("schema") == SCHEMA
    return found if is_ours else None


def read_arrays(path: Path, entries: Sequence[ArrayEntry]) -> "Arrays":
    """The arrays of a policy by the paths of today.

    entries: the arrays that it must hold

    Raises:
        OSError: when it cannot be read.
        DamagedError: when it holds anything else.
    """
    largest = largest_archive(entries)
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise DamagedError("it is too large")
    older = [entry._replace(path=OLDER_PATHS.get(entry.path, entry.path)) for entry in entries]
    arrays = decode_archive(data, older)
    return dict(zip([entry.path for entry in entries], arrays.values(), strict=True))
