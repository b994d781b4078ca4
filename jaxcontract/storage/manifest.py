"""JSON that notices when it is changed: a body under its own digest. No JAX."""

import hashlib
import json
from pathlib import Path
from typing import Any

# What can come of a file that is not there, not whole, or not what it should be.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def sha256(data: bytes) -> str:
    """The digest of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def seal_of(body: Any) -> str:
    """The digest of plain values, however their JSON is spaced or ordered."""
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def sealed(body: Any) -> dict[str, Any]:
    """Plain values with their digest beside them, ready for JSON."""
    return {"sha256": seal_of(body), "body": body}


def read_sealed(path: Path, *, largest: int, schema: int) -> tuple[dict[str, Any], str]:
    """Read back what `sealed` has made: the body, unchanged and of this schema, and its digest.

    largest: bytes above which the file is not opened

    Raises:
        UNREADABLE: any of these errors, a ValueError with words for a person.
    """
    if path.stat().st_size > largest:
        raise ValueError("it is too large")
    found = json.loads(path.read_text("utf-8"))
    body: dict[str, Any] = found["body"]
    if found["sha256"] != seal_of(body):
        raise ValueError("it is damaged")
    if body["schema"] != schema:
        raise ValueError(f"schema {body['schema']!r}, this version reads {schema}")
    return body, found["sha256"]
