"""JSON that notices when it is changed: a body under its own digest. No JAX."""

import hashlib
import json
from typing import Any


def sha256(data: bytes) -> str:
    """The digest of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def seal_of(body: Any) -> str:
    """The digest of plain values, however their JSON is spaced or ordered."""
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def sealed(body: Any) -> dict[str, Any]:
    """Plain values with their digest beside them, ready for JSON."""
    return {"sha256": seal_of(body), "body": body}
