"""Directories, JSON and CSV files of a run: written whole, never over something else. No JAX."""

import csv
import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


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


def ensure_private(path: Path, option: str) -> None:
    """Make a directory that nobody else can write to, or find it there: what lies in it is executed.

    Raises:
        ValueError: as `ensure_directory`, and when others may write to it.
    """
    if not path.exists():
        ensure_directory(path.parent, option)
        path.mkdir(mode=0o700, exist_ok=True)
    ensure_directory(path, option)
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{option} {path}: may be written by others, and what lies in it is executed")


def write_json(path: Path, values: Any) -> None:
    """Write strict JSON whole or not at all; NaN, which JSON lacks, becomes null."""
    write_text(path, json_text(values))


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same names, whole or not at all; numbers keep all their digits."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same names as `write_csv` writes them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _strict_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = _beside(path)
    temporary.write_bytes(data)
    temporary.replace(path)


def write_new(path: Path, data: str | bytes) -> None:
    """Write a new file whole or not at all: never over one that is there, be it only just.

    The disk has it once its directory is synced too.

    Raises:
        FileExistsError: when there is one.
    """
    path.open("xb").close()
    temporary = _beside(path)
    try:
        _write_and_sync(temporary, data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _write_and_sync(path: Path, data: str | bytes) -> None:
    with path.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    """Where a file is written before it gets its name; another process may be about the same file."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def write_durably(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all, and return when the disk has it."""
    write_synced(path, data)
    sync_directory(path.parent)


def write_synced(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all; the disk has it once its directory is synced too."""
    temporary = path.with_name(path.name + ".tmp")
    _write_and_sync(temporary, data)
    temporary.replace(path)


def write_durably_json(path: Path, values: Any) -> None:
    """Write strict JSON whole or not at all, and return when the disk has it."""
    write_durably(path, json_text(values))


def sync_directory(path: Path) -> None:
    """Return when the disk has the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_json_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add one line of strict JSON to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json_lines([values]))


def json_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as lines of strict JSON."""
    return "".join(json.dumps(strict(row), allow_nan=False) + "\n" for row in rows)


def _strict_cell(value: Any) -> Any:
    """A NumPy scalar as a plain one; NaN as an empty cell."""
    value = value.item() if isinstance(value, np.generic) else value
    return "" if isinstance(value, float) and np.isnan(value) else value


def json_text(values: Any) -> str:
    """Values as `write_json` writes them."""
    return json.dumps(strict(values), indent=2, allow_nan=False) + "\n"


def strict(values: Any) -> Any:
    """Values as strict JSON has them: plain numbers and lists, NaN as null."""
    if isinstance(values, Mapping):
        return {key: strict(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [strict(value) for value in values]
    if isinstance(values, np.ndarray | np.generic):
        return strict(values.tolist())
    if isinstance(values, float) and not np.isfinite(values):
        return None
    return values
