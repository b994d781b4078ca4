"""One process at a time in a directory: a lock that ends when its owner does, however that ends. No JAX.

It is a `flock` on a file in the directory, which the kernel takes back from a dead process, so that no
crash leaves a lock behind. The file says who has it. On NFS it holds between machines where the server
locks (the default of Linux); where it is mounted with local locks, only between processes of one machine.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

LOCK = "run.lock"
OWNER = {"process", "machine", "since"}
BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)

_held: dict[Path, int] = {}  # directory: descriptor


def hold(directory: Path, option: str) -> None:
    """Let no other process into a directory until `let_go`, or until this one ends.

    option: what asked for the directory

    Raises:
        ValueError: when another process has it, naming that process; nothing is changed then.
        OSError: when the lock cannot be written.
    """
    place = directory.resolve()
    if place in _held:
        return
    descriptor = _opened(place, f"{option} {directory}")
    owner = {"process": os.getpid(), "machine": socket.gethostname(), "since": _now()}
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    _held[place] = descriptor


def let_go(directory: Path) -> None:
    """Let others into a directory again, and leave no lock file in it."""
    place = directory.resolve()
    descriptor = _held.pop(place, None)
    if descriptor is None:
        return
    with contextlib.suppress(OSError):
        (place / LOCK).unlink()  # while it is held, so that it is ours
    os.close(descriptor)


def is_lock(path: Path) -> bool:
    """Whether a file has the name and the form of a lock."""
    return path.name == LOCK and path.is_file() and _owner(path) is not None


def _opened(place: Path, asked: str) -> int:
    """The lock file, locked."""
    while True:
        descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in BUSY:
                os.close(descriptor)
                raise ValueError(f"{asked}: {_in_words(_owner(place / LOCK))}") from None
            print(
                f"{asked}: its file system has no locks ({error.strerror}); start nothing else there",
                file=sys.stderr,
            )
            return descriptor
        if _is_still(place / LOCK, descriptor):
            return descriptor
        os.close(descriptor)  # its owner has deleted it meanwhile


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(path: Path) -> dict[str, Any] | None:
    """Who has written a lock file, an empty record where nobody has yet; None if it is no lock file."""
    try:
        text = path.read_bytes()[:1000]
        found = json.loads(text) if text else {}
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() in (set(), OWNER) else None


def _in_words(owner: dict[str, Any] | None) -> str:
    advice = "wait for it, or name another directory"
    if not owner:
        return f"another process works in it; {advice}"
    where = "" if owner["machine"] == socket.gethostname() else f" on {owner['machine']}"
    return f"process {owner['process']}{where} works in it since {owner['since']}; {advice}"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
