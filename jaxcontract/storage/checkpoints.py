"""Steps of a training on disk: written whole, and verified before they are believed.

A step is a directory named by its number of updates. The arrays lie in it as one vector of bytes for each
seed. `manifest.json` is written last: which run it is a step of, for every array its path, shape, dtype and
sha256, and for every file its sha256, under a digest of the whole. Without a manifest that verifies there
is no step. The manifest is held against what the run expects, and the files against the manifest, before
an array is read.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.core.pytree import Arrays
from jaxcontract.storage.arrays import DamagedError, fingerprints, read_vectors, write_vectors
from jaxcontract.storage.files import sync_directory, write_durably
from jaxcontract.storage.manifest import UNREADABLE, read_sealed, sealed, sha256

SCHEMA = 1
KEPT = 2  # steps that verify; older ones make room
MANIFEST, ARRAYS = "manifest.json", "arrays"
LARGEST_MANIFEST = 64 * 2**20  # bytes
_STEP = re.compile(r"0|[1-9]\d{0,11}")
_PARTIAL = re.compile(r"\.\d{1,12}\.partial")


class NothingLoadableError(ValueError):
    """There are steps, and none of them verifies."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that has been verified: the arrays of every seed, and notes as they were given."""

    update: int
    arrays: dict[int, Arrays]
    notes: dict[str, Any]


class Checkpoints:
    """The steps of one run in a directory of their own.

    run:     what makes the run, plain values; a step of another run is never loaded
    earlier: what made it before it was extended; steps of these are steps of the run

    >>> import tempfile
    >>> import numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> checkpoints = Checkpoints(Path(folder.name), {"seeds": [7]})
    >>> checkpoints.save(25, {7: {"weights": np.ones(2)}}, {"seconds": 1.5})
    >>> step = checkpoints.newest({7: {"weights": np.zeros(2)}}, print)  # of this structure
    >>> step.update, step.notes, step.arrays[7]["weights"].tolist()
    (25, {'seconds': 1.5}, [1.0, 1.0])
    >>> folder.cleanup()
    """

    def __init__(
        self, directory: Path, run: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.directory = directory.resolve()
        self.run, *self.earlier = (json.loads(json.dumps(one)) for one in (run, *earlier))

    def save(self, update: int, arrays: Mapping[int, Arrays], notes: Mapping[str, Any]) -> None:
        """Write a step, read it back, and let go of those that are older than the last `KEPT`.

        Raises:
            OSError: when it cannot be written; the steps that were there still are.
            DamagedError: when it does not read back as it was written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._clear_partial()
        partial = self.directory / f".{update}.partial"
        partial.mkdir()
        try:
            write_vectors(partial / ARRAYS, {_name(seed): _joined(own) for seed, own in arrays.items()})
            body = {
                "schema": SCHEMA,
                "update": update,
                "run": self.run,
                "notes": dict(notes),
                "arrays": {_name(seed): _described(own) for seed, own in arrays.items()},
                "files": fingerprints(partial / ARRAYS),
            }
            write_durably(partial / MANIFEST, json.dumps(sealed(body)))
            _read_back(partial, body)
            self._set_aside(update)
            os.rename(partial, self.directory / str(update))
            sync_directory(self.directory)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._make_room(update)

    def newest(self, like: Mapping[int, Arrays], say: Callable[[str], None]) -> Step | None:
        """The newest step that verifies; None where there is no step at all.

        like: arrays of every seed with the paths, shapes and dtypes that are expected
        say:  is told once of each step that is passed over, and why

        Raises:
            NothingLoadableError: when there are steps, and none can be loaded.
        """
        updates = self.updates()
        for update in updates:
            try:
                return self._load(update, like)
            except DamagedError as error:
                say(f"checkpoint {self.directory / str(update)} is passed over: {error}")
        if updates:
            raise NothingLoadableError(
                f"{self.directory}: none of its {len(updates)} checkpoints can be loaded"
            )
        return None

    def updates(self) -> list[int]:
        """What has the name of a step and is not empty, whether or not it verifies; newest first."""
        try:
            entries = list(os.scandir(self.directory))
        except FileNotFoundError:
            return []
        named = [entry for entry in entries if _STEP.fullmatch(entry.name) and entry.is_dir()]
        return sorted((int(entry.name) for entry in named if os.listdir(entry.path)), reverse=True)

    def verify(self, update: int) -> None:
        """Read a step, and let go of what it holds.

        Raises:
            DamagedError: when it is not a step of this run, or not as it was written.
        """
        _read_back(self.directory / str(update), self._manifest(update))

    def _is_ours(self, body: Mapping[str, Any]) -> bool:
        return body["run"] == self.run or body["run"] in self.earlier

    def _manifest(self, update: int) -> dict[str, Any]:
        body = _read_manifest(self.directory / str(update))
        if not self._is_ours(body):
            raise DamagedError("it belongs to another run")
        if body["update"] != update:
            raise DamagedError(f"its manifest is of update {body['update']}")
        return body

    def _load(self, update: int, like: Mapping[int, Arrays]) -> Step:
        body = self._manifest(update)
        described = {_name(seed): _described(own, digest=False) for seed, own in like.items()}
        stated = {name: [entry[:3] for entry in own] for name, own in body["arrays"].items()}
        if stated != described:
            if _but_for_dtypes(stated) == _but_for_dtypes(described):
                raise DamagedError("its numbers are of another precision; set JAX_ENABLE_X64 as it was")
            raise DamagedError("its arrays are not those of this run")
        loaded = _read_back(self.directory / str(update), body)
        return Step(update, {seed: loaded[_name(seed)] for seed in like}, body["notes"])

    def _make_room(self, newest: int) -> None:
        """Delete steps of this run that are older than the last ones that verify."""
        verified = 0
        for update in self.updates():
            step = self.directory / str(update)
            try:
                body = _read_manifest(step)
                if verified < KEPT:
                    _read_back(step, body)
            except DamagedError:
                continue
            if verified >= KEPT and update < newest and self._is_ours(body):
                shutil.rmtree(step, ignore_errors=True)
            verified += 1

    def _set_aside(self, update: int) -> None:
        """Move what already has the name of a step out of its way: it may be evidence, or not ours."""
        taken = self.directory / str(update)
        if not os.path.lexists(taken):
            return
        names = (self.directory / f"{update}.set-aside-{count}" for count in range(1, 1000))
        os.rename(taken, next(name for name in names if not os.path.lexists(name)))

    def _clear_partial(self) -> None:
        """Delete what an interrupted `save` has left."""
        for entry in os.scandir(self.directory):
            if _PARTIAL.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)


def _name(seed: int) -> str:
    return f"seed-{seed}"


def _joined(arrays: Arrays) -> np.ndarray:
    """All arrays end to end as bytes."""
    return np.frombuffer(b"".join(array.tobytes() for array in arrays.values()), np.uint8)


def _but_for_dtypes(described: Mapping[str, list[list[Any]]]) -> dict[str, Any]:
    return {name: [[path, shape] for path, shape, _ in own] for name, own in described.items()}


def _described(arrays: Arrays, digest: bool = True) -> list[list[Any]]:
    """[path, shape, dtype, sha256] of every array."""
    return [
        [path, list(array.shape), array.dtype.str, *([sha256(array.tobytes())] if digest else [])]
        for path, array in arrays.items()
    ]


def _read_manifest(step: Path) -> dict[str, Any]:
    """A step's manifest, its digest verified and its form checked. Raises DamagedError."""
    path = step / MANIFEST
    try:
        body, _ = read_sealed(path, largest=LARGEST_MANIFEST, schema=SCHEMA)
        well_formed = isinstance(body["update"], int) and isinstance(body["notes"], dict)
        well_formed &= isinstance(body["files"], dict)
        for own in body["arrays"].values():
            well_formed &= all(_is_entry(entry) for entry in own)
    except UNREADABLE as error:
        why = error if type(error) is ValueError else type(error).__name__
        raise DamagedError(f"its manifest cannot be read ({why})") from None
    if not well_formed:
        raise DamagedError("its manifest has another form")
    return body


def _is_entry(entry: Any) -> bool:
    """Whether this is [path, shape, dtype, sha256]."""
    path, shape, dtype, digest = entry
    sizes = all(type(size) is int and 0 <= size < 2**40 for size in shape)
    return isinstance(path, str) and sizes and np.dtype(dtype).kind in "iufb" and isinstance(digest, str)


def _read_back(step: Path, body: Mapping[str, Any]) -> dict[str, Arrays]:
    """The arrays of a step, each held against its digest. Raises DamagedError."""
    lengths = {name: sum(_num_bytes(entry) for entry in own) for name, own in body["arrays"].items()}
    vectors = read_vectors(step / ARRAYS, lengths, body["files"])
    return {name: _cut(vectors[name], own) for name, own in body["arrays"].items()}


def _num_bytes(entry: Sequence[Any]) -> int:
    size = np.dtype(entry[2]).itemsize
    for length in entry[1]:
        size *= length
    return size


def _cut(vector: np.ndarray, entries: Sequence[Sequence[Any]]) -> Arrays:
    arrays, start = {}, 0
    for entry in entries:
        path, shape, dtype, digest = entry
        data = vector[start : start + _num_bytes(entry)].tobytes()
        if sha256(data) != digest:
            raise DamagedError(f"{path} is damaged")
        arrays[path] = np.frombuffer(data, np.dtype(dtype)).reshape(shape)
        start += len(data)
    return arrays
