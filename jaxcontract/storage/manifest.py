"""Bundles: archives of arrays beside one manifest that says what they are. The one format on disk. No JAX.

A manifest is JSON, a body under its own digest, `{"sha256": …, "body": …}`:

    schema    of this form
    kind      "checkpoint", "policy", "export" or "study"
    notes     plain values, whatever the kind needs
    archives  by file name: size in bytes, sha256, and of each array [path, shape, dtype]. A `*` in a name
              stands for the manifest's own without `.json`, so that both can be renamed together

It is written last. Without a manifest that verifies there is no bundle. A reader verifies the digest, then
the form, then an archive's size and digest, and only then reads an array (`arrays.py`).
"""

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxcontract.core.fields import first_line
from jaxcontract.storage.arrays import (
    ArrayEntry,
    DamagedError,
    decode_archive,
    describe_arrays,
    encode_archive,
    largest_archive,
    parse_entry,
)
from jaxcontract.storage.files import strict, sync_directory, write_synced

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

SCHEMA = 2
KINDS = ("checkpoint", "policy", "export", "study")
READ_BY_PEOPLE = ("policy", "export")  # on many lines; it takes longer
LARGEST = 64 * 2**20  # bytes of a manifest

# What can come of a file that is not there, not whole, or not what it should be.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


class OlderSchemaError(DamagedError):
    """A manifest of schema 1, from before there were bundles: each kind then had a form of its own."""


class Archive(NamedTuple):
    """What a manifest says of an archive: its size in bytes, its digest, and its arrays in order."""

    size: int
    sha256: str
    arrays: tuple[ArrayEntry, ...]


class Manifest(NamedTuple):
    """A manifest that has been verified. `sha256` is of its body: it covers every archive."""

    notes: dict[str, Any]
    archives: dict[str, Archive]
    sha256: str


def digest_bytes(data: bytes) -> str:
    """The sha256 of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_values(values: Any) -> str:
    """The sha256 of plain values, however their JSON is spaced or ordered."""
    return digest_bytes(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def encode_manifest(body: Any, digest: str | None = None, indent: int | None = None) -> bytes:
    """A body under its digest, as the text of a manifest."""
    found = {"sha256": digest or digest_values(body), "body": body}
    return json.dumps(found, indent=indent, allow_nan=False).encode() + b"\n"


def archive_file(path: Path, name: str) -> Path:
    """Where an archive lies, given the manifest's place and the archive's name in it."""
    return path.with_name(name.replace("*", path.stem, 1))


def write_bundle(
    path: Path,
    kind: str,
    notes: Mapping[str, Any],
    archives: Mapping[str, Mapping[str, Any]],
    write: Callable[[Path, bytes], None] = write_synced,
) -> str:
    """Write archives of arrays, then the manifest that covers them, and read all of it back.

    path:     of the manifest; the archives lie beside it
    kind:     one of `KINDS`
    notes:    plain values under names that are text; NaN, which JSON lacks, becomes null
    archives: by name (`archive_file`), arrays by path
    write:    writes one file whole or not at all; by default over one that is there

    Returns the sha256 of the manifest's body.

    Raises:
        OSError: when it cannot be written, or does not read back as it was written.
        ValueError: when an array is not of numbers.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: must be one of {', '.join(KINDS)}")
    described = {}
    for name, arrays in archives.items():
        data = encode_archive(arrays)
        described[name] = Archive(len(data), digest_bytes(data), describe_arrays(arrays))
        write(archive_file(path, name), data)
    body = strict(
        {
            "schema": SCHEMA,
            "kind": kind,
            "notes": notes,
            "archives": {name: archive._asdict() for name, archive in described.items()},
        }
    )
    digest = digest_values(body)
    write(path, encode_manifest(body, digest, indent=2 if kind in READ_BY_PEOPLE else None))
    sync_directory(path.parent)
    try:
        _read_back(path, kind, digest)
    except DamagedError as error:
        raise OSError(f"{path} was written and does not read back ({error})") from None
    return digest


def _read_back(path: Path, kind: str, digest: str) -> None:
    """Verify all of a bundle. Raises DamagedError."""
    manifest = read_manifest(path, kind)
    if manifest.sha256 != digest:
        raise DamagedError("its manifest is another")
    verify_archives(path, manifest)


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read a manifest: its digest verified, then its form.

    kind: that it must be of

    Raises:
        OlderSchemaError: when its digest is right and its schema is 1.
        DamagedError: when it is no manifest of this kind, with words for a person.
    """
    try:
        body, digest = read_body(path)
        if body["schema"] == 1:
            raise OlderSchemaError(f"schema 1, this version reads {SCHEMA}")
        if body["schema"] != SCHEMA:
            raise ValueError(f"schema {body['schema']!r}, this version reads {SCHEMA}")
        if body["kind"] != kind:
            raise ValueError(f"it is of kind {body['kind']!r}, not {kind!r}")
        if not isinstance(body["notes"], dict):
            raise ValueError("its notes are no object")
        archives = {name: _parse_archive(name, found) for name, found in body["archives"].items()}
    except DamagedError:
        raise
    except UNREADABLE as error:
        raise DamagedError(explain(error)) from None
    return Manifest(body["notes"], archives, digest)


def read_body(path: Path) -> tuple[Any, str]:
    """The body of a manifest, its digest verified and its form not, and that digest.

    Raises:
        UNREADABLE: any of these errors.
    """
    if _plain_size(path) > LARGEST:
        raise ValueError("it is too large")
    found = json.loads(path.read_text("utf-8"))
    body, digest = found["body"], digest_values(found["body"])
    if found["sha256"] != digest:
        raise ValueError("it is damaged")
    return body, digest


def explain(error: Exception) -> str:
    """Why a file could not be read, in one line: what one of `UNREADABLE` says."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, json.JSONDecodeError | UnicodeError):
        return "it is not JSON"
    return first_line(error) if isinstance(error, ValueError | TypeError) else type(error).__name__


def read_archive(path: Path, archive: Archive) -> "Arrays":
    """The arrays of an archive, its size and digest verified before they are read.

    archive: what its manifest says of it

    Raises:
        DamagedError: when it is not the one, or not there.
    """
    return decode_archive(_read_verified(path, archive), archive.arrays)


def read_archives(path: Path, manifest: Manifest) -> dict[str, "Arrays"]:
    """The arrays of every archive of a bundle, by name.

    path: of the manifest

    Raises:
        DamagedError: naming the archive that is not the one, or not there.
    """
    found = {}
    for name, archive in manifest.archives.items():
        with _naming(name):
            found[name] = read_archive(archive_file(path, name), archive)
    return found


def verify_archives(path: Path, manifest: Manifest) -> None:
    """Read every archive of a bundle, and let go of it.

    Raises:
        DamagedError: as `read_archives`.
    """
    for name, archive in manifest.archives.items():
        with _naming(name):
            _read_verified(archive_file(path, name), archive)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put a name before what is said of damage."""
    try:
        yield
    except DamagedError as error:
        raise DamagedError(f"{name}: {error}") from None


def _read_verified(path: Path, archive: Archive) -> bytes:
    """The bytes of an archive, which are those that were written. Raises DamagedError."""
    try:
        size = _plain_size(path)
        if size != archive.size:
            raise ValueError(f"it is damaged: it has {size} bytes, not {archive.size}")
        with path.open("rb") as file:
            data = file.read(archive.size + 1)
    except UNREADABLE as error:
        raise DamagedError(explain(error)) from None
    if digest_bytes(data) != archive.sha256:
        raise DamagedError("it is damaged, or another: its sha256 is not the one in the manifest")
    return data


def _plain_size(path: Path) -> int:
    """Bytes of a plain file, or of one that a link leads to. Raises OSError, and ValueError at all else."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device would never end
        raise ValueError("it is not a plain file")
    return status.st_size


def _parse_archive(name: str, found: Any) -> Archive:
    """What a manifest says of an archive, from its JSON. Raises ValueError, KeyError or TypeError."""
    if name != Path(name).name or name == "..":
        raise ValueError("an archive is not named as a file beside it")
    arrays = tuple(map(parse_entry, found["arrays"]))
    size, digest = found["size"], found["sha256"]
    if type(size) is not int or not 0 <= size <= largest_archive(arrays):
        raise ValueError(f"{name} has no size that its arrays can have")
    if not isinstance(digest, str):
        raise ValueError(f"{name} has no sha256")
    return Archive(size, digest, arrays)
