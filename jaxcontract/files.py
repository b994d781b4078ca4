"""Directories, JSON and CSV files of a run: written whole, never over something else. No JAX."""

import csv
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def make_directory(path: Path | None, preset: str) -> Path:
    """Create an empty directory for a run, by default `runs/<preset>-<time>`.

    Raises:
        ValueError: when the path cannot be made, or holds something already: nothing is overwritten.
    """
    if path is None:
        stem = Path("runs") / f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"
        taken = (Path(f"{stem}-{count}") for count in range(2, 1000))
        path = next(p for p in (stem, *taken) if not p.exists())
    ensure_directory(path, "--out")
    if any(path.iterdir()):
        raise ValueError(f"--out {path}: is not empty; name a new directory")
    return path


def ensure_directory(path: Path, option: str) -> None:
    """Make a directory that can be written to, or find it there.

    Raises:
        ValueError: naming the option that asked for it, the path and why it does not serve.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{option} {path}: cannot be made a directory ({error.strerror})") from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ValueError(f"{option} {path}: is not writable")


def write_json(path: Path, values: Any) -> None:
    """Write strict JSON whole or not at all; NaN, which JSON lacks, becomes null."""
    write_text(path, json.dumps(_strict(values), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same names, whole or not at all; numbers keep all their digits."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _strict_cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def append_json_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add one line of strict JSON to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_strict(values), allow_nan=False) + "\n")


def _strict_cell(value: Any) -> Any:
    """A NumPy scalar as a plain one; NaN as an empty cell."""
    value = value.item() if isinstance(value, np.generic) else value
    return "" if isinstance(value, float) and np.isnan(value) else value


def _strict(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: _strict(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_strict(value) for value in values]
    if isinstance(values, np.ndarray | np.generic):
        return _strict(values.tolist())
    if isinstance(values, float) and not np.isfinite(values):
        return None
    return values
