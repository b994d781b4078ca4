"""Vectors of bytes on disk, written and read by orbax, and held against what is expected before that.

Nothing is executed, and nothing is believed that a file says of its own size: orbax only sees files whose
names, sizes and digests are known, and descriptions that are what it would have written.
"""

import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.core.fields import first_line
from jaxcontract.storage.files import sync_directory

BESIDE = 2**16  # bytes that a file beside the vectors may have


class DamagedError(ValueError):
    """What does not verify; the message says why."""


def write_vectors(directory: Path, vectors: Mapping[str, np.ndarray]) -> None:
    """Write vectors [N] of bytes, and return when the disk has them.

    Raises:
        OSError: when they cannot be written.
    """
    with _checkpointer() as checkpointer, _quiet():
        try:
            checkpointer.save(directory, dict(vectors))
        except OSError:
            raise
        except Exception as error:  # orbax and tensorstore have errors of their own for a full disk
            raise OSError(f"orbax cannot write {directory} ({first_line(error)})") from error
    for folder, _, files in os.walk(directory):
        for file in files:
            with open(os.path.join(folder, file), "rb") as opened:
                os.fsync(opened.fileno())
        sync_directory(Path(folder))


def fingerprints(directory: Path, largest: int | None = None) -> dict[str, str]:
    """The sha256 of every file in a directory, by its path in it.

    Raises:
        DamagedError: at anything that is neither a directory nor a plain file, or is larger than `largest`.
    """
    found = {}
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(folder, name)
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                raise DamagedError(f"{name} is not a plain file")
            if largest is not None and status.st_size > largest:
                raise DamagedError(f"{name} is larger than it can be")
            found[path.relative_to(directory).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def read_vectors(
    directory: Path, lengths: Mapping[str, int], files: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Read vectors of bytes back.

    lengths: of each; files: what `fingerprints` said when they had been written

    Raises:
        DamagedError: when the files are not these, or not of these lengths.
    """
    import orbax.checkpoint as ocp

    try:
        there = fingerprints(directory, largest=max([BESIDE, *lengths.values()]))
        changed = {path for path in there.keys() | files.keys() if there.get(path) != files.get(path)}
        if changed:
            raise DamagedError(f"{min(changed)} is damaged, missing or not ours")
        for name, length in lengths.items():
            described = json.loads((directory / name / ".zarray").read_text("utf-8"))
            if any(described[key] != value for key, value in _description(length).items()):
                raise DamagedError(f"{name} is not described as a vector of {length} bytes")
            if (directory / name / "0").stat().st_size != length:
                raise DamagedError(f"{name} is not of {length} bytes")
    except (OSError, RecursionError, UnicodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DamagedError(f"its arrays cannot be read ({type(error).__name__})") from None
    how = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in lengths}
    wanted = ocp.args.PyTreeRestore(dict.fromkeys(lengths, 0), restore_args=how)
    with _checkpointer() as checkpointer, _quiet():
        try:
            return dict(checkpointer.restore(directory, args=wanted))
        except Exception as error:  # whatever its parser makes of files that somebody has made to mislead it
            raise DamagedError(f"orbax cannot read it ({first_line(error)})") from None


def _description(length: int) -> dict[str, Any]:
    """What orbax writes beside a vector that is neither packed nor compressed, as far as its size goes."""
    return {"shape": [length], "chunks": [length], "dtype": "|u1", "compressor": None, "filters": None}


def _checkpointer() -> Any:
    import orbax.checkpoint as ocp

    # Neither packed nor compressed: what lies on the disk can be held against its size before it is read.
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_compression=False))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without orbax's log: what goes wrong is raised, and in every save it warns of nothing to merge."""

    def silence(record: logging.LogRecord) -> bool:
        del record
        return False

    logger = logging.getLogger("absl")
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)
